"""The journal for real use, on aiosqlite; its rows and its reader are in `journal_rows`."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import final

import anyio
import anyio.to_thread

from actors.ports import StoreCorrupt
from actors.runtime.table import Transition
from adapter.sqlite.group import GroupCommit, connected
from adapter.sqlite.journal_rows import (
    MAX_AGE_S,
    MAX_ROWS,
    JournalMissing,
    JournalRow,
    append_statement,
    read_journal,
    trim_statements,
)
from adapter.sqlite.opening import BUSY_TIMEOUT_S, prepare_file
from adapter.sqlite.schema import JOURNAL_SCHEMA
from adapter.sqlite.sql_store import Clock, inode_of
from adapter.sqlite.statements import Statement

__all__ = ["JournalMissing", "JournalRow", "SqliteJournal", "read_journal"]


@final
class SqliteJournal:
    """The Journal port on a file. Runs on asyncio; made by `open`.

    A file that is deleted, replaced or damaged meanwhile is opened anew.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        on_recovery: Callable[[str], object],
        trim: Callable[[], Sequence[Statement]],
        busy_timeout_s: float,
    ) -> None:
        self._path = path
        self._clock = clock
        self._on_recovery = on_recovery
        self._trim = trim
        self._busy_timeout_s = busy_timeout_s
        self._opening = anyio.Lock()
        self._opened = AsyncExitStack()
        self._inode: int | None = None
        """The file that is open; None where none is."""
        self._writer: GroupCommit
        self.recovery: str | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path | str,
        *,
        clock: Clock = time.time,
        on_recovery: Callable[[str], object] | None = None,
        max_rows: int = MAX_ROWS,
        max_age_s: float = MAX_AGE_S,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> AsyncIterator["SqliteJournal"]:
        """Open or create the journal; a damaged one is moved aside.

        `on_recovery` is given the sentence that `recovery` holds. Raises StoreUnavailable.
        """

        def trim() -> Sequence[Statement]:
            return trim_statements(now=clock(), max_rows=max_rows, max_age_s=max_age_s)

        journal = cls(Path(path), clock, on_recovery or _say_nothing, trim, busy_timeout_s)
        try:
            await journal._open()
            yield journal
        finally:
            await journal._opened.aclose()

    async def append(self, *transitions: Transition) -> None:
        """Write transitions in order, safe from a kill. Raises StoreUnavailable, StoreCorrupt."""
        if not self._is_open():
            await self._open_anew()
        try:
            await self._writer.submit([append_statement(each) for each in transitions])
        except StoreCorrupt:
            self._inode = None
            raise

    def _is_open(self) -> bool:
        return self._inode is not None and self._inode == inode_of(self._path)

    async def _open_anew(self) -> None:
        async with self._opening:
            if self._is_open():
                return
            if self._inode is not None:
                fate = "was deleted or replaced while the bot ran; what is there is used"
                self._on_recovery(f"{self._path.name} {fate}")
            self._inode = None
            await self._opened.aclose()
            await self._open()

    async def _open(self) -> None:
        prepare = partial(
            prepare_file,
            self._path,
            JOURNAL_SCHEMA,
            now=self._clock(),
            busy_timeout_s=self._busy_timeout_s,
        )
        self.recovery = await anyio.to_thread.run_sync(prepare)
        if self.recovery is not None:
            self._on_recovery(self.recovery)
        async with AsyncExitStack() as stack:
            db = await stack.enter_async_context(
                connected(self._path, busy_timeout_s=self._busy_timeout_s)
            )
            self._writer = await stack.enter_async_context(
                GroupCommit.over(db, epilogue=self._trim)
            )
            self._opened = stack.pop_all()
        self._inode = inode_of(self._path)


def _say_nothing(_sentence: str) -> None:
    pass
