"""The journal for real use, on aiosqlite; its rows and its reader are in `journal_rows`."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import final

import anyio.to_thread

from actors.machine import TransitionRecord
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
from adapter.sqlite.opening import BUSY_TIMEOUT_S, JOURNAL_SCHEMA, prepare_file
from adapter.sqlite.sql_store import Clock

__all__ = ["JournalMissing", "JournalRow", "SqliteJournal", "read_journal"]


@final
class SqliteJournal:
    """The Journal port on a file. Runs on asyncio; made by `open`."""

    def __init__(self, writer: GroupCommit, *, recovery: str | None = None) -> None:
        self._writer = writer
        self.recovery = recovery

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
        path = Path(path)
        recovery = await anyio.to_thread.run_sync(
            partial(prepare_file, path, JOURNAL_SCHEMA, now=clock(), busy_timeout_s=busy_timeout_s)
        )
        if recovery is not None and on_recovery is not None:
            on_recovery(recovery)

        async with (
            connected(path, busy_timeout_s=busy_timeout_s) as db,
            GroupCommit.over(
                db,
                epilogue=lambda: trim_statements(
                    now=clock(), max_rows=max_rows, max_age_s=max_age_s
                ),
            ) as writer,
        ):
            yield cls(writer, recovery=recovery)

    async def append(self, *records: TransitionRecord) -> None:
        """Write records in order, safe from a kill. Raises StoreUnavailable, StoreCorrupt."""
        await self._writer.submit([append_statement(record) for record in records])
