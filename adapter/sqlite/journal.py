"""The journal for real use, on aiosqlite. `journal_reading` reads it."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import final

import anyio
import anyio.to_thread

from actors.port_errors import StoreCorrupt
from actors.runtime.table import Transition
from adapter.sql.group import GroupCommit
from adapter.sql.journal_rows import (
    MAX_AGE_S,
    MAX_ROWS,
    JournalMissing,
    JournalRow,
    Trim,
    append_statement,
)
from adapter.sql.store import Clock
from adapter.sql.values import Statement
from adapter.sqlite.connecting import BUSY_TIMEOUT_S
from adapter.sqlite.connection import connected
from adapter.sqlite.journal_reading import read_journal
from adapter.sqlite.opening import inode_of, prepare_file
from adapter.sqlite.schema import JOURNAL_SCHEMA

__all__ = ["JournalMissing", "JournalRow", "SqliteJournal", "read_journal"]


@final
class SqliteJournal:
    """The Journal port on a file, for asyncio. `open` creates it.

    The journal reopens a file that is deleted, replaced or damaged while it is in use.
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
        """Identifies the open file; None while no file is open."""
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
        """Open or create the journal. A damaged file is moved aside.

        `on_recovery` receives the sentence in `recovery`. Raises StoreUnavailable.
        """
        trim = Trim(clock, max_rows=max_rows, max_age_s=max_age_s)
        journal = cls(Path(path), clock, on_recovery or _ignore_recovery, trim, busy_timeout_s)
        try:
            await journal._open()
            yield journal
        finally:
            await journal._opened.aclose()

    async def append(self, *transitions: Transition) -> None:
        """Write transitions in order; a kill loses none. Raises StoreUnavailable, StoreCorrupt."""
        if not self._is_open():
            await self._reopen()
        try:
            await self._writer.submit([append_statement(each) for each in transitions])
        except StoreCorrupt:
            self._inode = None
            raise

    def _is_open(self) -> bool:
        return self._inode is not None and self._inode == inode_of(self._path)

    async def _reopen(self) -> None:
        async with self._opening:
            if self._is_open():
                return
            if self._inode is not None:
                event = (
                    "was deleted or replaced while the bot ran; the bot uses the file at its path"
                )
                self._on_recovery(f"{self._path.name} {event}")
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


def _ignore_recovery(_sentence: str) -> None:
    pass
