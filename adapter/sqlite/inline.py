"""The store and the journal on plain sqlite3, called inline: no threads, any event loop.

They serve deterministic tests and work on copies. The statements are those of real use.
"""

import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, final

from anyio.lowlevel import checkpoint

from actors.runtime.table import Transition
from adapter.sql.journal_rows import (
    MAX_AGE_S,
    MAX_ROWS,
    JournalRow,
    Trim,
    append_statement,
    decode_rows,
    journal_query,
)
from adapter.sql.store import Clock, SqlStore
from adapter.sql.values import Query, Row, Statement
from adapter.sqlite.connecting import BUSY_TIMEOUT_S, connect
from adapter.sqlite.errors import translated
from adapter.sqlite.opening import prepare_file
from adapter.sqlite.schema import JOURNAL_SCHEMA, STORE_SCHEMA, Schema
from adapter.sqlite.transactions import write_all
from adapter.sqlite.upgrade import prepare_connection

MEMORY: Final = ":memory:"


class _Database:
    """Each method runs a checkpoint first and then does all its work without yielding."""

    def __init__(
        self, path: Path | str, schema: Schema, *, now: float, busy_timeout_s: float
    ) -> None:
        self.recovery = None
        if path != MEMORY:
            self.recovery = prepare_file(Path(path), schema, now=now, busy_timeout_s=busy_timeout_s)
        with translated():
            self._connection = connect(path, busy_timeout_s, any_thread=path == MEMORY)
        if path == MEMORY:
            # Garbage collection may run in any thread, and warns of an open connection (3.13 on).
            weakref.finalize(self, self._connection.close)
        prepare_connection(self._connection, schema, now=now)

    async def fetch(self, query: Query) -> list[Row]:
        await checkpoint()
        with translated():
            return self._connection.execute(query.sql, query.params).fetchall()

    async def write(self, statements: Sequence[Statement]) -> None:
        await checkpoint()
        with translated():
            write_all(self._connection, statements)

    def close(self) -> None:
        self._connection.close()


@final
class InlineStore(SqlStore):
    """The StateStore port on a file or in memory. The caller closes a store on a file."""

    def __init__(
        self,
        path: Path | str = MEMORY,
        *,
        clock: Clock = time.time,
        on_recovery: Callable[[str], object] | None = None,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        database = _Database(path, STORE_SCHEMA, now=clock(), busy_timeout_s=busy_timeout_s)
        super().__init__(database, clock=clock, recovery=database.recovery)
        self.close = database.close
        self.load = database.write
        if self.recovery is not None and on_recovery is not None:
            on_recovery(self.recovery)


@final
class InlineJournal:
    """The Journal port on a file or in memory. The caller closes a journal on a file."""

    def __init__(
        self,
        path: Path | str = MEMORY,
        *,
        clock: Clock = time.time,
        on_recovery: Callable[[str], object] | None = None,
        max_rows: int = MAX_ROWS,
        max_age_s: float = MAX_AGE_S,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self._database = _Database(path, JOURNAL_SCHEMA, now=clock(), busy_timeout_s=busy_timeout_s)
        self.recovery = self._database.recovery
        self._trim = Trim(clock, max_rows=max_rows, max_age_s=max_age_s)
        if self.recovery is not None and on_recovery is not None:
            on_recovery(self.recovery)

    async def append(self, *transitions: Transition) -> None:
        """Write transitions in order; a kill loses none. Raises StoreUnavailable, StoreCorrupt."""
        await self._database.write([*map(append_statement, transitions), *self._trim()])

    async def rows(self) -> list[JournalRow]:
        """All rows, oldest first: `read_journal` for a journal in memory."""
        return decode_rows(await self._database.fetch(journal_query()))

    def close(self) -> None:
        """Close the journal. The rows of a journal in memory are lost."""
        self._database.close()
