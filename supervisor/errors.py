"""The trigger that each error of an activity becomes, by state, in one table. Pure.

`ERRORS` maps every error that an activity may raise to one trigger in every state with an activity.
If the lifecycle's table has no row for that trigger, the supervisor denies it and the process ends:
the activity of that state cannot raise such an error, so it is a bug. In `degraded`, a loss without
a row is no bug: the bot keeps waiting.
"""

from dataclasses import dataclass
from typing import Final

from actors.port_errors import (
    CredentialsRefused,
    HomeserverRefused,
    HomeserverUnavailable,
    LeaseLost,
    PositionLost,
    RateLimited,
    RefusedForNow,
    SessionRevoked,
    StoreCorrupt,
    StoreUnavailable,
)
from actors.reconcile import ReconcileFailed, RoomsFail
from actors.runtime.errors import errors_in
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
    """In each of these states, the error becomes this trigger.

    `without_session` replaces the trigger if the bot was not logged in when it became degraded.
    """

    error: type[Exception]
    states: tuple[State, ...]
    trigger: Trigger
    without_session: Trigger | None = None


# fmt: off
ERRORS: Final = (
    #       error                  in            becomes
    # RefusedForNow is a HomeserverUnavailable.
    Meaning(HomeserverUnavailable, ACTIVE,       Trigger.HOMESERVER_LOST),
    Meaning(RateLimited,           ACTIVE,       Trigger.HOMESERVER_LOST),
    Meaning(HomeserverRefused,     ACTIVE,       Trigger.HOMESERVER_LOST),

    Meaning(StoreUnavailable,      ACTIVE,       Trigger.STORE_LOST),
    Meaning(StoreCorrupt,          WORKING,      Trigger.STORE_LOST),
    # A probe found the database damaged. Only a new start makes it anew.
    Meaning(StoreCorrupt,          DEGRADED,     Trigger.STOP_REQUESTED),

    # The bot has no session yet, so the answer comes from a proxy in front of the homeserver.
    Meaning(SessionRevoked,        BEFORE_LOGIN, Trigger.HOMESERVER_LOST),
    Meaning(SessionRevoked,        WITH_SESSION, Trigger.SESSION_REVOKED),
    Meaning(SessionRevoked,        DEGRADED,     Trigger.SESSION_REVOKED, Trigger.LOGIN_NEEDED),

    # The account was deactivated while the bot ran. The login finds out whether it still is.
    Meaning(CredentialsRefused,    BEFORE_LOGIN, Trigger.CREDENTIALS_REFUSED),
    Meaning(CredentialsRefused,    WITH_SESSION, Trigger.SESSION_REVOKED),
    Meaning(CredentialsRefused,    DEGRADED,     Trigger.SESSION_REVOKED, Trigger.LOGIN_NEEDED),

    # Only `serve` passes it on. In other states, it comes from a proxy in front of the homeserver.
    Meaning(PositionLost,          LIVE,         Trigger.SYNC_POSITION_LOST),
    Meaning(PositionLost,          NOT_LIVE,     Trigger.HOMESERVER_LOST),

    Meaning(ReconcileFailed,       ACTIVE,       Trigger.ROOMS_FAILING),
    Meaning(RoomsFail,             ACTIVE,       Trigger.ROOMS_FAILING),

    # It is a StoreUnavailable as well.
    Meaning(LeaseLost,             ACTIVE,       Trigger.LEASE_LOST),
)
# fmt: on

EXPECTED: Final = tuple(dict.fromkeys(meaning.error for meaning in ERRORS))
"""The errors that an activity may raise. Any other error is a bug and ends the process."""


CAUGHT: Final[tuple[type[Exception], ...]] = (*EXPECTED, ExceptionGroup)
"""What is caught around an activity: EXPECTED errors, and groups in which they may be."""


def expected_in(raised: Exception) -> Exception:
    """The EXPECTED error that was raised, alone or in groups; of several the last in the table.

    Of several rate limits it is the longest. With any other error in the group it is the group
    itself: that is a bug.
    """
    errors = errors_in(raised)
    if not all(isinstance(error, EXPECTED) for error in errors):
        return raised
    return max(errors, key=_weight)


def _weight(error: Exception) -> tuple[int, float]:
    place = max(place for place, kind in enumerate(EXPECTED) if isinstance(error, kind))
    return place, error.retry_after_s if isinstance(error, RateLimited) else 0.0


def trigger_for(error: Exception, current: Current) -> Trigger:
    """The trigger for one of the EXPECTED errors in the current state: the last that fits it."""
    *_, meaning = (
        each for each in ERRORS if isinstance(error, each.error) and current.state in each.states
    )
    if meaning.without_session is not None and not current.has_session:
        return meaning.without_session
    return meaning.trigger


def fact_of(error: Exception, current: Current) -> Fact:
    """The fact for one of the EXPECTED errors in the current state."""
    trigger, reason = trigger_for(error, current), str(error) or type(error).__name__
    if trigger is Trigger.STOP_REQUESTED:
        return Fact(
            trigger, f"{reason}; starting again to make anew what is lost", start_again=True
        )
    if trigger is Trigger.LEASE_LOST:
        return lease_lost(reason)
    wait_s = error.retry_after_s if isinstance(error, RateLimited | RefusedForNow) else 0.0
    return Fact(trigger, reason, wait_s)


def lease_lost(reason: str) -> Fact:
    """The fact that this process leads no longer."""
    return Fact(Trigger.LEASE_LOST, reason, start_again=True)
