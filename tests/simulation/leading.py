"""Leadership without PostgreSQL: of a bot that is alone, and of several on one database."""

import math
from collections.abc import Callable, Sequence
from typing import final

import anyio
from anyio.lowlevel import checkpoint

from actors.leadership import NO_LEASE, Lead, Standing
from actors.port_errors import LeaseLost, StoreUnavailable
from adapter.sql.lease import LeaseLeadership, LeaseRow
from adapter.sql.values import Query, Row, Statement
from adapter.sqlite.errors import translated
from adapter.sqlite.inline import _Database
from adapter.sqlite.transactions import write_all

_MS = 1000


@final
class SoleLeader:
    """Implements `actors.leadership.Leadership`: it leads at once, and for ever."""

    @property
    def standing(self) -> Standing:
        """It leads."""
        return Standing(leads=True, epoch=NO_LEASE, leader="alone")

    async def lead(self) -> Lead:
        """Return at once."""
        await checkpoint()
        return Lead(NO_LEASE, "alone")

    def remaining_s(self) -> float:
        """For ever."""
        return math.inf

    async def keep(self) -> str:
        """Never return."""
        await anyio.sleep_forever()
        raise AssertionError

    async def resign(self) -> None:
        """Do nothing."""
        await checkpoint()


class SharedLease:
    """The lease in a database that several processes share; `clock` is the database's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.epoch = 0
        self.holder = ""
        self.expires = -math.inf

    def leadership(
        self,
        table: "SimulatedLease",
        *,
        ttl_s: float = 6.0,
        look_s: float = 0.1,
        notice: Callable[[str], None] = lambda _: None,
    ) -> LeaseLeadership:
        """What a process has that reaches the lease through a table."""
        return LeaseLeadership(
            table, ttl_s=ttl_s, look_s=look_s, clock=anyio.current_time, notice=notice
        )


@final
class SimulatedLease:
    """Implements `adapter.sql.lease.LeaseTable`. `cut` keeps the process from the database."""

    def __init__(self, lease: SharedLease, holder: str) -> None:
        self.holder = holder
        self.cut = False
        self._lease = lease

    async def look(self) -> LeaseRow:
        """The row."""
        lease = await self._reached()
        return LeaseRow(lease.epoch, lease.holder, lease.expires - lease.clock())

    async def take(self, ttl_s: float) -> int | None:
        """Take the lease if it is over, or has this holder."""
        lease = await self._reached()
        if lease.expires >= lease.clock() and lease.holder != self.holder:
            return None
        lease.epoch = max(lease.epoch + 1, int(lease.clock() * _MS))
        lease.holder, lease.expires = self.holder, lease.clock() + ttl_s
        return lease.epoch

    async def renew(self, epoch: int, ttl_s: float) -> bool:
        """Renew the lease of an epoch."""
        lease = await self._reached()
        if lease.epoch == epoch:
            lease.expires = lease.clock() + ttl_s
        return lease.epoch == epoch

    async def free(self, epoch: int) -> None:
        """End the lease of an epoch."""
        lease = await self._reached()
        if lease.epoch == epoch:
            lease.expires = lease.clock()

    async def _reached(self) -> SharedLease:
        await checkpoint()
        if self.cut:
            raise StoreUnavailable("cut off")
        return self._lease


@final
class FencedDatabase:
    """Implements `adapter.sql.store.Database`: nothing is written once the epoch has ended.

    `cut` is that of the process's lease.
    """

    def __init__(
        self, database: _Database, lease: SharedLease, table: SimulatedLease, epoch: int
    ) -> None:
        self._database = database
        self._lease = lease
        self._table = table
        self._epoch = epoch

    async def fetch(self, query: Query) -> list[Row]:
        """Read rows."""
        if self._table.cut:
            raise StoreUnavailable("cut off")
        return await self._database.fetch(query)

    async def write(self, statements: Sequence[Statement]) -> None:
        """Write all statements or none, with nothing in between."""
        await checkpoint()
        if self._table.cut:
            raise StoreUnavailable("cut off")
        if self._lease.epoch != self._epoch:
            raise LeaseLost(f"another process leads: epoch {self._epoch} has ended")
        with translated():
            write_all(self._database._connection, statements)
