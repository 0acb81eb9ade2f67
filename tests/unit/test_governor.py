"""The governor counts, and knows the time; `test_bucket` has the decisions."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from structlog.testing import capture_logs

from actors.bounds import Bounds
from actors.governor import Governor
from actors.meter import LIVE_EDIT_OUTCOMES, Meter
from actors.rules.bucket import EditLimits, Verdict

BOUNDS = replace(Bounds(), live_edits=EditLimits(burst=2, debt=1, per_s=1.0))


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def governor(
    clock: Clock, meter: Meter | None = None, is_busy: Callable[[], bool] = lambda: False
) -> Governor:
    return Governor(BOUNDS, is_busy, meter=meter, clock=clock)


def test_what_is_allowed_and_what_is_spent_come_from_one_bucket(clock: Clock) -> None:
    meter = Meter()
    both = governor(clock, meter)
    assert both.allows()
    both.spent()
    assert not both.allows()
    clock.now += 1
    assert both.allows()
    assert meter.live_edits == {"sent": 2, "no_token": 1}


def test_the_meter_has_an_outcome_for_each_verdict() -> None:
    assert tuple(Verdict) == LIVE_EDIT_OUTCOMES


def test_nothing_is_allowed_while_a_message_waits(clock: Clock) -> None:
    meter, waiting = Meter(), [True]
    polite = governor(clock, meter, lambda: waiting[0])
    assert not polite.allows()
    waiting[0] = False
    assert polite.allows()
    assert meter.live_edits == {"busy": 1, "sent": 1}


def test_a_limit_that_is_noted_twice_is_logged_once_and_halves_the_rate_once(clock: Clock) -> None:
    meter = Meter()
    careful = governor(clock, meter)
    with capture_logs() as logs:
        careful.limited(4.5)
        careful.limited(0)
    assert [log["event"] for log in logs] == ["live_edits_limited"]
    assert careful.per_s == 0.5
    clock.now += 29
    assert not careful.allows()
    assert meter.live_edits == {"limited": 1}


def test_a_governor_without_a_bot_allows_what_the_bucket_has(clock: Clock) -> None:
    assert Governor(BOUNDS, clock=clock).allows()
