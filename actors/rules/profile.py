"""Decides what the bot changes in the profile of its own account. Pure."""

from actors.model import UserId
from actors.own_account import Profile


def changes(now: Profile, wanted: Profile, given: Profile, me: UserId) -> Profile:
    """The name and the avatar to write; empty for what stays.

    `given` is what the bot wrote last. Anything else in the profile was put there by a person and
    stays. Homeservers name a new account after its user id: that is no name.
    """
    nameless = {"", me[1:].partition(":")[0]}
    return Profile(
        _change(now.name, wanted.name, given.name, is_unset=now.name in nameless),
        _change(now.avatar, wanted.avatar, given.avatar, is_unset=not now.avatar),
    )


def given_with(written: Profile, given: Profile) -> Profile:
    """What the bot has given the account, after it wrote a name or an avatar."""
    return Profile(written.name or given.name, written.avatar or given.avatar)


def _change(now: str, wanted: str, given: str, *, is_unset: bool) -> str:
    is_own = now == given if given else is_unset
    return wanted if is_own and now != wanted else ""
