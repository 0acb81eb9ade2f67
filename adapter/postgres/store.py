"""The store on PostgreSQL, with one connection for writes and one for reads. For asyncio."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, final

from typing_extensions import override

from actors.bounds import Bounds
from actors.port_errors import StoreCorrupt
from adapter.postgres.fence import Fence
from adapter.postgres.link import Link
from adapter.postgres.schema import STORE_SCHEMA, prepare
from adapter.postgres.transactions import Claim, Writer, fetch_all
from adapter.sql.group import Group, GroupCommit
from adapter.sql.store import Clock, SqlStore
from adapter.sql.values import Query, Row

TIMEOUT_S: Final = Bounds().busy_s
"""How long a transaction or a query may take before StoreUnavailable."""
_MISSING: Final = STORE_SCHEMA.missing()


class _Database:
    """Sends writes through the group commit, and reads in groups on a separate connection."""

    def __init__(self, writer: GroupCommit, reader: Group[Query, list[Row]]) -> None:
        self.write = writer.submit
        self.fetch = reader.submit


@final
class PostgresStore(SqlStore):
    """The StateStore port on a database, for asyncio. `open` creates it."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        fence: Fence | None = None,
        clock: Clock = time.time,
        on_recovery: Callable[[str], object] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> AsyncIterator["PostgresStore"]:
        """Connect to the database of a libpq URL, and create or change its tables.

        With a fence, a write raises LeaseLost once another process leads. `on_recovery` receives
        the sentence in `recovery`. On exit, all submitted writes are committed first. Raises
        StoreUnavailable.
        """
        async with Link.open(url, timeout_s=timeout_s) as link:
            recovery = await link.run(partial(prepare, schema=STORE_SCHEMA))
        if recovery is not None and on_recovery is not None:
            on_recovery(recovery)
        claim = Claim(timeout_s, fence)
        async with (
            Link.open(url, timeout_s=timeout_s, greet=claim.take) as writing,
            GroupCommit.over(Writer(writing, claim)) as writer,
            Link.open(url, timeout_s=timeout_s) as reading,
        ):
            reader = Group(partial(fetch_all, reading))
            async with reader.running("store-reader"):
                yield cls(_Database(writer, reader), clock=clock, recovery=recovery)

    @override
    async def verify(self) -> None:
        """Return if the database answers, and has all tables. The server keeps what is written.

        Raises StoreCorrupt if a table or a function was dropped: opening the store makes it again.
        """
        if missing := await self._database.fetch(_MISSING):
            names = ", ".join(name for (name,) in missing)
            raise StoreCorrupt(f"missing in the database: {names}")
