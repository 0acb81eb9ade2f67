"""Access to the inbox while a bot may be using it. Message bodies are never read."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Final, Literal, TypeAlias

from actors.model import EventId, RoomId, UserId
from actors.port_errors import PortError
from actors.writes import RetryMessage
from adapter.sqlite.errors import translated_with_path
from adapter.sqlite.opening import connect
from adapter.sqlite.statements import statement_for

InboxState: TypeAlias = Literal["waiting", "dead", "done"]

_UNSETTLED: Final = (
    "SELECT event_id, room_id, sender, state, attempts, sent_ts, accepted_at FROM inbox"
    " WHERE state <> 'done' ORDER BY seq"
)
_STATE: Final = "SELECT state FROM inbox WHERE event_id = ?"


class DatabaseMissing(PortError):
    """No database exists at this path: no bot has run with it yet, or the path is wrong."""


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


def read_inbox(path: Path) -> list[InboxRow]:
    """The waiting and dead messages, in the order of acceptance. Opens the file read-only.

    Raises DatabaseMissing, StoreUnavailable, StoreCorrupt.
    """
    with _opened(path, "ro") as connection:
        return [InboxRow(*row) for row in connection.execute(_UNSETTLED)]


def retry(path: Path, event_id: EventId) -> InboxState | None:
    """Let a dead message wait again. Returns its previous state; None for an unknown message.

    Other messages do not change. A running bot finds the message by itself. Raises as `read_inbox`
    does.
    """
    statement = statement_for(RetryMessage(event_id), now=0.0)
    with _opened(path, "rw") as connection:
        found = connection.execute(_STATE, (event_id,)).fetchone()
        if found and found[0] == "dead":
            connection.execute(statement.sql, statement.params)
        return found[0] if found else None


@contextmanager
def _opened(path: Path, mode: Literal["ro", "rw"]) -> Iterator[Connection]:
    if not path.is_file():
        raise DatabaseMissing(f"there is no database at {path}")
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    with translated_with_path(path), closing(connect(uri)) as connection:
        if not connection.execute("SELECT 1 FROM pragma_table_info('inbox')").fetchone():
            raise DatabaseMissing(f"{path} holds no inbox")
        yield connection
