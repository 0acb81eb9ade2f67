"""The bot's states and the one table that says how they follow each other. Pure.

The way back from an outage never leads straight to `live`: what changed meanwhile is read and
reconciled first. Both are cheap while the sync position is still good.
"""

from enum import StrEnum
from typing import Final

from actors.runtime.table import Row, Table


class State(StrEnum):
    """Where the bot is."""

    LOGIN = "login"
    """Getting a session: the stored one, else a new one under the same device id."""
    HYDRATE = "hydrate"
    """Reading the joined rooms' state from the homeserver."""
    RECONCILE = "reconcile"
    """Bringing the cache in line with what was read."""
    LIVE = "live"
    """Following /sync and answering."""
    DEGRADED = "degraded"
    """Something outside is missing; probing until it is back."""
    STOPPED = "stopped"
    """The end."""


class Trigger(StrEnum):
    """A fact that moves the bot to another state."""

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
    """Recovered, but there is no session."""
    STOP_REQUESTED = "stop_requested"


# fmt: off
TABLE: Final = (
    #   from              when                          to
    Row(State.LOGIN,      Trigger.LOGGED_IN,            State.HYDRATE),
    Row(State.LOGIN,      Trigger.HOMESERVER_LOST,      State.DEGRADED),
    Row(State.LOGIN,      Trigger.CREDENTIALS_REFUSED,  State.STOPPED),
    Row(State.LOGIN,      Trigger.STOP_REQUESTED,       State.STOPPED),

    Row(State.HYDRATE,    Trigger.HYDRATED,             State.RECONCILE),
    Row(State.HYDRATE,    Trigger.SESSION_REVOKED,      State.LOGIN),
    Row(State.HYDRATE,    Trigger.HOMESERVER_LOST,      State.DEGRADED),
    Row(State.HYDRATE,    Trigger.STORE_LOST,           State.DEGRADED),
    Row(State.HYDRATE,    Trigger.STOP_REQUESTED,       State.STOPPED),

    Row(State.RECONCILE,  Trigger.RECONCILED,           State.LIVE),
    Row(State.RECONCILE,  Trigger.SESSION_REVOKED,      State.LOGIN),
    Row(State.RECONCILE,  Trigger.HOMESERVER_LOST,      State.DEGRADED),
    Row(State.RECONCILE,  Trigger.STORE_LOST,           State.DEGRADED),
    Row(State.RECONCILE,  Trigger.ROOMS_FAILING,        State.DEGRADED),
    Row(State.RECONCILE,  Trigger.STOP_REQUESTED,       State.STOPPED),

    Row(State.LIVE,       Trigger.SYNC_POSITION_LOST,   State.HYDRATE),
    Row(State.LIVE,       Trigger.SESSION_REVOKED,      State.LOGIN),
    Row(State.LIVE,       Trigger.HOMESERVER_LOST,      State.DEGRADED),
    Row(State.LIVE,       Trigger.STORE_LOST,           State.DEGRADED),
    Row(State.LIVE,       Trigger.ROOMS_FAILING,        State.DEGRADED),
    Row(State.LIVE,       Trigger.STOP_REQUESTED,       State.STOPPED),

    Row(State.DEGRADED,   Trigger.RECOVERED,            State.HYDRATE),
    Row(State.DEGRADED,   Trigger.LOGIN_NEEDED,         State.LOGIN),
    Row(State.DEGRADED,   Trigger.SESSION_REVOKED,      State.LOGIN),
    Row(State.DEGRADED,   Trigger.STOP_REQUESTED,       State.STOPPED),
)
# fmt: on

INITIAL: Final = State.LOGIN
LIFECYCLE: Final = Table(TABLE, initial=INITIAL)
MACHINE: Final = "lifecycle"

BEFORE_LOGIN: Final = (State.LOGIN,)
"""States in which the bot has no session yet."""
LOSSES: Final = frozenset(row.trigger for row in TABLE if row.dst is State.DEGRADED)
"""Triggers that lead to `degraded`. In `degraded`, another loss means that the bot waits on."""
FAILURES: Final = LOSSES | {
    Trigger.SESSION_REVOKED,
    Trigger.SYNC_POSITION_LOST,
    Trigger.CREDENTIALS_REFUSED,
}
"""Triggers that say that an activity has failed; the journal's outcome is then `error`."""
RESET: Final = "reset"
"""The trigger of the row that a reset leaves in the journal, under this machine. The table does not
have it: nothing runs during a reset, so the state is `stopped` before and after it."""
