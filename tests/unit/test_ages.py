"""Ages and waits, while the wall clock is set back and ahead."""

import pytest

from actors.rules.ages import AgeLimit, remaining_s

DAY_S, NOW, KEEP_S = 86_400.0, 1_800_000_000.0, 7 * 86_400.0


@pytest.mark.parametrize(
    ("stored_at", "left_s"),
    [
        (NOW, 60.0),
        (NOW - 20, 40.0),
        (NOW - 60, 0.0),
        (NOW - DAY_S, 0.0),
        (NOW + 3600, 60.0),
        (NOW + 1e12, 60.0),
        (-1e12, 0.0),
    ],
)
def test_what_is_left_of_a_wait_is_at_most_the_wait_and_never_less_than_nothing(
    stored_at: float, left_s: float
) -> None:
    assert remaining_s(stored_at, 60.0, NOW) == left_s


def test_what_is_too_old_follows_the_time() -> None:
    limit = AgeLimit(KEEP_S).at(NOW, 0.0).at(NOW + DAY_S, DAY_S)
    assert limit.before(DAY_S) == NOW + DAY_S - KEEP_S


@pytest.mark.parametrize("ahead_s", [3600.0, DAY_S, 365 * DAY_S])
def test_a_clock_set_ahead_makes_nothing_old_at_once(ahead_s: float) -> None:
    limit = AgeLimit(KEEP_S).at(NOW, 0.0)
    for loop_s in (1.0, DAY_S, KEEP_S):
        limit = limit.at(NOW + ahead_s + loop_s, loop_s)
        assert limit.before(loop_s) == NOW + loop_s - KEEP_S


def test_a_clock_set_ahead_is_believed_when_what_was_there_is_as_old_as_it_says() -> None:
    limit = AgeLimit(KEEP_S).at(NOW, 0.0).at(NOW + 365 * DAY_S, 10.0)
    late_s = 10.0 + KEEP_S
    limit = limit.at(NOW + 365 * DAY_S + KEEP_S, late_s)
    assert limit.before(late_s) == NOW + 365 * DAY_S


def test_a_clock_set_back_is_believed_at_once() -> None:
    limit = AgeLimit(KEEP_S).at(NOW, 0.0).at(NOW - 3600 + 1, 1.0)
    assert limit.before(1.0) == NOW - 3600 + 1 - KEEP_S


def test_a_clock_that_was_ahead_for_a_moment_leaves_nothing_behind() -> None:
    limit = AgeLimit(KEEP_S).at(NOW, 0.0).at(NOW + DAY_S, 1.0).at(NOW + 2, 2.0)
    assert limit == AgeLimit(KEEP_S, offset_s=NOW)
