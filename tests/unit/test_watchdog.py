"""How long the bot may be quiet before it counts as stuck."""

import pytest

from supervisor.lifecycle import State
from supervisor.watchdog import QUIET_LIMIT_S, is_stuck


def test_every_state_has_a_limit() -> None:
    assert list(QUIET_LIMIT_S) == list(State)


@pytest.mark.parametrize("state", State)
def test_a_state_that_is_quiet_for_longer_than_its_limit_is_stuck(state: State) -> None:
    assert not is_stuck(state, QUIET_LIMIT_S[state])
    assert is_stuck(state, QUIET_LIMIT_S[state] + 1)


def test_the_wait_for_the_next_attempt_is_no_silence() -> None:
    limit = QUIET_LIMIT_S[State.DEGRADED]
    assert not is_stuck(State.DEGRADED, 10 * limit, next_attempt_in_s=3600.0)
    assert not is_stuck(State.DEGRADED, 10 * limit, next_attempt_in_s=-limit)
    assert is_stuck(State.DEGRADED, 0.0, next_attempt_in_s=-limit - 1)
