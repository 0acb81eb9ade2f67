"""Backoff, the crash window and the correlation breaker, with time and chance passed in."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from actors.runtime.restart import WELL, Backoff, CorrelationBreaker, CrashWindow, Failures, Streak


class Highest(Random):
    """The dice always show the most."""

    @override
    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


class Lowest(Random):
    """The dice always show the least."""

    @override
    def uniform(self, a: float, b: float) -> float:
        return min(a, b)


def failures_of(rooms: int) -> list[tuple[float, str]]:
    return [(0.0, f"!{room}") for room in range(rooms)]


def shares(failures: list[tuple[float, str]], active: int) -> bool:
    """Whether the last of these failures, of one type, is shared among this many active rooms."""
    seen, common = Failures[str](CorrelationBreaker()), False
    for at, room in failures:
        common = bool(seen.shared(room, RuntimeError(), at, lambda: active))
    return common


def test_the_longest_wait_doubles_up_to_the_cap() -> None:
    delays = [Backoff().delay_s(attempt, Highest()) for attempt in range(1, 9)]
    assert delays == [2, 4, 8, 16, 32, 60, 60, 60]


def test_the_shortest_wait_is_the_floor() -> None:
    assert {Backoff(floor_s=0.5).delay_s(attempt, Lowest()) for attempt in range(1, 9)} == {0.5}


def test_the_wait_is_never_shorter_than_was_asked_for() -> None:
    assert Backoff().delay_s(1, Lowest(), retry_after_s=90) == 90


def test_an_outage_of_any_length_breaks_nothing() -> None:
    assert Backoff().delay_s(10**9, Highest()) == 60


@given(st.integers(1, 100), st.integers(0, 2**32), st.floats(0, 500))
def test_every_wait_lies_between_the_floor_and_the_cap_or_what_was_asked_for(
    attempt: int, seed: int, retry_after_s: float
) -> None:
    delay_s = Backoff().delay_s(attempt, Random(seed), retry_after_s)  # noqa: S311 - no secret
    assert max(1.0, retry_after_s) <= delay_s <= max(60.0, retry_after_s)


def test_a_success_ends_a_streak_of_failures_only_after_a_while() -> None:
    assert WELL.succeeded(1.0) is WELL
    failing = WELL.failed(1.0, 60.0).failed(2.0, 60.0)
    assert (failing.failures, failing.was_well(99.0, 60.0)) == (2, False)
    better = failing.succeeded(10.0)
    assert better.succeeded(20.0) is better
    assert (better.was_well(69.9, 60.0), better.was_well(70.0, 60.0)) == (False, True)
    assert better.failed(69.9, 60.0) == Streak(3)
    assert better.failed(70.0, 60.0) == Streak(1)


def test_the_third_crash_within_a_minute_is_too_many() -> None:
    window = CrashWindow()
    crashes: tuple[float, ...] = ()
    verdicts = []
    for now in (0.0, 30.0, 59.9):
        crashes = window.after(crashes, now)
        verdicts.append(window.exceeded(crashes))
    assert verdicts == [False, False, True]


def test_crashes_a_minute_ago_do_not_count_any_more() -> None:
    window = CrashWindow()
    assert window.after((0.0, 30.0), 60.0) == (30.0, 60.0)
    assert not window.exceeded((30.0, 60.0))


@pytest.mark.parametrize(("failing", "active"), [(5, 5), (5, 14), (6, 15)])
def test_more_than_a_third_and_at_least_five_rooms_are_a_correlated_failure(
    failing: int, active: int
) -> None:
    assert shares(failures_of(failing), active)


@pytest.mark.parametrize(("failing", "active"), [(0, 0), (4, 4), (5, 15)])
def test_fewer_than_five_or_no_more_than_a_third_are_charged_to_the_rooms(
    failing: int, active: int
) -> None:
    assert not shares(failures_of(failing), active)


def test_one_room_that_fails_again_and_again_is_one_room() -> None:
    assert not shares([(float(at), "!a") for at in range(9)], 9)


def test_failures_longer_than_half_a_minute_ago_do_not_count() -> None:
    failures = [(0.0, "!a"), *((10.0, f"!{room}") for room in range(3))]
    assert shares([*failures, (30.0, "!b")], 5)
    assert not shares([*failures, (30.1, "!b")], 5)


def test_a_subject_fails_from_a_failure_to_the_next_success() -> None:
    failed = WELL.failed(0, 60)
    assert not WELL.is_failing
    assert failed.is_failing
    assert not failed.succeeded(1).is_failing
    assert failed.succeeded(1).failed(2, 60).is_failing
