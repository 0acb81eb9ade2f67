"""The files that survive a process: its database, its journal and its session."""

import random
from collections.abc import Sequence
from typing import Final

from actors.model import RoomId
from actors.port_errors import StoreUnavailable
from actors.rows import USER_PREFIX
from actors.runtime.table import Transition
from adapter.sql.statements import WAITING_COUNTS
from adapter.sql.store import Clock, SqlStore
from adapter.sql.values import Query, Row, Statement
from adapter.sqlite.inline import MEMORY, InlineJournal, InlineStore, _Database
from adapter.sqlite.schema import STORE_SCHEMA
from tests.simulation.checkers import Checkers
from tests.simulation.connection import Gate
from tests.simulation.ending_once import ending_once
from tests.simulation.settling import is_about_growing

GARBAGE: Final = ("", "null", "[]", "{}", '{"space_id": 7}', "\x00", '{"chat_id": "C1"')

DAMAGED: Final = 0.5
"""The share of rows that `damage_rows` changes."""


class Disk:
    """The bot's files, in memory.

    `fails` is the probability that an access to the database fails. With `journal_fails`, writes
    of the journal fail.
    """

    def __init__(self, rng: random.Random, clock: Clock) -> None:
        self.fails = 0.0
        self.journal_fails = False
        self.rng = rng
        self.clock = clock
        self.token: str | None = None
        self.journal = InlineJournal(MEMORY, clock=clock)
        self.database = self._new_database()
        self._backup: _Database | None = None

    def lose_database(self) -> None:
        """Delete the database file."""
        self.database.close()
        self.database = self._new_database()

    def make_backup(self) -> None:
        """Copy the database; the copy replaces an earlier one."""
        self._backup = self.copied()

    def copied(self) -> _Database:
        """A copy of the database."""
        copy = self._new_database()
        self.database._connection.backup(copy._connection)
        return copy

    def restore_backup(self) -> bool:
        """Put the copy in the place of the database. Returns False without one."""
        if self._backup is None:
            return False
        self.database.close()
        self.database, self._backup = self._backup, None
        return True

    async def damage_rows(self) -> int:
        """Delete, corrupt or exchange rows of the cache; return the number of changed rows."""
        rows = await self.database.fetch(Query("SELECT key, value FROM kv ORDER BY key"))
        statements = []
        for key, _ in rows:
            value = self.rng.choice((*GARBAGE, self.rng.choice(rows)[1], None, None))
            if self.rng.random() < DAMAGED:
                statements.append(
                    Statement("kv", "DELETE FROM kv WHERE key = ?", (key,))
                    if value is None
                    else Statement("kv", "UPDATE kv SET value = ? WHERE key = ?", (value, key))
                )
        await self.database.write(statements)
        return len(statements)

    def waiting(self) -> dict[RoomId, int]:
        """The number of messages that wait in the inbox, by room."""
        found = self.database._connection.execute(WAITING_COUNTS.sql).fetchall()
        return {RoomId(room_id): count for room_id, count in found}

    def store(self) -> SqlStore:
        """A store without faults, for the checks of a simulation."""
        return SqlStore(self.database, clock=self.clock)

    def _new_database(self) -> _Database:
        return _Database(MEMORY, STORE_SCHEMA, now=self.clock(), busy_timeout_s=0)


def empty_store(clock: Clock) -> InlineStore:
    """A separate store in which a check rebuilds the cache."""
    return InlineStore(MEMORY, clock=clock)


class ReachedDatabase:
    """The database of one run of the process: each access may fail, or the process may die."""

    def __init__(self, disk: Disk, gate: Gate, checkers: Checkers) -> None:
        self._disk = disk
        self._gate = gate
        self._checkers = checkers
        self._database = disk.database

    async def fetch(self, query: Query) -> list[Row]:
        """Read rows. Raises StoreUnavailable at random."""
        self._fail_perhaps()
        return await self._database.fetch(query)

    async def write(self, statements: Sequence[Statement]) -> None:
        """Write all statements or none. Raises StoreUnavailable at random."""
        await self._gate.before("commit")
        grows = any(map(is_about_growing, statements))
        if grows:
            await self._gate.step()
        self._fail_perhaps()
        with ending_once(self._database._connection, statements, self._checkers):
            await self._database.write(statements)
        self._checkers.settling.committed(statements)
        for statement in statements:
            if statement.params[0:1] == ("position",):
                self._checkers.position_saved(str(statement.params[1]))
            is_row = statement.table == "kv" and statement.params
            if is_row and str(statement.params[0]).startswith(USER_PREFIX):
                self._checkers.owner_row_written(*map(str, statement.params))
        if grows:
            await self._gate.step()
        await self._gate.after("commit")

    def _fail_perhaps(self) -> None:
        if self._disk.fails and self._disk.rng.random() < self._disk.fails:
            raise StoreUnavailable("database is locked")


class ReachedJournal:
    """The Journal port of one run of the process."""

    def __init__(self, disk: Disk, gate: Gate, checkers: Checkers) -> None:
        self._disk = disk
        self._journal = disk.journal
        self._gate = gate
        self._checkers = checkers

    async def append(self, *transitions: Transition) -> None:
        """Write the transitions. Raises StoreUnavailable while `journal_fails`."""
        await self._gate.before("journal")
        lost = self._disk.journal_fails
        if not lost:
            await self._journal.append(*transitions)
        for transition in transitions:
            self._checkers.journaled(transition, lost=lost)
        if lost:
            raise StoreUnavailable("database or disk is full")
        await self._gate.after("journal")
