"""The statements of the bot's side: to ask, to read what was said, and to leave."""

from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg
from msgspec import MsgspecError
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from actors.model import PlatformChatId
from actors.platform import Ask, Capabilities
from adapter.workers.database import Database
from adapter.workers.decisions import Step, Stored, step_for
from adapter.workers.timing import Timing
from adapter.workers.wire import Call, Check, Forget, call_bytes, capabilities_of, question_digest

CHANNEL: Final = "surfaces_bot_asks"
"""Both sides notify here. The payload is the id of the call of which there is news."""

_AT_ONCE_S: Final = 3

# fmt: off
_INSERT: Final = """
INSERT INTO asks (account, event_id, chat, question, call, asker) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (account, event_id) DO NOTHING RETURNING id, round
"""
_SELECT: Final = """
SELECT id, round, question, asker, worker IS NOT NULL, left_at IS NOT NULL, ended_at IS NOT NULL,
    failure IS NOT NULL
FROM asks WHERE account = %s AND event_id = %s FOR UPDATE
"""
_FOLLOW: Final = "UPDATE asks SET asker = %s, left_at = NULL WHERE id = %s"
_QUEUE: Final = "UPDATE asks SET asker = %s, left_at = NULL, call = %s WHERE id = %s"
_RESTART: Final = """
UPDATE asks SET asker = %s, call = %s, question = %s, round = round + 1, left_at = NULL,
    worker = NULL, seen_at = NULL, deaths = 0, ended_at = NULL, failure = NULL,
    asked_at = clock_timestamp()
WHERE id = %s RETURNING round
"""
_FORMER_PARTS: Final = "DELETE FROM ask_parts WHERE ask = %s AND round < %s"
_NOTIFY: Final = "SELECT pg_notify(%s, %s)"
_STATE: Final = """
SELECT round, worker IS NOT NULL, ended_at IS NOT NULL, failure FROM asks WHERE id = %s
"""
_PARTS: Final = """
SELECT parts FROM ask_parts WHERE ask = %s AND round = %s AND number >= %s ORDER BY number
"""
_LEAVE: Final = """
UPDATE asks SET left_at = clock_timestamp() WHERE id = %s AND asker = %s AND ended_at IS NULL
"""
_FORGET: Final = """
DELETE FROM asks WHERE account = %s AND chat = %s AND ended_at IS NOT NULL
"""
_DELETE: Final = "DELETE FROM asks WHERE id = %s"
_WORKERS: Final = """
SELECT capabilities, seen_at > clock_timestamp() - make_interval(secs => %s)
FROM ask_workers WHERE account = %s ORDER BY seen_at DESC LIMIT 1
"""
# fmt: on


@dataclass(frozen=True, slots=True)
class Asked:
    """A call in the database. `round` counts the times that it was begun anew."""

    id: int
    round: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the database has of a call. `parts` are those of the round that was asked for."""

    round: int
    is_taken: bool
    has_ended: bool
    failure: bytes | None
    parts: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of an account: what the platform can do, and whether one of them lives."""

    capabilities: Capabilities
    is_alive: bool


class Asking:
    """The calls of one account. `asker` names this process, and is never used again.

    All methods raise StoreUnavailable.
    """

    def __init__(self, database: Database, account: str, asker: str, timing: Timing) -> None:
        self._database = database
        self._account = account
        self._asker = asker
        self._timing = timing

    async def ask(self, key: str, call: Call) -> tuple[Asked, Workers | None]:
        """Put a call into the database and into the queue, or find it there; and the workers."""
        data, question, event_id = call_bytes(call), question_digest(call), _bytes(key)
        new = (self._account, event_id, _chat_bytes(call), question, data, self._asker)
        async with self._database.transaction() as connection:
            workers = await connection.execute(_WORKERS, (self._timing.dead_s, self._account))
            row = None
            while row is None:  # what is in the way of the new row may be deleted before it is read
                if (inserted := await _row(connection, _INSERT, new)) is not None:
                    asked = Asked(*inserted)
                    await self._defer(connection, asked, call)
                    return asked, _workers(await workers.fetchone())
                row = await _row(connection, _SELECT, (self._account, event_id))
            asked = await self._again(connection, row, call, data, question)
            return asked, _workers(await workers.fetchone())

    async def _again(
        self,
        connection: AsyncConnection[TupleRow],
        row: TupleRow,
        call: Call,
        data: bytes,
        question: bytes,
    ) -> Asked:
        asked = Asked(row[0], row[1])
        step = step_for(Stored(*row[2:]), question, self._asker)
        match step:
            case Step.FOLLOW:
                await connection.execute(_FOLLOW, (self._asker, asked.id))
                return asked
            case Step.QUEUE:
                await connection.execute(_QUEUE, (self._asker, data, asked.id))
            case Step.RESTART:
                values = (self._asker, data, question, asked.id)
                new = await _row(connection, _RESTART, values)
                assert new is not None, "the row is locked"
                asked = Asked(asked.id, new[0])
                await connection.execute(_FORMER_PARTS, (asked.id, asked.round))
                await connection.execute(_NOTIFY, (CHANNEL, str(asked.id)))
        await self._defer(connection, asked, call)
        return asked

    async def _defer(self, connection: AsyncConnection[TupleRow], asked: Asked, call: Call) -> None:
        first = isinstance(call, Check)
        await self._database.defer(connection, self._account, asked.id, first=first)

    async def look(self, asked: Asked, number: int) -> Seen | None:
        """What is new of a call since this number of rows; None if it has been deleted."""
        async with self._database.reading() as connection:
            state = await connection.execute(_STATE, (asked.id,))
            found = await connection.execute(_PARTS, (asked.id, asked.round, number))
            row = await state.fetchone()
            parts = tuple([parts async for (parts,) in found])
        return None if row is None else Seen(row[0], row[1], row[2], row[3], parts)

    async def leave(self, asked: Asked) -> None:
        """Say that the answer is not wanted any more, unless another process has asked for it."""
        async with self._database.transaction() as connection:
            await connection.execute(_LEAVE, (asked.id, self._asker))

    async def forget(self, chat: PlatformChatId) -> None:
        """Delete the answers of a conversation."""
        async with self._database.transaction() as connection:
            await connection.execute(_FORGET, (self._account, _bytes(chat)))

    async def delete(self, asked: Asked) -> None:
        """Delete a call that has ended."""
        async with self._database.transaction() as connection:
            await connection.execute(_DELETE, (asked.id,))

    async def workers(self) -> Workers | None:
        """The workers, as the latest one describes the platform; None if there was never one."""
        async with self._database.reading() as connection:
            return _workers(await _row(connection, _WORKERS, (self._timing.dead_s, self._account)))


def known_capabilities(url: str, account: str) -> Capabilities | None:
    """What the latest worker said that the platform can do; None if that can't be read. Blocks."""
    values = (0.0, account)
    try:
        with psycopg.connect(url, connect_timeout=_AT_ONCE_S, prepare_threshold=None) as connection:
            row = connection.execute(_WORKERS, values).fetchone()
        return None if row is None else capabilities_of(row[0])
    except (psycopg.Error, MsgspecError):
        return None


def _workers(row: TupleRow | None) -> Workers | None:
    return None if row is None else Workers(capabilities_of(row[0]), row[1])


async def _row(
    connection: AsyncConnection[TupleRow], statement: LiteralString, values: tuple[object, ...]
) -> TupleRow | None:
    return await (await connection.execute(statement, values)).fetchone()


def _chat_bytes(call: Call) -> bytes:
    match call:
        case Ask(chat=chat) | Forget(chat=chat):
            return _bytes(chat)
        case Check():
            return b""


def _bytes(text: str) -> bytes:
    """A name of the homeserver's, which may have characters that a text column can't have."""
    return text.encode("utf-8", "surrogatepass")
