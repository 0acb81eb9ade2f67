"""How long each state may show no sign of life before the bot is considered stuck. Pure.

Every wait of the bot has its own bound; these limits are generous sums of those bounds. An outage
leads to `degraded` before a limit is reached. A bot that exceeds a limit has a bug, and the service
manager should restart it.
"""

from collections.abc import Mapping
from typing import Final

from supervisor.lifecycle import State

QUIET_LIMIT_S: Final[Mapping[State, float]] = {
    State.STANDBY: 300.0,  # opening the files included
    State.LOGIN: 300.0,
    State.HYDRATE: 1800.0,  # ten thousand rooms one by one, from a slow server
    State.RECONCILE: 1800.0,
    State.LIVE: 300.0,  # each /sync gives a sign of life, and ends within a minute
    State.DEGRADED: 300.0,  # counted from the time at which the next attempt is due
    State.STOPPED: 60.0,
}


def is_stuck(state: State, quiet_s: float, next_attempt_in_s: float | None = None) -> bool:
    """Whether a state has shown no sign of life for too long.

    `quiet_s` is the time since the last sign of life. While degraded, the wait for the next
    attempt does not count, because the homeserver may have asked for it.
    """
    if next_attempt_in_s is not None:
        return -next_attempt_in_s > QUIET_LIMIT_S[state]
    return quiet_s > QUIET_LIMIT_S[state]
