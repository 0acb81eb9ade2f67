"""Which rooms read what they may have missed, and which wait for a turn."""

from collections.abc import Callable

from actors.gaps import TALKING_S, UNHURRIED_ROOMS, Gaps
from actors.model import RoomId
from actors.writes import SINCE_LOST, OpenGap

ROOMS = [RoomId(f"!{number}") for number in range(3 * UNHURRIED_ROOMS)]
FIRST = ROOMS[:UNHURRIED_ROOMS]
WAITING = ROOMS[UNHURRIED_ROOMS:]


def gaps_after_a_loss(clock: Callable[[], float] = lambda: 0.0) -> Gaps:
    """Gaps in all rooms, of which the first ones have taken a turn."""
    gaps = Gaps(clock)
    gaps.restore(OpenGap(room_id, SINCE_LOST, "s1") for room_id in ROOMS)
    assert [room_id for room_id in ROOMS if gaps.turns.take(room_id)] == FIRST
    return gaps


def test_a_turn_goes_to_the_room_that_waits_longest() -> None:
    gaps = gaps_after_a_loss()
    for reading, waiting in zip(FIRST, WAITING, strict=False):
        assert gaps.turns.give_back(reading) == [waiting]
        assert gaps.turns.take(waiting)


def test_a_turn_is_not_lost_to_rooms_that_have_news_or_no_gap_any_more() -> None:
    gaps = gaps_after_a_loss()
    for room_id in WAITING[:UNHURRIED_ROOMS]:
        gaps.extend(room_id, "s1", "s2", in_doubt=True)
    gaps.void(WAITING[UNHURRIED_ROOMS])
    following = [room_id for first in FIRST for room_id in gaps.turns.give_back(first)]
    assert following == WAITING[UNHURRIED_ROOMS + 1 :]


def test_a_turn_that_was_not_taken_is_offered_again() -> None:
    gaps = gaps_after_a_loss()
    assert gaps.turns.give_back(FIRST[0]) == [WAITING[0]]
    assert gaps.turns.give_back(FIRST[1]) == WAITING[1:3]


def test_a_room_that_finds_no_turn_free_waits_again() -> None:
    gaps = gaps_after_a_loss()
    assert not gaps.turns.take(WAITING[0])
    assert gaps.turns.give_back(FIRST[0]) == [WAITING[1]]


def test_one_room_reads_at_a_time_while_people_talk() -> None:
    now = 0.0
    gaps = gaps_after_a_loss(lambda: now)
    gaps.turns.note_talk()
    now = 0.9 * TALKING_S
    assert [gaps.turns.give_back(room_id) for room_id in FIRST] == [[], [], [], [WAITING[0]]]
    assert gaps.turns.take(WAITING[0])
    assert not gaps.turns.take(WAITING[1])
    now = TALKING_S
    assert gaps.turns.give_back(WAITING[0]) == WAITING[2 : UNHURRIED_ROOMS + 2]


def test_rooms_that_wait_for_a_turn_are_woken_when_one_is_free() -> None:
    gaps = gaps_after_a_loss()
    assert gaps.to_wake() == FIRST
    assert gaps.turns.give_back(FIRST[0]) == [WAITING[0]]
    assert gaps.to_wake() == [*FIRST, WAITING[0], WAITING[1]]
    gaps.extend(WAITING[-1], "s1", "s2", in_doubt=True)
    assert WAITING[-1] in gaps.to_wake()
