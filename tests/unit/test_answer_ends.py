"""The writes that end an answer which was shown while it grew."""

from dataclasses import replace

import pytest

from actors.anchors import Anchor
from actors.model import (
    EventId,
    InboundMessage,
    OutboundKind,
    OutboundMessage,
    ReplyState,
    RoomId,
    SharedFile,
    TokensUsed,
    UserId,
)
from actors.platform import Reason
from actors.replies.values import Answered, Lost
from actors.room.endings import end_of, events_of, is_behind, keeping, longer
from actors.rules.files import NotSent
from actors.rules.formatting import Formatted
from actors.rules.showing import Shown
from actors.writes import QueueMessage, RedactAnchors

QUESTION = EventId("$question")
SHOWN = Anchor("$question.0", EventId("$anchor"))


def part(number: int | str) -> OutboundMessage:
    return OutboundMessage(f"$question.{number}", RoomId("!room"), "The answer.")


def edit_of(anchor: Anchor, message: OutboundMessage, txn_id: str) -> OutboundMessage:
    return replace(
        message,
        txn_id=txn_id,
        kind=OutboundKind.FINAL,
        edits=anchor.txn_id,
        target=anchor.event_id,
    )


def test_a_stopped_answer_is_what_was_shown_before_only_if_that_is_more() -> None:
    stopped = Answered(pieces=("12", Lost("a.png", NotSent.TOO_LARGE), "34"))
    assert longer(stopped, ["123", "45"]) == Answered(pieces=("123", "45"))
    assert longer(stopped, ["12", "34"]) == stopped
    assert longer(stopped, ()) == stopped
    assert is_behind(stopped, Shown())
    assert is_behind(stopped, Shown(chars=5))
    assert not is_behind(stopped, Shown(chars=4))
    assert not is_behind(replace(stopped, reason=Reason.STOP), Shown())


def test_the_messages_of_an_answer_are_in_the_order_of_its_parts() -> None:
    later = [Anchor(f"$question.{number}", EventId(f"${number}")) for number in (10, 2)]
    void = Anchor("$question.3", EventId("$3"), is_void=True)
    unsent = Anchor("$question.4", None)
    assert events_of([*later, void, unsent, SHOWN]) == ["$anchor", "$2", "$10"]


def test_an_answer_that_was_not_shown_is_sent_as_it_is() -> None:
    assert end_of(QUESTION, [part(0), part(1)], ()) == [
        QueueMessage(part(0)),
        QueueMessage(part(1)),
    ]


def test_a_part_with_an_anchor_is_its_final_edit_and_what_is_left_over_is_taken_back() -> None:
    assert end_of(QUESTION, [part(0), part(1), part("cut")], [SHOWN]) == [
        QueueMessage(edit_of(SHOWN, part(0), "$question.0.final")),
        QueueMessage(part(1)),
        QueueMessage(part("cut")),
        RedactAnchors(QUESTION),
    ]


def test_an_anchor_that_is_not_sent_yet_is_edited_as_well() -> None:
    unsent = replace(SHOWN, event_id=None)
    final = edit_of(unsent, part(0), "$question.0.final")
    assert end_of(QUESTION, [part(0)], [unsent])[0] == QueueMessage(final)


def test_a_void_anchor_and_a_file_make_a_message_under_the_same_id() -> None:
    plain = replace(part(0), txn_id="$question.0.final")
    void = replace(SHOWN, is_void=True)
    assert end_of(QUESTION, [part(0)], [void])[0] == QueueMessage(plain)
    file = SharedFile("mxc://x/y", "a.png", "image/png")
    shows_file, ended = replace(part(0), file=file), replace(plain, file=file)
    assert end_of(QUESTION, [shows_file], [SHOWN])[0] == QueueMessage(ended)


def test_a_question_that_is_given_up_ends_its_first_part_under_an_id_of_its_own() -> None:
    dead = part("dead")
    final = edit_of(SHOWN, dead, "$question.dead")
    assert end_of(QUESTION, [dead], [SHOWN])[0] == QueueMessage(final)
    assert end_of(QUESTION, [dead], [replace(SHOWN, is_void=True)])[0] == QueueMessage(dead)


ASKED = InboundMessage(QUESTION, RoomId("!room"), UserId("@alice:x"), 0, "m.text", "Why?")


def whole(text: str) -> list[Formatted]:
    return [Formatted(body) for body in text.split("|")]


@pytest.mark.parametrize(
    ("failed", "notice", "ends", "apart"),
    [
        ("0", False, ["$question.0.final", "$question.1.final"], "$question.refused"),
        ("0", True, ["$question.0.final", "$question.1.final"], "$question.refused"),
        ("dead", False, ["$question.0.dead", "$question.1.dead"], "$question.given_up"),
    ],
)
def test_what_failed_replaces_nothing_that_the_room_shows(
    failed: str, ends: list[str], apart: str, *, notice: bool
) -> None:
    tokens = TokensUsed("model", 1, 2)
    state = None if notice else ReplyState.FAILED
    said = replace(part(failed), notice=notice, state=state, html="<b>No.</b>", tokens=tokens)
    kept = keeping(ASKED, [said], ["half a", "story|that"], whole)
    assert [(it.body, it.more, it.tokens) for it in kept] == [
        ("half a\n\nstory", True, tokens),
        ("that", False, None),
        ("The answer.", False, None),
    ]
    assert (kept[2].html, kept[2].notice) == ("<b>No.</b>", notice)
    assert [it.state for it in kept] == [ReplyState.FAILED, ReplyState.FAILED, None]
    second = Anchor("$question.1", EventId("$second"))
    assert end_of(QUESTION, kept, [SHOWN, second]) == [
        QueueMessage(edit_of(SHOWN, kept[0], ends[0])),
        QueueMessage(edit_of(second, kept[1], ends[1])),
        QueueMessage(replace(kept[2], txn_id=apart)),
        RedactAnchors(QUESTION),
    ]


def test_an_end_with_an_answer_or_with_nothing_to_keep_is_as_it_is() -> None:
    notice = replace(part(0), notice=True)
    assert keeping(ASKED, [part(0)], ["half"], whole) == [part(0)]
    assert keeping(ASKED, [notice], [], whole) == [notice]
    assert keeping(ASKED, [notice], ["", " "], whole) == [notice]
    assert keeping(ASKED, [], ["half"], whole) == []


def test_without_an_answer_all_anchors_are_taken_back() -> None:
    assert end_of(QUESTION, [], [SHOWN]) == [RedactAnchors(QUESTION)]
