"""Ends of answers in sync responses that a live edit covers."""

from actors.late_edits import LateEdits
from actors.model import EventId, ReplyState, RoomId, UserId
from actors.ports import RoomDelta
from actors.said import Redacted, ReplyMark, Said, TimelineEvent
from actors.writes import RepeatFinal

ROOM, ME, Q = RoomId("!r"), UserId("@bot:x"), EventId("$q")


def edit(
    name: str, ts: int, *, boot: str | None = None, anchor: str = "$a", end: str = ".final"
) -> Said:
    """A live edit by a process, or without one the end of an answer."""
    state = ReplyState.DONE if boot is None else ReplyState.LIVE
    mark = ReplyMark(f"{Q}.0" + (end if boot is None else f"~{boot}.7"), Q, 0, state)
    return Said(EventId(name), ME, ts, "m.text", "text", edits=EventId(anchor), mark=mark)


def delta(*said: TimelineEvent) -> RoomDelta:
    return RoomDelta(ROOM, said=said)


def test_an_edit_after_the_end_is_late_and_one_before_it_is_not() -> None:
    late = LateEdits("b2")
    assert late.repeats(delta(edit("$1", 1, boot="b2"))) == []
    assert late.repeats(delta(edit("$2", 2, boot="b2"), edit("$end", 3))) == []
    assert late.repeats(delta(edit("$0", 2, boot="b2"))) == []
    assert late.repeats(delta(edit("$4", 4, boot="b2"))) == [RepeatFinal(EventId("$a"))]
    assert late.repeats(delta(edit("$4", 4, boot="b2"))) == [RepeatFinal(EventId("$a"))]
    assert late.repeats(delta(edit("$end2", 5), edit("$4", 4, boot="b2"))) == []
    assert late.repeats(delta(edit("$end", 3), edit("$4", 4, boot="b2"))) == []


def test_the_order_in_one_response_does_not_count_but_the_age_does() -> None:
    late = LateEdits("b2")
    both = delta(edit("$4", 4, boot="b1"), edit("$5", 5, boot="b1"), edit("$end", 3))
    assert late.repeats(both) == [RepeatFinal(EventId("$a"))]
    assert late.repeats(delta(edit("$0", 1, boot="b1"), edit("$end", 3, anchor="$b"))) == []


def test_an_end_that_is_older_than_the_live_edit_before_it_is_covered() -> None:
    """The homeserver's clock was set back between the two."""
    late = LateEdits("b2")
    assert late.repeats(delta(edit("$live", 9, boot="b2"))) == []
    assert late.repeats(delta(edit("$end", 3))) == [RepeatFinal(EventId("$a"))]
    assert late.repeats(delta(edit("$end2", 10))) == []


def test_a_repeated_end_is_repeated_for_another_live_edit_only() -> None:
    late = LateEdits("b2")
    covered = delta(edit("$live", 9, boot="b1"), edit("$end", 3))
    assert late.repeats(covered) == [RepeatFinal(EventId("$a"))]
    assert late.repeats(delta(edit("$end2", 4, end=".final.2"))) == []
    again = late.repeats(delta(edit("$end3", 10, end=".final.3"), edit("$late", 11, boot="b1")))
    assert again == [RepeatFinal(EventId("$a"))]


def test_of_more_edits_in_one_response_than_are_remembered_none_is_late() -> None:
    ends = (edit(f"$e{number}", 1, anchor=f"$a{number}") for number in range(1001))
    assert LateEdits("b2").repeats(delta(*ends)) == []


def test_an_edit_of_an_earlier_process_is_late_if_the_end_is_confirmed() -> None:
    late = LateEdits("b2")
    found = late.repeats(delta(edit("$1", 1, boot="b1"), edit("$2", 2, boot="b2", anchor="$b")))
    assert found == [RepeatFinal(EventId("$a"), only_if_tried=True)]


def test_what_people_say_and_what_is_redacted_is_no_edit_of_an_answer() -> None:
    person = Said(EventId("$p"), UserId("@a:x"), 1, "m.text", "hi", edits=EventId("$a"))
    plain = Said(EventId("$o"), ME, 1, "m.text", "hi", mark=ReplyMark("$q.0~b1.1"))
    assert LateEdits("b2").repeats(delta(person, plain, Redacted(EventId("$a")))) == []


def test_only_so_many_parts_are_remembered() -> None:
    late = LateEdits("b2")
    late.repeats(delta(edit("$first", 1, anchor="$a")))
    late.repeats(delta(*(edit(f"$e{number}", 1, anchor=f"$a{number}") for number in range(1000))))
    assert late.repeats(delta(edit("$l", 2, boot="b2", anchor="$a"))) == []
    assert late.repeats(delta(edit("$l", 2, boot="b2", anchor="$a1"))) != []
