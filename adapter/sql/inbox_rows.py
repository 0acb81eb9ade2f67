"""What the shell commands read of the inbox. Message bodies are never read. Pure."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from actors.model import EventId, RoomId, UserId
from actors.port_errors import PortError
from adapter.sql.values import Query

InboxState: TypeAlias = Literal["waiting", "dead", "done"]

UNSETTLED: Final = Query(
    "SELECT event_id, room_id, sender, state, attempts, sent_ts, accepted_at FROM inbox"
    " WHERE state <> 'done' ORDER BY seq"
)
"""The rows of the waiting and dead messages, for `InboxRow`."""


class DatabaseMissing(PortError):
    """No database exists at this place: no bot has run with it yet, or the place is wrong."""


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A message that waits, or that the bot gave up (`dead`) after `attempts` failures.

    `sent_ts` is in milliseconds since the epoch, by the clock of the sender's server; `accepted_at`
    is in seconds since the epoch, by the bot's clock.
    """

    event_id: EventId
    room_id: RoomId
    sender: UserId
    state: InboxState
    attempts: int
    sent_ts: int
    accepted_at: float


def state_query(event_id: EventId) -> Query:
    """The query of the state of one message."""
    return Query("SELECT state FROM inbox WHERE event_id = ?", (event_id,))
