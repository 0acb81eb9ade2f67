"""What a room's timeline says about answers that were cut off."""

from dataclasses import replace

import pytest

from actors.anchors import LiveAnchor
from actors.model import EventId, InboundMessage, ReplyState, RoomId, UserId
from actors.ports import RecentPage
from actors.room.conversation import is_answered_at_once
from actors.rules.unfinished import (
    Told,
    anchor_in,
    asked_about,
    asked_again,
    asking_id,
    covered,
    emptied,
    forgotten,
    left_over,
    settled_by_asking,
    settled_by_commands,
    unfinished,
    with_deleted,
    with_page,
    without_replaced,
)
from actors.said import ReplyMark, Said

ME = UserId("@bot:x")
Q, OTHER = EventId("$q"), EventId("$other")
DONE, LIVE = ReplyState.DONE, ReplyState.LIVE


def said(
    name: str,
    state: ReplyState | None,
    *,
    edits: str | None = None,
    part: int = 0,
    ts: int = 0,
    more: bool = False,
    to: EventId = Q,
) -> Said:
    """One of the bot's own messages; without a state, one without a reply mark."""
    suffix = "" if edits is None else "~b.1" if state is LIVE else ".final"
    mark = None if state is None else ReplyMark(f"{to}.{part}{suffix}", to, part, state, more)
    changed = None if edits is None else EventId(edits)
    return Said(EventId(name), ME, ts, "m.text", name, edits=changed, mark=mark)


def anchor(name: str, part: int = 0, to: EventId = Q) -> LiveAnchor:
    return LiveAnchor(to, part, f"{to}.{part}", EventId(name))


ANCHOR = said("$a", LIVE)


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (ANCHOR, anchor("$a")),
        (said("$a", DONE), None),
        (said("$a", DONE, more=True), None),
        (said("$a", None), None),
        (said("$e", LIVE, edits="$a"), None),
    ],
)
def test_an_anchor_is_a_message_of_a_growing_answer(message: Said, found: object) -> None:
    assert anchor_in(message) == found


def test_the_parts_of_an_answer_that_has_not_ended_are_unfinished() -> None:
    own = (
        said("$edit", LIVE, edits="$a"),
        said("$notice", None),
        said("$b", DONE, part=1, more=True),
        said("$whole", DONE, to=OTHER),
        ANCHOR,
    )
    assert unfinished(Told(own=own)) == {Q: [anchor("$b", 1), anchor("$a")]}


def test_an_answer_that_has_ended_is_not_unfinished() -> None:
    own = (said("$end", DONE, edits="$a"), ANCHOR, said("$x", LIVE, to=OTHER))
    assert unfinished(Told(own=own, answered=frozenset({Q}))) == {OTHER: [anchor("$x", to=OTHER)]}


def test_an_anchor_that_nothing_has_ended_is_left_over_from_an_ended_answer() -> None:
    own = (
        said("$end", DONE, edits="$a"),
        said("$live", LIVE, edits="$b"),
        said("$notice", None),
        said("$b", LIVE, part=1),
        ANCHOR,
        said("$x", LIVE, to=OTHER),
    )
    assert list(left_over(Told(own=own, answered=frozenset({Q})))) == [anchor("$b", 1)]


@pytest.mark.parametrize(
    ("edits", "end"),
    [
        ((), None),
        ((said("$l", LIVE, edits="$a", ts=3),), None),
        ((said("$d", DONE, edits="$a", ts=2), said("$l", LIVE, edits="$a", ts=1)), None),
        ((said("$l", LIVE, edits="$a", ts=3), said("$d", DONE, edits="$a", ts=2)), "$d"),
        ((said("$l", LIVE, edits="$a", ts=2), said("$d", DONE, edits="$a", ts=2)), "$d"),
    ],
)
def test_an_end_is_covered_by_a_newer_live_edit(edits: tuple[Said, ...], end: str | None) -> None:
    own = (*edits, said("$notice", None, edits="$a", ts=9), ANCHOR)
    found = list(covered(Told(own=own, answered=frozenset({Q}))))
    assert [(it.first, it.anchor, it.end.event_id, it.txn_id) for it in found] == (
        [] if end is None else [(ANCHOR, anchor("$a"), end, "$q.0.final.2")]
    )


def test_the_repetition_of_an_end_has_a_number_that_none_before_it_had() -> None:
    ends = [said(f"$d{ts}", DONE, edits="$a", ts=ts) for ts in range(3)]
    again = (replace(it, mark=ReplyMark(f"$q.0.final.{9 + it.sent_ts}", Q)) for it in ends[1:])
    own = (ends[0], *again, said("$l", LIVE, edits="$a", ts=3), ANCHOR)
    (found,) = covered(Told(own=own, answered=frozenset({Q})))
    assert (found.end.event_id, found.txn_id) == ("$d2", "$q.0.final.12")


def test_nothing_covers_the_end_of_an_answer_that_goes_on() -> None:
    own = (
        said("$l", LIVE, edits="$a", ts=3),
        said("$d", DONE, edits="$a", ts=2, more=True),
        ANCHOR,
    )
    assert list(covered(Told(own=own))) == []


def test_a_part_with_an_end_says_so_if_the_answer_is_unfinished() -> None:
    own = (
        said("$a", LIVE),
        said("$end", DONE, edits="$a", more=True),
        said("$b", LIVE, part=1),
        said("$live", LIVE, edits="$b", part=1),
    )
    ended = LiveAnchor(Q, 0, "$q.0", EventId("$a"), ended_by="$q.0.final")
    assert unfinished(Told(own=own)) == {Q: [ended, anchor("$b", 1)]}


def test_a_command_has_asked_again_if_its_answer_is_no_notice() -> None:
    own = (replace(said("$notice", DONE, to=OTHER), msgtype="m.notice"), said("$answer", DONE))
    assert asked_again(Told(own=own, answered=frozenset({Q, OTHER}))) == {Q}
    assert asked_again(Told(own=own, answered=frozenset({OTHER}))) == frozenset()


def test_a_command_that_is_given_up_has_asked_nothing() -> None:
    told = Told(own=(said("$dead", ReplyState.FAILED),), answered=frozenset({Q}))
    assert asked_again(told) == frozenset()


def question(event_id: EventId = Q) -> InboundMessage:
    return InboundMessage(event_id, RoomId("!room"), UserId("@alice:x"), 0, "m.text", "why?")


def test_an_anchor_of_which_only_live_edits_are_left_was_emptied() -> None:
    own = (said("$e2", LIVE, edits="$gone"), said("$e1", LIVE, edits="$gone"), said("$n", None))
    told = Told((question(),), own)
    assert emptied(told) == [anchor("$gone")]
    assert without_replaced(told) == told
    assert emptied(replace(told, own=(*own, said("$gone", LIVE)))) == []
    assert emptied(replace(told, messages=(question(OTHER),))) == []
    assert emptied(replace(told, answered=frozenset({Q}))) == []


def test_a_question_whose_answer_the_bot_took_back_is_settled() -> None:
    own = (said("$e1", LIVE, edits="$gone"),)
    told = Told((question(),), own, taken_back=frozenset({EventId("$gone")}))
    assert without_replaced(told).answered == {Q}


@pytest.mark.parametrize(
    ("deleted", "own", "is_answered"),
    [
        # The whole answer, its last part, a given up question; a note is no answer.
        (["$q.0"], [], True),
        (["$q.1", "$q.2"], [said("$a", DONE, more=True)], True),
        (["$q.dead"], [], True),
        (["$q.busy", "new.$q", "other"], [], False),
        # What grows is not ended, unless a deleted edit has ended it.
        (["$q.0"], [said("$live", LIVE, edits="$gone")], False),
        (["$q.1"], [said("$a", LIVE)], False),
        (["$q.0~boot.3"], [], False),
        (["$q.0.final"], [said("$a", LIVE), said("$live", LIVE, edits="$a")], True),
        (["$q.0.final.2"], [said("$a", LIVE), said("$b", LIVE, part=1)], False),
        (["$q.0.dead"], [said("$a", LIVE), said("$live", LIVE, edits="$a")], True),
        # An anchor that has its end, with another part to follow.
        (["$q.1"], [said("$a", LIVE), said("$end", DONE, edits="$a", more=True)], True),
        (["$q.0"], [said("$b", DONE, part=1, more=True)], False),
        # What other messages say of other questions does not count.
        (["$q.0"], [said("$a", LIVE, to=OTHER), said("$n", None)], True),
    ],
)
def test_an_answer_that_was_deleted_after_its_end_is_an_answer(
    deleted: list[str], own: list[Said], *, is_answered: bool
) -> None:
    told = with_deleted(Told(own=tuple(own), deleted=frozenset(deleted)))
    assert (Q in told.answered) is is_answered


def test_what_was_in_work_when_the_conversation_was_forgotten_is_not_waited_for() -> None:
    messages = (heard("$1"), heard("$2"), heard("$forget"), heard("$3"))
    notice = replace(said("$notice", DONE, to=EventId("$forget")), forgets=True)
    told = Told(messages, (notice,), frozenset({EventId("$forget")}))
    commands = [EventId("$forget")]
    assert forgotten(told, commands) == {"$1"}
    assert forgotten(replace(told, own=()), commands) == frozenset()
    first = replace(told, answered=told.answered | {EventId("$1")})
    assert forgotten(first, commands) == {"$2"}
    thread = replace(heard("$1"), thread=EventId("$root"))
    assert forgotten(replace(told, messages=(thread, *messages[1:])), commands) == frozenset()


def heard(name: str) -> InboundMessage:
    return InboundMessage(EventId(name), RoomId("!r"), UserId("@a:x"), 0, "m.text", name)


def test_what_stands_before_a_question_that_was_asked_about_is_settled() -> None:
    notice = replace(
        said("$n", ReplyState.FAILED), mark=ReplyMark("$2.unanswered", EventId("$2"), 0)
    )
    messages = (heard("$1"), heard("$2"), heard("$3"))
    assert asked_about(Told(own=(notice, ANCHOR, said("$x", None)))) == {"$2"}
    assert settled_by_asking(Told(messages=messages, own=(notice,))) == {"$1", "$2"}
    deleted = Told(messages=messages, deleted=frozenset({"$2.unanswered", "$3.0"}))
    assert settled_by_asking(deleted) == {"$1", "$2"}
    assert settled_by_asking(Told(messages=messages, own=(ANCHOR,))) == frozenset()
    assert settled_by_asking(Told(messages=(heard("$3"),), own=(notice,))) == frozenset()
    assert asked_about(Told(deleted=frozenset({asking_id(OTHER)}))) == {OTHER}


def test_an_earlier_page_adds_to_what_the_bot_has_said() -> None:
    one, two = frozenset({EventId("$1")}), frozenset({EventId("$2")})
    page = RecentPage(answered=two, own=(ANCHOR,), taken_back=two, deleted=frozenset({"b"}))
    told = with_page(Told(answered=one, taken_back=one, deleted=frozenset({"a"})), page)
    assert (told.own, told.answered, told.taken_back) == ((ANCHOR,), one | two, one | two)
    assert told.deleted == {"a", "b"}


def test_commands_before_one_that_has_an_answer_are_settled() -> None:
    told = Told(tuple(map(heard, ("$1", "$2", "$3", "$4"))), answered=frozenset({EventId("$3")}))
    commands = [EventId("$1"), EventId("$3"), EventId("$4")]
    assert settled_by_commands(told, commands) == {"$1", "$3"}
    assert settled_by_commands(replace(told, answered=frozenset()), commands) == frozenset()
    assert settled_by_commands(told, commands[2:]) == frozenset(), "a question may be in work"


def test_commands_of_the_owner_are_answered_in_their_order() -> None:
    owner = UserId("@a:x")
    assert is_answered_at_once(heard("!status"), owner)
    assert not is_answered_at_once(heard("!status"), UserId("@b:x"))
    assert not is_answered_at_once(heard("status"), owner)
    assert not is_answered_at_once(replace(heard("!status"), edits=EventId("$1")), owner)
    assert not is_answered_at_once(heard("!new"), owner), "the room may take longer"
    assert not is_answered_at_once(heard("!retry"), owner), "it waits for the question in work"
