"""What came of inviting an owner to a room, and the sentences that say it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from actors.model import RoomId
from actors.rules.formatting import Formatted
from actors.rules.wording import Link, worded
from actors.snapshots import RoomSnapshot
from actors.texts import Texts

INVITE_BLOCKED: Final = "M_INVITE_BLOCKED"
"""The error code for an account that accepts no invites from the bot."""


class Access(StrEnum):
    """How an owner gets into a room."""

    MEMBER = "member"
    """The owner is in the room."""
    INVITED = "invited"
    """The owner has an invite to the room."""
    LINK = "link"
    """The invite was refused, and the owner may join without one."""
    KNOCK = "knock"
    """The invite was refused, and the owner may ask to join."""
    BLOCKED = "blocked"
    """The owner's account accepts no invites from the bot, and there is no other way in."""
    BANNED = "banned"
    """The owner is banned from the room."""
    GONE = "gone"
    """The bot is not in the room any more."""
    REFUSED = "refused"
    """The invite was refused, and there is no other way in."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of inviting an owner to one room.

    `reason` is the homeserver's reason for a refusal, in its own words; it is empty if the owner's
    account accepts no invites from the bot.
    """

    access: Access
    reason: str = ""

    @property
    def refused(self) -> bool:
        """Whether the owner neither is in the room nor has an invite to it."""
        return self.access not in {Access.MEMBER, Access.INVITED}


def admitted(seen: RoomSnapshot, *, joined: bool) -> frozenset[RoomId]:
    """The rooms whose members are to get into a room without an invite.

    A chat that is open to its Space stays so, also when its Space is upgraded to another room. Any
    other room counts only until the owner has `joined`.
    """
    space_id = seen.marker.space_id if seen.marker is not None else None
    spaces = seen.parents | ({space_id} if space_id else frozenset())
    home = {space_id} if space_id and seen.admits & spaces else frozenset()
    return frozenset(home if joined else home | (seen.admits - spaces))


@dataclass(frozen=True, slots=True)
class Entrance:
    """A room and what came of the invite to it."""

    room: Link
    outcome: Outcome


def way_in(entrance: Entrance, texts: Texts) -> Formatted:
    """The sentence that says how the owner gets into the room."""
    text = {
        Access.MEMBER: texts.access_member,
        Access.INVITED: texts.access_invited,
        Access.LINK: texts.access_link,
        Access.KNOCK: texts.access_knock,
        Access.BLOCKED: texts.access_blocked,
        Access.BANNED: texts.access_banned,
        Access.GONE: texts.access_gone,
        Access.REFUSED: texts.access_refused,
    }[entrance.outcome.access]
    reason = entrance.outcome.reason.rstrip(".")
    is_gone = entrance.outcome.access is Access.GONE
    return worded(text, room=entrance.room.name if is_gone else entrance.room, reason=reason)


def with_ways_in(
    opening: Formatted, entrances: Iterable[Entrance], texts: Texts
) -> list[Formatted]:
    """A sentence, and a line for each room."""
    return [opening, *(way_in(each, texts) for each in entrances)]
