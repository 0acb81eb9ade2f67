"""The StateStore port in SQL, whichever way the statements reach SQLite."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from anyio.lowlevel import checkpoint

from actors.model import Intent, OutboundMessage, RoomId, UserId
from actors.ports import StoreCorrupt, Waiting
from actors.writes import JsonObject, OpenGap, Write
from adapter.sqlite import statements as sql
from adapter.sqlite.statements import Query, Row, Statement

Clock: TypeAlias = Callable[[], float]
"""Seconds since the epoch."""

PRUNE_LIMIT: Final = 500
"""Rows deleted in one transaction, so that a long-neglected table holds up no message."""


class Database(Protocol):
    """An open database. Both methods raise StoreUnavailable and StoreCorrupt."""

    async def fetch(self, query: Query) -> list[Row]:
        """All rows of the answer, seeing whatever has been written before the call."""
        ...

    async def write(self, statements: Sequence[Statement]) -> None:
        """Run them all in one transaction, or none; as durable as the port says."""
        ...


def inode_of(file: Path | None) -> int | None:
    """What tells a file from another one of the same name; None where there is none."""
    try:
        return file.stat().st_ino if file is not None else None
    except OSError:
        return None


class SqlStore:
    """The StateStore port over a database.

    `recovery` is a sentence for the log when the file could not be used as it was found.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock = time.time,
        recovery: str | None = None,
        file: Path | None = None,
    ) -> None:
        self._file = file
        self._inode = inode_of(file)
        self._database = database
        self._clock = clock
        self.recovery = recovery

    async def verify(self) -> None:
        """Return while the file is the one that was opened.

        Raises StoreCorrupt when it was deleted or another one was put in its place: what is
        written then goes nowhere.
        """
        await checkpoint()
        if inode_of(self._file) != self._inode:
            raise StoreCorrupt("the database file was deleted or replaced while the bot ran")

    async def commit(self, writes: Sequence[Write]) -> None:
        """Carry out all the writes, in order, or none; as durable as the port says."""
        now = self._clock()
        await self._database.write([sql.statement_for(write, now=now) for write in writes])

    async def row(self, key: str) -> JsonObject | None:
        """One row; None where it is absent or is not a JSON object."""
        found = await self._database.fetch(sql.row_query(key))
        return sql.decode_json(found[0][0]) if found else None

    async def rows(self, prefix: str) -> dict[str, JsonObject | None]:
        """The rows whose key starts so, by key. None for a value that is not a JSON object."""
        found = await self._database.fetch(sql.rows_query(prefix))
        return {key: sql.decode_json(value) for key, value in found}

    async def keys(self, prefix: str) -> tuple[str, ...]:
        """The keys that start so, in order, whatever their rows say."""
        return tuple(key for (key,) in await self._database.fetch(sql.keys_query(prefix)))

    async def position(self) -> str | None:
        """The sync position that was saved last."""
        found = await self._database.fetch(sql.POSITION)
        return str(found[0][0]) if found else None

    async def gaps(self) -> tuple[OpenGap, ...]:
        """Every room's gap that is not filled yet."""
        return tuple(OpenGap(*row) for row in await self._database.fetch(sql.GAPS))

    async def waiting(self, room_id: RoomId, limit: int) -> tuple[Waiting, ...]:
        """Inbox messages of a room that wait, in the order of their acceptance."""
        found = await self._database.fetch(sql.waiting_query(room_id, limit))
        return tuple(map(sql.decode_waiting, found))

    async def waiting_rooms(self) -> tuple[RoomId, ...]:
        """Rooms with a message that waits, the one that has waited longest first."""
        return tuple(
            RoomId(room_id) for (room_id,) in await self._database.fetch(sql.WAITING_ROOMS)
        )

    async def waiting_count(self) -> int:
        """How many inbox messages wait, in all rooms."""
        return int((await self._database.fetch(sql.WAITING_COUNT))[0][0])

    async def unsent(self, room_id: RoomId, limit: int) -> tuple[OutboundMessage, ...]:
        """Outbox messages of a room that are not confirmed, in order."""
        found = await self._database.fetch(sql.unsent_query(room_id, limit))
        return tuple(map(sql.decode_outbound, found))

    async def unsent_rooms(self) -> tuple[RoomId, ...]:
        """Rooms with a message to send, the one that has waited longest first."""
        found = await self._database.fetch(sql.UNSENT_ROOMS)
        return tuple(RoomId(room_id) for (room_id,) in found)

    async def unsent_count(self) -> int:
        """How many outbox messages are not confirmed, in all rooms."""
        return int((await self._database.fetch(sql.UNSENT_COUNT))[0][0])

    async def open_intents(self, owner: UserId) -> tuple[Intent, ...]:
        """An owner's intents that are not done, oldest first. An unreadable one is left out."""
        found = await self._database.fetch(sql.open_intents_query(owner))
        intents = map(sql.decode_intent, found)
        return tuple(intent for intent in intents if intent is not None)

    async def intent_owners(self) -> tuple[UserId, ...]:
        """Everybody who has an intent that is not done."""
        found = await self._database.fetch(sql.INTENT_OWNERS)
        return tuple(UserId(owner) for (owner,) in found)

    async def prune(self, *, before: float) -> int:
        """Delete settled inbox and outbox rows from before a time; answer how many.

        `before` is in seconds since the epoch. What waits, is unsent or was given up stays.
        """
        return sum([await self._prune_table(pruning, before) for pruning in sql.PRUNINGS])

    async def _prune_table(self, pruning: sql.Pruning, before: float) -> int:
        deleted = 0
        while found := await self._database.fetch(Query(pruning.select, (before, PRUNE_LIMIT))):
            await self._database.write(
                [Statement(pruning.table, pruning.delete, row) for row in found]
            )
            deleted += len(found)
        return deleted
