"""The store for real use, on aiosqlite with one connection for writes and one for reads."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import final

import aiosqlite
import anyio.to_thread

from adapter.sqlite.errors import translated
from adapter.sqlite.group import GroupCommit, connected
from adapter.sqlite.opening import BUSY_TIMEOUT_S, prepare_file
from adapter.sqlite.schema import STORE_SCHEMA
from adapter.sqlite.sql import Query, Row
from adapter.sqlite.sql_store import Clock, SqlStore


class _Database:
    """Sends writes through the group commit, and reads through a separate connection.

    A read therefore never sees an open transaction.
    """

    def __init__(self, writer: GroupCommit, reader: aiosqlite.Connection) -> None:
        self.write = writer.submit
        self._reader = reader

    async def fetch(self, query: Query) -> list[Row]:
        with translated():
            found = await self._reader.execute_fetchall(query.sql, query.params)
        return [tuple(row) for row in found]


@final
class SqliteStore(SqlStore):
    """The StateStore port on a file, for asyncio. `open` creates it."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path | str,
        *,
        clock: Clock = time.time,
        on_recovery: Callable[[str], object] | None = None,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> AsyncIterator["SqliteStore"]:
        """Open or create the database. A damaged file is moved aside.

        `on_recovery` receives the sentence in `recovery`. On exit, all submitted writes are
        committed first. Raises StoreUnavailable.
        """
        path = Path(path)
        recovery = await anyio.to_thread.run_sync(
            partial(prepare_file, path, STORE_SCHEMA, now=clock(), busy_timeout_s=busy_timeout_s)
        )
        if recovery is not None and on_recovery is not None:
            on_recovery(recovery)
        async with (
            connected(path, "PRAGMA query_only = ON", busy_timeout_s=busy_timeout_s) as reader,
            connected(path, busy_timeout_s=busy_timeout_s) as db,
            GroupCommit.over(db) as writer,
        ):
            yield cls(_Database(writer, reader), clock=clock, recovery=recovery, file=path)
