"""The connection to a database file, on aiosqlite."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, cast

import aiosqlite
import anyio

from adapter.sql.group import CLOSE_TIMEOUT_S
from adapter.sql.values import Statement
from adapter.sqlite.connecting import BUSY_TIMEOUT_S, connect
from adapter.sqlite.errors import translated
from adapter.sqlite.transactions import write_all

_ITER_CHUNK_SIZE: Final = 64
"""aiosqlite's own default."""


class Connection(aiosqlite.Connection):
    """aiosqlite's connection; it can also run a whole transaction in one call to its thread.

    A call for each statement costs more than the work of SQLite itself.
    """

    async def write_all(self, statements: Sequence[Statement]) -> None:
        """Run the statements in one transaction, all or none. Raises as `Transactions` says."""
        with translated():
            await self._execute(write_all, self._conn, statements)  # type: ignore[no-untyped-call]


@asynccontextmanager
async def connected(
    path: Path, *pragmas: str, busy_timeout_s: float = BUSY_TIMEOUT_S
) -> AsyncIterator[Connection]:
    """Open a connection without implicit transactions. Raises StoreUnavailable."""
    with translated():
        opened = await Connection(partial(connect, path, busy_timeout_s), _ITER_CHUNK_SIZE)
    db = cast("Connection", opened)  # awaiting a connection returns the same object
    try:
        with translated():
            for pragma in pragmas:
                await db.execute_fetchall(pragma)
        yield db
    finally:
        with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
            await db.close()
