"""The journal on PostgreSQL, for asyncio."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, final

from actors.port_errors import StoreCorrupt
from actors.runtime.table import Transition
from adapter.postgres.link import Link
from adapter.postgres.schema import JOURNAL_SCHEMA, prepare
from adapter.postgres.store import TIMEOUT_S
from adapter.postgres.transactions import Writer
from adapter.sql.group import GroupCommit
from adapter.sql.journal_rows import MAX_AGE_S, MAX_ROWS, Trim, append_statement
from adapter.sql.store import Clock
from adapter.sql.values import Query

_OPENING: Final = Query(
    "SELECT pg_advisory_xact_lock(?), set_config('synchronous_commit', 'off', true)",
    (0x5_B075C4E3B,),
)


class _InOrder:
    """Several processes may write: with a lock, rows become visible in the order of their numbers.

    A reader that goes on after a number then misses none. It is an `Opening`.
    """

    def queries(self, *, synced: bool) -> Sequence[Query]:
        """Take the lock; no row of the journal is `synced`."""
        assert not synced
        return (_OPENING,)

    def committed(self) -> None:
        """Nothing to note."""


@final
class PostgresJournal:
    """The Journal port on a database, for asyncio. `open` creates it."""

    def __init__(
        self,
        writer: GroupCommit,
        recovery: str | None,
        prepare_again: Callable[[], Awaitable[object]],
    ) -> None:
        self._writer = writer
        self.recovery = recovery
        self._prepare_again = prepare_again

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        clock: Clock = time.time,
        on_recovery: Callable[[str], object] | None = None,
        max_rows: int = MAX_ROWS,
        max_age_s: float = MAX_AGE_S,
        timeout_s: float = TIMEOUT_S,
    ) -> AsyncIterator["PostgresJournal"]:
        """Connect to the database of a libpq URL, and create the table.

        `on_recovery` receives the sentence in `recovery`. Raises StoreUnavailable.
        """
        trim = Trim(clock, max_rows=max_rows, max_age_s=max_age_s)

        async def prepare_it() -> str | None:
            async with Link.open(url, timeout_s=timeout_s) as link:
                recovery = await link.run(partial(prepare, schema=JOURNAL_SCHEMA))
            if recovery is not None and on_recovery is not None:
                on_recovery(recovery)
            return recovery

        recovery = await prepare_it()
        async with (
            Link.open(url, timeout_s=timeout_s, renews=True) as link,
            GroupCommit.over(Writer(link, _InOrder()), epilogue=trim) as writer,
        ):
            yield cls(writer, recovery, prepare_it)

    async def append(self, *transitions: Transition) -> None:
        """Write transitions in order; a kill of the process loses none.

        A table that was dropped is made again. Raises StoreUnavailable, StoreCorrupt.
        """
        statements = [append_statement(each) for each in transitions]
        try:
            await self._writer.submit(statements)
        except StoreCorrupt:
            await self._prepare_again()
            await self._writer.submit(statements)
