"""What an error of an activity means in each state, in one table. Pure.

`ERRORS` gives every error that an activity may raise one trigger in every state that has an
activity. A trigger without a row in the lifecycle's table is denied, which ends the process: the
activity of that state has no way to raise such an error, so it is a bug. In `degraded`, a loss
without a row is no bug but means that the bot waits on.
"""

from dataclasses import dataclass
from typing import Final

from actors.ports import (
    CredentialsRefused,
    HomeserverRefused,
    HomeserverUnavailable,
    PositionLost,
    RateLimited,
    SessionRevoked,
    StoreCorrupt,
    StoreUnavailable,
)
from actors.reconcile import ReconcileFailed, RoomsFail
from supervisor.current import Current, Fact
from supervisor.lifecycle import BEFORE_LOGIN, State, Trigger

ACTIVE: Final = tuple(state for state in State if state is not State.STOPPED)
NOT_LIVE: Final = tuple(state for state in ACTIVE if state is not State.LIVE)
WITH_SESSION: Final = tuple(
    state for state in ACTIVE if state not in (*BEFORE_LOGIN, State.DEGRADED)
)
WORKING: Final = (*BEFORE_LOGIN, *WITH_SESSION)
LIVE: Final = (State.LIVE,)
DEGRADED: Final = (State.DEGRADED,)


@dataclass(frozen=True, slots=True)
class Meaning:
    """In each of the states, the error is this trigger.

    `without_session` is the trigger for a bot that was not logged in when it became degraded.
    """

    error: type[Exception]
    states: tuple[State, ...]
    trigger: Trigger
    without_session: Trigger | None = None


# fmt: off
ERRORS: Final = (
    #       error                  in            is
    Meaning(HomeserverUnavailable, ACTIVE,       Trigger.HOMESERVER_LOST),
    Meaning(RateLimited,           ACTIVE,       Trigger.HOMESERVER_LOST),
    Meaning(HomeserverRefused,     ACTIVE,       Trigger.HOMESERVER_LOST),

    Meaning(StoreUnavailable,      ACTIVE,       Trigger.STORE_LOST),
    Meaning(StoreCorrupt,          WORKING,      Trigger.STORE_LOST),
    # A database that a probe finds damaged is opened anew, which takes a new start.
    Meaning(StoreCorrupt,          DEGRADED,     Trigger.STOP_REQUESTED),

    # Without a session there is nothing to revoke: something in front of the homeserver says so.
    Meaning(SessionRevoked,        BEFORE_LOGIN, Trigger.HOMESERVER_LOST),
    Meaning(SessionRevoked,        WITH_SESSION, Trigger.SESSION_REVOKED),
    Meaning(SessionRevoked,        DEGRADED,     Trigger.SESSION_REVOKED, Trigger.LOGIN_NEEDED),

    # An account that is locked while the bot runs: the login finds out whether there is a way in.
    Meaning(CredentialsRefused,    BEFORE_LOGIN, Trigger.CREDENTIALS_REFUSED),
    Meaning(CredentialsRefused,    WITH_SESSION, Trigger.SESSION_REVOKED),
    Meaning(CredentialsRefused,    DEGRADED,     Trigger.SESSION_REVOKED, Trigger.LOGIN_NEEDED),

    # No activity but `serve` passes it on: elsewhere, something in front of the homeserver says so.
    Meaning(PositionLost,          LIVE,         Trigger.SYNC_POSITION_LOST),
    Meaning(PositionLost,          NOT_LIVE,     Trigger.HOMESERVER_LOST),

    Meaning(ReconcileFailed,       ACTIVE,       Trigger.ROOMS_FAILING),
    Meaning(RoomsFail,             ACTIVE,       Trigger.ROOMS_FAILING),
)
# fmt: on

EXPECTED: Final = tuple(dict.fromkeys(meaning.error for meaning in ERRORS))
"""The errors that an activity may raise. Any other one is a bug, and ends the process."""


def trigger_for(error: Exception, current: Current) -> Trigger:
    """What one of the EXPECTED errors means now."""
    meaning = next(
        each for each in ERRORS if isinstance(error, each.error) and current.state in each.states
    )
    if meaning.without_session is not None and not current.has_session:
        return meaning.without_session
    return meaning.trigger


def fact_of(error: Exception, current: Current) -> Fact:
    """What one of the EXPECTED errors means now, and why."""
    trigger, reason = trigger_for(error, current), str(error) or type(error).__name__
    if trigger is Trigger.STOP_REQUESTED:
        return Fact(trigger, f"{reason}; starting again with a new file", start_again=True)
    return Fact(trigger, reason, error.retry_after_s if isinstance(error, RateLimited) else 0.0)
