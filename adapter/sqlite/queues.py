"""The inbox seen from outside, while a bot may be working on it. Message bodies stay inside."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Final, Literal, TypeAlias

from actors.model import EventId, RoomId, UserId
from actors.ports import PortError
from actors.writes import RetryMessage
from adapter.sqlite.errors import naming
from adapter.sqlite.opening import connect
from adapter.sqlite.statements import statement_for

InboxState: TypeAlias = Literal["waiting", "dead", "done"]

_UNSETTLED: Final = (
    "SELECT event_id, room_id, sender, state, attempts, sent_ts, accepted_at FROM inbox"
    " WHERE state <> 'done' ORDER BY seq"
)
_STATE: Final = "SELECT state FROM inbox WHERE event_id = ?"


class DatabaseMissing(PortError):
    """There is no database at this path: no bot has run with it yet, or the path is wrong."""


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A message that waits, or was given up (`dead`) after `attempts` failures.

    `sent_ts` is in milliseconds since the epoch, as the sender's server says; `accepted_at` is in
    seconds since the epoch, as ours does.
    """

    event_id: EventId
    room_id: RoomId
    sender: UserId
    state: InboxState
    attempts: int
    sent_ts: int
    accepted_at: float


def read_inbox(path: Path) -> list[InboxRow]:
    """What is not settled, in the order of its acceptance. Opens the file for reading only.

    Raises DatabaseMissing, StoreUnavailable, StoreCorrupt; so does `retry`.
    """
    with _opened(path, "ro") as connection:
        return [InboxRow(*row) for row in connection.execute(_UNSETTLED)]


def retry(path: Path, event_id: EventId) -> InboxState | None:
    """Let a dead message wait again. What it was before; None where it is not known.

    Only a dead one is changed. A bot that runs meanwhile finds it by itself.
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
    with naming(path), closing(connect(uri)) as connection:
        if not connection.execute("SELECT 1 FROM pragma_table_info('inbox')").fetchone():
            raise DatabaseMissing(f"{path} holds no inbox")
        yield connection
