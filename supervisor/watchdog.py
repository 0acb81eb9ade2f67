"""How long the bot may be quiet in each state before it must be taken for stuck. Pure.

Every wait of the bot has a bound of its own; these are generous sums of them. What is quiet for
longer is no outage, which ends in `degraded`, but a bug: a service manager should start again.
"""

from collections.abc import Mapping
from typing import Final

from supervisor.lifecycle import State

PATIENCE_S: Final[Mapping[State, float]] = {
    State.LOGIN: 300.0,
    State.HYDRATE: 1800.0,  # ten thousand rooms one by one, from a server that is slow
    State.RECONCILE: 1800.0,
    State.LIVE: 300.0,  # a beat comes with each /sync, and those end within a minute
    State.DEGRADED: 300.0,  # from when the next attempt was to begin
    State.STOPPED: 60.0,
}


def is_stuck(state: State, quiet_s: float, next_attempt_in_s: float | None = None) -> bool:
    """Whether nothing has come of a state for too long.

    `quiet_s` is the time since the last sign of life. While degraded the wait for the next
    attempt, which may have been asked for by the homeserver, does not count.
    """
    if next_attempt_in_s is not None:
        return -next_attempt_in_s > PATIENCE_S[state]
    return quiet_s > PATIENCE_S[state]
