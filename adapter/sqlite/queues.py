"""Access to the inbox while a bot may be using it. Message bodies are never read."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import Literal

from actors.model import EventId
from actors.writes import RetryMessage
from adapter.sql.inbox_rows import UNSETTLED, DatabaseMissing, InboxRow, InboxState, state_query
from adapter.sql.statements import statement_for
from adapter.sqlite.connecting import connect
from adapter.sqlite.errors import translated_with_path


def read_inbox(path: Path) -> list[InboxRow]:
    """The waiting and dead messages, in the order of acceptance. Opens the file read-only.

    Raises DatabaseMissing, StoreUnavailable, StoreCorrupt.
    """
    with _opened(path, "ro") as connection:
        return [InboxRow(*row) for row in connection.execute(UNSETTLED.sql)]


def retry(path: Path, event_id: EventId) -> InboxState | None:
    """Let a dead message wait again. Returns its previous state; None for an unknown message.

    Other messages do not change. A running bot finds the message by itself. Raises as `read_inbox`
    does.
    """
    query, statement = state_query(event_id), statement_for(RetryMessage(event_id), now=0.0)
    with _opened(path, "rw") as connection:
        found = connection.execute(query.sql, query.params).fetchone()
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
