"""What the bot changes in the profile of its own account."""

import pytest

from actors.model import UserId
from actors.own_account import Profile
from actors.rules.profile import changes, given_with

ME = UserId("@bot:example.org")
WANTED = Profile("Assistant", "mxc://a/new")
OLD = Profile("Helper", "mxc://a/old")
NONE = Profile()


@pytest.mark.parametrize("name", ["", "bot"])
def test_an_account_without_a_name_and_an_avatar_gets_both(name: str) -> None:
    assert changes(Profile(name), WANTED, NONE, ME) == WANTED


@pytest.mark.parametrize("given", [NONE, Profile("Assistant", "mxc://a/first")])
def test_what_a_person_wrote_stays(given: Profile) -> None:
    assert changes(OLD, WANTED, given, ME) == NONE


@pytest.mark.parametrize("now", [NONE, Profile("bot")])
def test_what_a_person_removed_stays_away(now: Profile) -> None:
    assert changes(now, WANTED, OLD, ME) == NONE


def test_other_settings_replace_what_the_bot_wrote() -> None:
    assert changes(OLD, WANTED, OLD, ME) == WANTED


def test_a_name_and_an_avatar_are_decided_apart() -> None:
    assert changes(Profile("Helper"), WANTED, NONE, ME) == Profile("", WANTED.avatar)
    assert changes(Profile("bot", OLD.avatar), WANTED, NONE, ME) == Profile(WANTED.name)


def test_nothing_is_written_twice_or_emptied() -> None:
    assert changes(WANTED, WANTED, NONE, ME) == NONE
    assert changes(WANTED, WANTED, WANTED, ME) == NONE
    assert changes(OLD, NONE, OLD, ME) == NONE


def test_what_was_written_is_remembered_beside_what_was_not() -> None:
    assert given_with(Profile("Assistant"), OLD) == Profile("Assistant", OLD.avatar)
    assert given_with(Profile("", WANTED.avatar), OLD) == Profile("Helper", WANTED.avatar)
