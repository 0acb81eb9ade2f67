"""The bot's states, and the table of all transitions between them. Pure.

Recovery from an outage never leads directly to `live`: the bot hydrates and reconciles first. Both
are cheap while the sync position is still valid.
"""

from enum import StrEnum
from typing import Final

from actors.runtime.table import Row, Table


class State(StrEnum):
    """A state of the bot."""

    STANDBY = "standby"
    """Waiting until this process leads. With files, it leads at once."""
    LOGIN = "login"
    """Getting a session: the stored session, or else a new one under the same device id."""
    HYDRATE = "hydrate"
    """Reading the state of the joined rooms from the homeserver."""
    RECONCILE = "reconcile"
    """Bringing the cache in line with the rooms that were read."""
    LIVE = "live"
    """Following /sync and answering messages."""
    DEGRADED = "degraded"
    """Probing until the homeserver, the database or the failing rooms are back."""
    STOPPED = "stopped"
    """The end."""


class Trigger(StrEnum):
    """A fact that moves the bot to another state."""

    ELECTED = "elected"
    """This process leads."""
    LOGGED_IN = "logged_in"
    HYDRATED = "hydrated"
    RECONCILED = "reconciled"
    HOMESERVER_LOST = "homeserver_lost"
    STORE_LOST = "store_lost"
    ROOMS_FAILING = "rooms_failing"
    SESSION_REVOKED = "session_revoked"
    SYNC_POSITION_LOST = "sync_position_lost"
    CREDENTIALS_REFUSED = "credentials_refused"
    RECOVERED = "recovered"
    LOGIN_NEEDED = "login_needed"
    """Recovered, but the bot has no session."""
    LEASE_LOST = "lease_lost"
    """Another process leads, or may. A fresh run in the same process follows."""
    STOP_REQUESTED = "stop_requested"


# fmt: off
TABLE: Final = (
    #   from              when                          to
    Row(State.STANDBY,    Trigger.ELECTED,              State.LOGIN),
    Row(State.STANDBY,    Trigger.STOP_REQUESTED,       State.STOPPED),

    Row(State.LOGIN,      Trigger.LOGGED_IN,            State.HYDRATE),
    Row(State.LOGIN,      Trigger.HOMESERVER_LOST,      State.DEGRADED),
    Row(State.LOGIN,      Trigger.STORE_LOST,           State.DEGRADED),
    Row(State.LOGIN,      Trigger.CREDENTIALS_REFUSED,  State.STOPPED),
    Row(State.LOGIN,      Trigger.LEASE_LOST,           State.STOPPED),
    Row(State.LOGIN,      Trigger.STOP_REQUESTED,       State.STOPPED),

    Row(State.HYDRATE,    Trigger.HYDRATED,             State.RECONCILE),
    Row(State.HYDRATE,    Trigger.SESSION_REVOKED,      State.LOGIN),
    Row(State.HYDRATE,    Trigger.HOMESERVER_LOST,      State.DEGRADED),
    Row(State.HYDRATE,    Trigger.STORE_LOST,           State.DEGRADED),
    Row(State.HYDRATE,    Trigger.LEASE_LOST,           State.STOPPED),
    Row(State.HYDRATE,    Trigger.STOP_REQUESTED,       State.STOPPED),

    Row(State.RECONCILE,  Trigger.RECONCILED,           State.LIVE),
    Row(State.RECONCILE,  Trigger.SESSION_REVOKED,      State.LOGIN),
    Row(State.RECONCILE,  Trigger.HOMESERVER_LOST,      State.DEGRADED),
    Row(State.RECONCILE,  Trigger.STORE_LOST,           State.DEGRADED),
    Row(State.RECONCILE,  Trigger.ROOMS_FAILING,        State.DEGRADED),
    Row(State.RECONCILE,  Trigger.LEASE_LOST,           State.STOPPED),
    Row(State.RECONCILE,  Trigger.STOP_REQUESTED,       State.STOPPED),

    Row(State.LIVE,       Trigger.SYNC_POSITION_LOST,   State.HYDRATE),
    Row(State.LIVE,       Trigger.SESSION_REVOKED,      State.LOGIN),
    Row(State.LIVE,       Trigger.HOMESERVER_LOST,      State.DEGRADED),
    Row(State.LIVE,       Trigger.STORE_LOST,           State.DEGRADED),
    Row(State.LIVE,       Trigger.ROOMS_FAILING,        State.DEGRADED),
    Row(State.LIVE,       Trigger.LEASE_LOST,           State.STOPPED),
    Row(State.LIVE,       Trigger.STOP_REQUESTED,       State.STOPPED),

    Row(State.DEGRADED,   Trigger.RECOVERED,            State.HYDRATE),
    Row(State.DEGRADED,   Trigger.LOGIN_NEEDED,         State.LOGIN),
    Row(State.DEGRADED,   Trigger.SESSION_REVOKED,      State.LOGIN),
    Row(State.DEGRADED,   Trigger.LEASE_LOST,           State.STOPPED),
    Row(State.DEGRADED,   Trigger.STOP_REQUESTED,       State.STOPPED),
)
# fmt: on

INITIAL: Final = State.STANDBY
LIFECYCLE: Final = Table(TABLE, initial=INITIAL)
MACHINE: Final = "lifecycle"

BEFORE_LOGIN: Final = (State.STANDBY, State.LOGIN)
"""States in which the bot has no session yet."""
LOSSES: Final = frozenset(row.trigger for row in TABLE if row.dst is State.DEGRADED)
"""Triggers that lead to `degraded`. In `degraded`, the bot keeps waiting after another loss."""
FAILURES: Final = LOSSES | {
    Trigger.SESSION_REVOKED,
    Trigger.SYNC_POSITION_LOST,
    Trigger.CREDENTIALS_REFUSED,
    Trigger.LEASE_LOST,
}
"""Triggers of failed activities. Their outcome in the journal is `error`."""
RESET: Final = "reset"
"""The trigger of the journal row that a reset writes for this machine. The table does not
have it: the bot does not run during a reset, so the state is `stopped` before and after."""
