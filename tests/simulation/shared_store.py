"""One database that several processes share, with the lease of the bot; and the ways to it."""

import math
import sqlite3
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, TypeVar

import anyio
from anyio.lowlevel import checkpoint
from typing_extensions import override

from actors.port_errors import LeaseLost, StoreCorrupt, StoreUnavailable
from actors.rows import USER_PREFIX
from actors.runtime.table import Transition
from adapter.sql.lease import LeaseRow
from adapter.sql.store import Clock
from adapter.sql.values import Query, Row, Statement
from adapter.sqlite.errors import translated
from adapter.sqlite.inline import _Database
from adapter.sqlite.transactions import write_all
from tests.simulation.checkers import Checkers
from tests.simulation.connection import Gate
from tests.simulation.disk import Disk
from tests.simulation.ending_once import ending_once
from tests.simulation.settling import is_about_growing

HANG_S: Final = 2.0
"""A request to a database that does not answer fails after this time, as in the product."""
SLOWEST_LEASE_S: Final = 1.8
"""The longest way of a request about the lease, there and back."""
HANGS: Final = 0.5
"""The probability that a lost connection is found out by waiting only."""

T = TypeVar("T")

_CREATE: Final = (
    "CREATE TABLE IF NOT EXISTS lease"
    "(name TEXT PRIMARY KEY, epoch INTEGER, holder TEXT, expires REAL)"
)
_ADD: Final = "INSERT OR IGNORE INTO lease VALUES ('bot', 0, '', 0)"
_LOOK: Final = "SELECT epoch, holder, expires FROM lease"
_TAKE: Final = (
    "UPDATE lease SET holder = ?, expires = ?, epoch = max(epoch + 1, ?)"
    " WHERE expires < ? OR holder = ? RETURNING epoch"
)
_RENEW: Final = "UPDATE lease SET expires = ? WHERE epoch = ? RETURNING 1"
_SESSION: Final = "SELECT value FROM meta WHERE key = 'session'"


class SharedStore(Disk):
    """The database of several processes. Only its clock counts for the lease.

    While it is `down`, it answers no request.
    """

    def __init__(self, rng: Random, clock: Clock) -> None:
        super().__init__(rng, clock)
        self.down = False
        self.restarts = 0
        """After each, the connections of all processes are lost."""
        self.on_violation: Callable[[str], None] = lambda _: None
        self.on_commit: Callable[[Sequence[Statement]], None] = lambda _: None
        self.on_end: Callable[[], None] = lambda: None
        """Called when a process has ended, or commits were lost."""
        self.copied_at = -math.inf
        self.losses = 0
        """How often the database has gone back to its copy."""
        self._given: set[int] = set()
        """The epochs of all time, also of what the database has lost."""

    @override
    def _new_database(self) -> _Database:
        database = super()._new_database()
        database._connection.execute(_CREATE)
        database._connection.execute(_ADD)
        return database

    def copy(self) -> None:
        """Copy the database: the copy may take its place."""
        self.make_backup()
        self.copied_at = self.clock()

    def lose_newest(self, within_s: float) -> bool:
        """Go back to the copy if it is no older than this. Returns whether the database did."""
        has_lost = self.clock() - self.copied_at <= within_s and self.restore_backup()
        if has_lost:
            self.losses += 1
            self.on_end()
        return has_lost

    def stop(self) -> None:
        """Answer no request until `start`."""
        self.down = True
        self.restarts += 1

    def start(self) -> None:
        """Answer again."""
        self.down = False

    def session(self) -> str | None:
        """The stored session."""
        return next((str(row[0]) for row in self.run(_SESSION)), None)

    def lease(self) -> LeaseRow:
        """The lease, by the clock of the database."""
        ((epoch, holder, expires),) = self.run(_LOOK)
        return LeaseRow(epoch, holder, expires - self.clock())

    def take(self, holder: str, ttl_s: float) -> int | None:
        """Take the lease if it is over, or has this holder; its new epoch, or None."""
        now = self.clock()
        found = self.run(_TAKE, holder, now + ttl_s, int(now * 1000), now, holder)
        epochs = {int(row[0]) for row in found}
        if epochs & self._given:
            self.on_violation(f"{epochs} is given twice")
        self._given |= epochs
        return max(epochs, default=None)

    def renew(self, epoch: int, ttl_s: float) -> bool:
        """Let the lease of this epoch end in `ttl_s` seconds."""
        return bool(self.run(_RENEW, self.clock() + ttl_s, epoch))

    def run(self, sql: str, *params: object) -> list[Row]:
        """Run one statement, and return its rows."""
        return self.database._connection.execute(sql, params).fetchall()


class Wire:
    """The network of one process. While a way is cut, nothing passes it in either direction."""

    def __init__(self, rng: Random, slow_store_s: float) -> None:
        self.rng = rng
        self.slow_store_s = slow_store_s
        """The longest way of a request to the database, there and back."""
        self.cut_from_store = False
        self.cut_from_homeserver = False


class Link:
    """One connection of a process to the database. After a restart, its first use fails."""

    def __init__(self, store: SharedStore, wire: Wire, slow_s: float = 0.0) -> None:
        self._store = store
        self._wire = wire
        self._slow_s = slow_s
        self._restarts = store.restarts

    async def request(self, act: Callable[[], T]) -> T:
        """Carry out a request in one step. Raises StoreUnavailable, perhaps after its effect."""
        await self._travel()
        answer = act()
        if self._slow_s:
            await self._travel()
        return answer

    async def _travel(self) -> None:
        await checkpoint()
        if self._slow_s:
            await anyio.sleep(self._wire.rng.uniform(0, self._slow_s / 2))
        if self._store.down or self._wire.cut_from_store:
            if self._wire.rng.random() < HANGS:
                await anyio.sleep(HANG_S)
            raise StoreUnavailable("the database does not answer")
        if self._restarts != self._store.restarts:
            self._restarts = self._store.restarts
            raise StoreUnavailable("the connection to the database was lost")


class SharedDatabase:
    """The database of one lead of a process. Nothing is written once its epoch has ended."""

    def __init__(
        self, store: SharedStore, wire: Wire, epoch: int, gate: Gate, checkers: Checkers
    ) -> None:
        self._store = store
        self._epoch = epoch
        self._gate = gate
        self._checkers = checkers
        self._reading = Link(store, wire, wire.slow_store_s)
        self._writing = Link(store, wire, wire.slow_store_s)
        self._one_at_a_time = anyio.Lock()
        self._losses = store.losses
        self._committed_at = -math.inf
        """When the latest commit that this lead knows of took effect."""
        self._has_lost = False

    async def fetch(self, query: Query) -> list[Row]:
        """Read rows."""
        return await self._reading.request(lambda: self._store.run(query.sql, *query.params))

    async def write(self, statements: Sequence[Statement]) -> None:
        """Write all statements or none. Raises LeaseLost if another process leads.

        Raises StoreCorrupt once the database has lost what this lead has written, as the product's.
        """
        await self._gate.before("commit")
        grows = any(map(is_about_growing, statements))
        if grows:
            await self._gate.step()
        async with self._one_at_a_time:
            self._committed_at = await self._writing.request(lambda: self._commit(statements))
        if grows:
            await self._gate.step()
        await self._gate.after("commit")

    def _commit(self, statements: Sequence[Statement]) -> float:
        """Write, and check that an epoch that has ended changes nothing; the time."""
        connection = self._store.database._connection
        is_over, before = self._store.lease().epoch != self._epoch, connection.total_changes
        try:
            self._fenced(connection, statements)
        finally:
            if is_over and connection.total_changes != before:
                self._checkers.violated(f"epoch {self._epoch} writes after its end")
        self._note(statements)
        return self._store.clock()

    def _fenced(self, connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
        if self._store.lease().epoch != self._epoch:
            raise LeaseLost("another process leads")
        if self._losses != self._store.losses:
            self._losses = self._store.losses
            self._has_lost |= self._committed_at >= self._store.copied_at
        if self._has_lost:
            raise StoreCorrupt("the database has lost its newest commits")
        with translated(), ending_once(connection, statements, self._checkers):
            write_all(connection, statements)

    def _note(self, statements: Sequence[Statement]) -> None:
        self._store.on_commit(statements)
        self._checkers.settling.committed(statements)
        for statement in statements:
            if statement.params[0:1] == ("position",):
                self._checkers.position_saved(str(statement.params[1]))
            is_row = statement.table == "kv" and statement.params
            if is_row and str(statement.params[0]).startswith(USER_PREFIX):
                self._checkers.owner_row_written(*map(str, statement.params))


class SharedJournal:
    """The Journal port of one run of a process."""

    def __init__(self, store: SharedStore, wire: Wire, gate: Gate, checkers: Checkers) -> None:
        self._store = store
        self._link = Link(store, wire)
        self._gate = gate
        self._checkers = checkers

    async def append(self, *transitions: Transition) -> None:
        """Write the transitions. Raises StoreUnavailable."""
        await self._gate.before("journal")
        lost = True
        try:
            await self._link.request(lambda: None)
            await self._store.journal.append(*transitions)
            lost = False
        finally:
            for transition in transitions:
                self._checkers.journaled(transition, lost=lost)
        await self._gate.after("journal")


class LeaseInStore:
    """Implements `adapter.sql.lease.LeaseTable` for one process."""

    def __init__(
        self, store: SharedStore, link: Link, holder: str, is_dead: Callable[[], bool]
    ) -> None:
        self._store = store
        self._link = link
        self._is_dead = is_dead
        self.holder = holder

    async def look(self) -> LeaseRow:
        """The row."""
        return await self._request(self._store.lease)

    async def take(self, ttl_s: float) -> int | None:
        """Take the lease if it is over, or has this holder."""
        return await self._request(lambda: self._store.take(self.holder, ttl_s))

    async def renew(self, epoch: int, ttl_s: float) -> bool:
        """Renew the lease of an epoch."""
        return await self._request(lambda: self._store.renew(epoch, ttl_s))

    async def free(self, epoch: int) -> None:
        """End the lease of an epoch."""
        await self._request(lambda: self._store.renew(epoch, 0.0))

    async def _request(self, act: Callable[[], T]) -> T:
        if self._is_dead():  # such a request is shielded: it can't wait for its cancellation
            await checkpoint()
            raise StoreUnavailable("the process has died")
        return await self._link.request(act)
