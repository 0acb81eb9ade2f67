"""The store for real use, on aiosqlite with one connection for writes and one for reads."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import final

import aiosqlite
import anyio.to_thread
from anyio.lowlevel import checkpoint
from typing_extensions import override

from actors.port_errors import StoreCorrupt
from adapter.sql.group import GroupCommit
from adapter.sql.store import Clock, SqlStore
from adapter.sql.values import Query, Row
from adapter.sqlite.connecting import BUSY_TIMEOUT_S
from adapter.sqlite.connection import connected
from adapter.sqlite.errors import translated
from adapter.sqlite.opening import inode_of, prepare_file
from adapter.sqlite.schema import STORE_SCHEMA


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

    _file: Path
    _inode: int | None

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
            store = cls(_Database(writer, reader), clock=clock, recovery=recovery)
            store._file, store._inode = path, inode_of(path)
            yield store

    @override
    async def verify(self) -> None:
        """Return if the path still leads to the opened file.

        Raises StoreCorrupt if the file was deleted or replaced: further writes would be lost.
        """
        await checkpoint()
        if inode_of(self._file) != self._inode:
            raise StoreCorrupt("the database file was deleted or replaced while the bot ran")
