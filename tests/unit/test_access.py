"""The sentences about an invite: they say what has happened, in every language."""

import pytest

from actors.rules.access import Access, Entrance, Outcome, way_in, with_ways_in
from actors.rules.wording import Link, worded
from actors.texts import ENGLISH, LOCALES, Texts

LINK = "https://matrix.to/#/!room?via=example.org"
CLAIMS = ("I have invited", "приглашение отправлено")


def entrance(access: Access, reason: str = "") -> Entrance:
    return Entrance(Link("Chat 1", LINK), Outcome(access, reason))


@pytest.mark.parametrize("texts", LOCALES.values(), ids=LOCALES)
@pytest.mark.parametrize("access", Access)
def test_only_an_invite_that_was_sent_is_told_of(access: Access, texts: Texts) -> None:
    told = way_in(entrance(access, "No."), texts).body
    assert any(claim in told for claim in CLAIMS) == (access is Access.INVITED)
    assert told.startswith("Chat 1: ")
    assert (LINK in told) == (access is not Access.GONE)
    assert "{" not in told


@pytest.mark.parametrize("texts", LOCALES.values(), ids=LOCALES)
@pytest.mark.parametrize("access", [Access.LINK, Access.KNOCK, Access.REFUSED])
def test_the_words_of_the_homeserver_are_told_where_there_is_no_way_in(
    access: Access, texts: Texts
) -> None:
    told = way_in(entrance(access, "Invites are disabled."), texts).body
    assert ("(Invites are disabled)." in told) == (access is Access.REFUSED)


def test_an_account_that_accepts_no_invites_is_told_so() -> None:
    assert (
        "your account accepts no invites from me" in way_in(entrance(Access.BLOCKED), ENGLISH).body
    )


def test_refused_is_what_leaves_the_owner_outside() -> None:
    outside = {access for access in Access if Outcome(access).refused}
    assert outside == set(Access) - {Access.MEMBER, Access.INVITED}


def test_each_room_has_a_line() -> None:
    doors = [entrance(Access.MEMBER), entrance(Access.BANNED)]
    assert len(with_ways_in(worded("Hello!"), doors, ENGLISH)) == 3
