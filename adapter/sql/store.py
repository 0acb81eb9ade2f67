"""The StateStore port in SQL, independent of the engine and of how statements reach it."""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol, TypeAlias

from anyio.lowlevel import checkpoint

from actors.anchors import Anchor
from actors.model import EventId, Intent, OutboundMessage, RoomId, StoredGeneration, UserId
from actors.ports import Waiting
from actors.writes import JsonObject, OpenGap, Write
from adapter.sql import outbox_statements as outbox
from adapter.sql import statements as sql
from adapter.sql import trust_statements as trust
from adapter.sql.pruning import PRUNINGS, Pruning
from adapter.sql.row_trust import Readable, SqlRowTrust
from adapter.sql.values import Query, Statement

Clock: TypeAlias = Callable[[], float]
"""Seconds since the epoch."""

PRUNE_LIMIT: Final = 500
"""Rows deleted per transaction, so that pruning a large table does not delay messages."""


class Database(Readable, Protocol):
    """An open database. Both methods raise StoreUnavailable and StoreCorrupt."""

    async def write(self, statements: Sequence[Statement]) -> None:
        """Run all statements in one transaction, or none. As durable as the port says."""
        ...


class SessionRow:
    """The session of the bot's account. A process that takes over goes on with it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> str | None:
        """The text that was kept last. Raises StoreUnavailable."""
        found = await self._database.fetch(sql.SESSION)
        return str(found[0][0]) if found else None

    async def keep(self, session: str) -> None:
        """Keep a text. Raises StoreUnavailable."""
        await self._database.write([sql.keep_session(session)])


class SqlStore(SqlRowTrust):
    """The StateStore port over a database.

    `recovery` is a sentence for the log if the database had to be repaired or replaced, else None.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock = time.time,
        recovery: str | None = None,
    ) -> None:
        super().__init__(database)
        self._database = database
        self._clock = clock
        self.recovery = recovery
        self.session = SessionRow(database)

    async def verify(self) -> None:
        """Return if the database really keeps what is written to it."""
        await checkpoint()

    async def commit(self, writes: Sequence[Write]) -> None:
        """Carry out all writes in order, or none. As durable as the port says."""
        now = self._clock()
        statements = [sql.statement_for(write, now=now) for write in writes]
        await self._database.write(trust.keeping_trust(statements))

    async def row(self, key: str) -> JsonObject | None:
        """One row; None if it is absent or not a JSON object."""
        found = await self._database.fetch(sql.row_query(key))
        return sql.decode_json(found[0][0]) if found else None

    async def rows(self, prefix: str) -> dict[str, JsonObject | None]:
        """The rows with keys that have this prefix. None for a value that is not a JSON object."""
        found = await self._database.fetch(sql.rows_query(prefix))
        return {key: sql.decode_json(value) for key, value in found}

    async def keys(self, prefix: str) -> tuple[str, ...]:
        """The keys that have this prefix, in order, including those of unreadable rows."""
        return tuple(key for (key,) in await self._database.fetch(sql.keys_query(prefix)))

    async def position(self) -> str | None:
        """The last saved sync position."""
        found = await self._database.fetch(sql.POSITION)
        return str(found[0][0]) if found else None

    async def generation(self) -> StoredGeneration | None:
        """The generation, and the account that the database belongs to."""
        found = await self._database.fetch(sql.GENERATION)
        return sql.decode_generation(found[0][0]) if found else None

    async def known_of(self, event_ids: Collection[EventId]) -> frozenset[EventId]:
        """Those of some messages that the inbox knows, in any state."""
        if not event_ids:
            return frozenset()
        found = await self._database.fetch(sql.known_query(event_ids))
        return frozenset(EventId(event_id) for (event_id,) in found)

    async def newest_event(self) -> tuple[RoomId, EventId] | None:
        """The event that was accepted or sent last, with its room."""
        found = await self._database.fetch(sql.NEWEST_EVENT)
        return (RoomId(found[0][0]), EventId(found[0][1])) if found else None

    async def gaps(self) -> tuple[OpenGap, ...]:
        """The open gaps of all rooms."""
        return tuple(OpenGap(*row) for row in await self._database.fetch(sql.GAPS))

    async def waiting(self, room_id: RoomId, limit: int) -> tuple[Waiting, ...]:
        """Waiting inbox messages of a room, in the order of acceptance."""
        found = await self._database.fetch(sql.waiting_query(room_id, limit))
        return tuple(map(sql.decode_waiting, found))

    async def waiting_counts(self) -> dict[RoomId, int]:
        """Waiting inbox messages by room. The room with the oldest message comes first."""
        found = await self._database.fetch(sql.WAITING_COUNTS)
        return {RoomId(room_id): count for room_id, count in found}

    async def unsent(self, room_id: RoomId, limit: int) -> tuple[OutboundMessage, ...]:
        """Unsent outbox messages of a room, in order."""
        found = await self._database.fetch(outbox.unsent_query(room_id, limit))
        return tuple(map(outbox.decode_outbound, found))

    async def anchors(self, question: EventId) -> tuple[Anchor, ...]:
        """The anchors of the answer to a question."""
        return tuple(
            map(outbox.decode_anchor, await self._database.fetch(outbox.anchors_query(question)))
        )

    async def unsent_counts(self) -> dict[RoomId, int]:
        """Unsent outbox messages by room. The room with the oldest message comes first."""
        found = await self._database.fetch(outbox.UNSENT_COUNTS)
        return {RoomId(room_id): count for room_id, count in found}

    async def has_sent(self, event_id: EventId) -> bool:
        """Whether an event is a sent message of the outbox."""
        return bool(await self._database.fetch(outbox.sent_query(event_id)))

    async def open_intents(self, owner: UserId) -> tuple[Intent, ...]:
        """An owner's unfinished intents, oldest first. Unreadable intents are left out."""
        found = await self._database.fetch(sql.open_intents_query(owner))
        intents = map(sql.decode_intent, found)
        return tuple(intent for intent in intents if intent is not None)

    async def intent_owners(self) -> tuple[UserId, ...]:
        """Every owner with an unfinished intent."""
        found = await self._database.fetch(sql.INTENT_OWNERS)
        return tuple(UserId(owner) for (owner,) in found)

    async def prune(self, *, before: float) -> int:
        """Delete settled inbox and outbox rows from before a time; return their number.

        `before` is in seconds since the epoch. Waiting, unsent and dead messages stay, and so do
        the inbox messages of a room with a gap.
        """
        return sum([await _prune_table(self._database, pruning, before) for pruning in PRUNINGS])


async def _prune_table(database: Database, pruning: Pruning, before: float) -> int:
    deleted = 0
    while found := await database.fetch(Query(pruning.select, (before, PRUNE_LIMIT))):
        await database.write([Statement(pruning.table, pruning.delete, row) for row in found])
        deleted += len(found)
    return deleted
