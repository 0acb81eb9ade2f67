"""Chat ids: what is one, who keeps a contested one, and which number comes next."""

import pytest

from actors.model import ChatId, RoomId
from actors.rules.numbering import (
    MAX_CHAT_NUMBER,
    Claim,
    Evidence,
    Numbering,
    chat_id_of,
    chat_number,
    next_index,
    order_of,
    settle,
)


def claim(
    room: str, chat_id: str | None, *, at: int = 0, evidence: Evidence = Evidence.MARKER
) -> Claim:
    return Claim(RoomId(room), at, ChatId(chat_id) if chat_id else None, evidence)


def legacy(room: str, *, at: int = 0) -> Claim:
    return claim(room, None, at=at, evidence=Evidence.NONE)


def again(claims: list[Claim], settled: Numbering) -> list[Claim]:
    """The same rooms in the next run: rooms without a marker have rows by now."""
    return [
        each
        if each.evidence is Evidence.MARKER
        else Claim(each.room_id, each.created_ts, settled.chat_ids[each.room_id], Evidence.ROW)
        for each in claims
    ]


@pytest.mark.parametrize("number", [1, 9, 10, MAX_CHAT_NUMBER])
def test_a_chat_id_is_the_letter_c_and_a_number(number: int) -> None:
    assert chat_id_of(number) == f"C{number}"
    assert chat_number(chat_id_of(number)) == number


@pytest.mark.parametrize(
    "text", ["", "C", "C0", "C01", "C-1", "c4", "C4 ", "C4\n", "C٤", "C99999999999", "C1000000"]
)
def test_everything_else_is_no_chat_id(text: str) -> None:
    assert chat_number(text) is None


def test_an_uncontested_claim_is_kept() -> None:
    assert settle([claim("!a", "C3")], 1) == Numbering({RoomId("!a"): ChatId("C3")}, 4)


def test_of_two_markers_the_room_created_first_keeps_the_id() -> None:
    settled = settle([claim("!b", "C1", at=1), claim("!a", "C1", at=2)], 1)
    assert settled.chat_ids == {"!b": "C1", "!a": "C2"}


def test_rooms_created_in_the_same_millisecond_are_told_apart_by_their_ids() -> None:
    settled = settle([claim("!b", "C1"), claim("!a", "C1")], 1)
    assert settled.chat_ids == {"!a": "C1", "!b": "C2"}


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (Evidence.MARKER, Evidence.ROW),
        (Evidence.ROW, Evidence.NAME),
        (Evidence.MARKER, Evidence.NAME),
    ],
)
def test_better_evidence_beats_an_older_room(better: Evidence, worse: Evidence) -> None:
    settled = settle(
        [claim("!old", "C1", at=1, evidence=worse), claim("!new", "C1", at=2, evidence=better)], 1
    )
    assert settled.chat_ids == {"!new": "C1", "!old": "C2"}


def test_rooms_without_a_claim_are_numbered_in_the_order_of_their_creation() -> None:
    settled = settle([legacy("!a", at=3), legacy("!b", at=1), legacy("!c", at=2)], 1)
    assert settled.chat_ids == {"!b": "C1", "!c": "C2", "!a": "C3"}
    assert settled.next_chat_index == 4


def test_a_gap_is_never_filled() -> None:
    settled = settle([claim("!a", "C5"), legacy("!b")], 1)
    assert settled.chat_ids == {"!a": "C5", "!b": "C6"}


def test_nothing_below_the_high_water_mark_is_given_out() -> None:
    settled = settle([claim("!a", "C2"), legacy("!b")], 9)
    assert settled.chat_ids == {"!a": "C2", "!b": "C9"}
    assert settled.next_chat_index == 10


def test_an_owner_without_rooms_begins_at_the_high_water_mark() -> None:
    assert settle([], 4) == Numbering({}, 4)


def test_when_all_numbers_are_used_a_room_gets_none() -> None:
    settled = settle([claim("!a", f"C{MAX_CHAT_NUMBER}"), legacy("!b"), legacy("!c")], 1)
    assert settled == Numbering({RoomId("!a"): chat_id_of(MAX_CHAT_NUMBER)}, MAX_CHAT_NUMBER + 1)


def test_a_room_that_lost_its_id_gets_the_same_other_one_in_every_run() -> None:
    claims = [claim("!a", "C1", at=1), claim("!b", "C1", at=2), legacy("!c", at=3)]
    first = settle(claims, 1)
    assert settle(again(claims, first), 1) == first


def test_lost_rows_make_no_difference_to_numbers_that_came_from_nothing() -> None:
    rooms = [legacy(f"!{name}", at=at) for at, name in enumerate("abcdef")]
    first = settle(rooms, 1)
    for lost in range(2 ** len(rooms)):
        some_rows = [
            each if lost >> place & 1 else claim_by_row(each.room_id, first, at=place)
            for place, each in enumerate(rooms)
        ]
        assert settle(some_rows, 1) == first


def claim_by_row(room_id: RoomId, settled: Numbering, *, at: int) -> Claim:
    return Claim(room_id, at, settled.chat_ids[room_id], Evidence.ROW)


def test_rows_with_other_numbers_keep_everything_below_them_taken() -> None:
    claims = [legacy("!a", at=1), claim("!b", "C5", at=2, evidence=Evidence.ROW)]
    assert settle(claims, 1).chat_ids == {"!b": "C5", "!a": "C6"}


def test_an_absent_room_can_only_keep_its_number() -> None:
    absent = [claim("!x", "C1", evidence=Evidence.ABSENT)]
    by_name = claim("!a", "C1", evidence=Evidence.NAME)
    assert settle([by_name, *absent], 1).chat_ids == {"!x": "C1", "!a": "C2"}
    assert settle([claim("!a", "C1"), *absent], 1).chat_ids == {"!a": "C1"}


def test_the_next_index_is_above_every_id_and_not_below_the_mark() -> None:
    assert next_index([], 0) == 1
    assert next_index([ChatId("C2"), ChatId("C10")], 1) == 11
    assert next_index([ChatId("C2")], 7) == 7


def test_what_is_no_chat_id_takes_no_number() -> None:
    assert next_index([ChatId("rubbish")], 1) == 1


def test_the_places_of_chats_are_ordered_as_their_numbers() -> None:
    numbers = [1, 2, 9, 10, 99, 100, 999_999]
    places = [order_of(chat_id_of(number)) for number in numbers]
    assert sorted(places) == places
    assert order_of(None) == order_of("") == ""
