"""Whose messages are answered in a chat."""

from dataclasses import replace

import pytest

from actors.model import EventId, InboundMessage, RoomId, UserId
from actors.rules.addressing import is_addressed
from actors.rules.answers import Answers

OWNER = UserId("@alice:example.org")
GUEST = UserId("@bob:example.org")
SAID = InboundMessage(EventId("$1"), RoomId("!chat"), GUEST, 0, "m.text", "hello")


def answered(
    answers: Answers, message: InboundMessage = SAID, *, replies_to_bot: bool = False
) -> bool:
    return is_addressed(message, OWNER, answers, commands={"help"}, replies_to_bot=replies_to_bot)


@pytest.mark.parametrize("answers", Answers)
def test_the_owner_is_always_answered(answers: Answers) -> None:
    assert answered(answers, replace(SAID, sender=OWNER))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [(Answers.MENTIONS, False), (Answers.EVERYONE, True), (Answers.OWNER, False)],
)
def test_a_guest_among_guests(answers: Answers, *, expected: bool) -> None:
    assert answered(answers) is expected


@pytest.mark.parametrize(
    ("answers", "expected"),
    [(Answers.MENTIONS, True), (Answers.EVERYONE, True), (Answers.OWNER, False)],
)
def test_a_guest_who_speaks_to_the_bot(answers: Answers, *, expected: bool) -> None:
    assert answered(answers, replace(SAID, mentions_bot=True)) is expected
    assert answered(answers, replies_to_bot=True) is expected
    assert answered(answers, replace(SAID, body="!help")) is expected


@pytest.mark.parametrize("body", ["!important", "!remind me", "! important", "!helpless"])
def test_a_guest_who_writes_an_unknown_command_speaks_to_nobody_here(body: str) -> None:
    assert not answered(Answers.MENTIONS, replace(SAID, body=body))
    assert answered(Answers.MENTIONS, replace(SAID, body=body), replies_to_bot=True)


def test_a_picture_is_no_command() -> None:
    assert not answered(Answers.MENTIONS, replace(SAID, body="!help", msgtype="m.image"))
