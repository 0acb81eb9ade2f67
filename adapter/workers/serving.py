"""The statements of a worker's side: to take calls, to write answers down, to come back."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from actors.port_errors import PlatformFailed
from actors.replies.contract import PlatformError
from adapter.workers.asking import CHANNEL
from adapter.workers.database import Database
from adapter.workers.timing import Timing
from adapter.workers.wire import failure_bytes

# fmt: off
_TAKE: Final = """
UPDATE asks SET worker = %s, seen_at = clock_timestamp()
WHERE id = %s AND account = %s AND worker IS NULL AND ended_at IS NULL
    AND (left_at IS NULL OR left_at > clock_timestamp() - make_interval(secs => %s))
RETURNING round, call
"""
_WRITTEN: Final = """
SELECT coalesce(max(number) + 1, 0) FROM ask_parts WHERE ask = %s AND round = %s
"""
_WRITE: Final = """
INSERT INTO ask_parts (ask, round, number, parts)
SELECT id, round, number, parts FROM asks, unnest(%s::integer[], %s::bytea[]) AS new (number, parts)
WHERE id = %s AND asks.round = %s AND ended_at IS NULL
"""
_END: Final = """
UPDATE asks SET ended_at = clock_timestamp(), failure = %s, call = NULL
WHERE id = %s AND round = %s AND ended_at IS NULL RETURNING id
"""
_NOTIFY: Final = "SELECT pg_notify(%s, %s)"
_KEEP: Final = """
UPDATE asks SET seen_at = clock_timestamp()
WHERE id = ANY(%s) AND worker = %s AND ended_at IS NULL
RETURNING id, round,
    left_at IS NOT NULL AND left_at < clock_timestamp() - make_interval(secs => %s)
"""
_ALIVE: Final = """
INSERT INTO ask_workers (worker, account, seen_at, capabilities)
VALUES (%s, %s, clock_timestamp(), %s)
ON CONFLICT (worker) DO UPDATE SET seen_at = clock_timestamp(), capabilities = EXCLUDED.capabilities
"""
_GONE: Final = "DELETE FROM ask_workers WHERE worker = %s"
_GIVE_BACK: Final = """
UPDATE asks SET worker = NULL, seen_at = NULL, round = round + 1
WHERE id = %s AND round = %s AND ended_at IS NULL RETURNING id
"""
_DEAD: Final = """
UPDATE asks SET worker = NULL, seen_at = NULL, round = round + 1, deaths = deaths + 1
WHERE account = %s AND worker IS NOT NULL AND ended_at IS NULL
    AND seen_at < clock_timestamp() - make_interval(secs => %s)
RETURNING id, round, deaths
"""
_FORMER_PARTS: Final = """
DELETE FROM ask_parts USING asks WHERE ask = id AND id = %s AND ask_parts.round < asks.round
"""
_CLEAN: Final = """
DELETE FROM asks WHERE account = %s AND (
    ended_at < clock_timestamp() - make_interval(secs => %s)
    OR (worker IS NULL AND asked_at < clock_timestamp() - make_interval(secs => %s)))
"""
_CLEAN_WORKERS: Final = """
DELETE FROM ask_workers WHERE account = %s AND worker <> %s
    AND seen_at < clock_timestamp() - make_interval(secs => %s)
"""
# fmt: on


@dataclass(frozen=True, slots=True)
class Taken:
    """A call that this worker makes. `call` is encoded."""

    id: int
    round: int
    call: bytes


class Serving:
    """The calls of one account. `worker` names this process, and is never used again.

    All methods raise StoreUnavailable.
    """

    def __init__(self, database: Database, account: str, worker: str, timing: Timing) -> None:
        self._database = database
        self._account = account
        self._worker = worker
        self._timing = timing

    async def take(self, ask: int) -> Taken | None:
        """The call, which is this worker's from now on; None if there is nothing to do."""
        values = (self._worker, ask, self._account, self._timing.left_s)
        async with self._database.transaction() as connection:
            row = await (await connection.execute(_TAKE, values)).fetchone()
        return None if row is None else Taken(ask, row[0], row[1])

    async def write(self, taken: Taken, rows: Sequence[bytes]) -> None:
        """Write down an answer up to here: those of its rows that the database does not have.

        A crash of the database may lose the rows that were written last, so each write has all.
        """
        async with self._database.transaction(durable=False) as connection:
            await _write(connection, taken, rows)
            await _notify(connection, taken.id)

    async def end(self, taken: Taken, rows: Sequence[bytes], failure: PlatformError | None) -> bool:
        """Write down a whole answer and its end; whether it was the first end of this call."""
        data = None if failure is None else failure_bytes(failure)
        async with self._database.transaction() as connection:
            if rows:
                await _write(connection, taken, rows)
            ended = await connection.execute(_END, (data, taken.id, taken.round))
            await _notify(connection, taken.id)
            return await ended.fetchone() is not None

    async def keep(self, asks: Collection[int]) -> dict[int, tuple[int, bool]]:
        """Show that these calls are in work: the round of each, and whether it is left for good.

        Those that are missing in the result are void: another worker has them, or they have ended.
        """
        values = (list(asks), self._worker, self._timing.left_s)
        async with self._database.transaction(durable=False) as connection:
            found = await connection.execute(_KEEP, values)
            return {row[0]: (row[1], row[2]) async for row in found}

    async def show_life(self, capabilities: bytes) -> None:
        """Show that this worker lives, and say what the platform can do."""
        values = (self._worker, self._account, capabilities)
        async with self._database.transaction(durable=False) as connection:
            await connection.execute(_ALIVE, values)

    async def sign_off(self) -> None:
        """Say that this worker takes no more calls."""
        async with self._database.transaction() as connection:
            await connection.execute(_GONE, (self._worker,))

    async def put_back(self, ask: int) -> None:
        """Put a call that was not taken into the queue again."""
        async with self._database.transaction() as connection:
            await self._database.defer(connection, self._account, ask)

    async def give_back(self, taken: Taken) -> None:
        """Let another worker make a call from its beginning."""
        async with self._database.transaction() as connection:
            given = await connection.execute(_GIVE_BACK, (taken.id, taken.round))
            if await given.fetchone() is not None:
                await self._queue(connection, taken.id)

    async def revive(self) -> list[int]:
        """Take the calls of dead workers from them, and put these into the queue again."""
        async with self._database.transaction() as connection:
            values = (self._account, self._timing.dead_s)
            rows = await (await connection.execute(_DEAD, values)).fetchall()
            for ask, number, deaths in rows:
                if deaths >= self._timing.deaths:
                    error = PlatformFailed(f"{deaths} workers died while they asked the platform")
                    await connection.execute(_END, (failure_bytes(error), ask, number))
                    await _notify(connection, ask)
                else:
                    await self._queue(connection, ask)
        return [row[0] for row in rows]

    async def clean(self) -> None:
        """Delete old answers, and calls that nothing has asked for any more."""
        kept_s = self._timing.kept_s
        async with self._database.transaction() as connection:
            await connection.execute(_CLEAN, (self._account, kept_s, kept_s))
            await connection.execute(_CLEAN_WORKERS, (self._account, self._worker, kept_s))

    async def _queue(self, connection: AsyncConnection[TupleRow], ask: int) -> None:
        await connection.execute(_FORMER_PARTS, (ask,))
        await self._database.defer(connection, self._account, ask)
        await _notify(connection, ask)


async def _write(
    connection: AsyncConnection[TupleRow], taken: Taken, rows: Sequence[bytes]
) -> None:
    found = await (await connection.execute(_WRITTEN, (taken.id, taken.round))).fetchone()
    assert found is not None, "an aggregate always has one row"
    (written,) = found
    numbers = list(range(written, len(rows)))
    values = (numbers, list(rows[written:]), taken.id, taken.round)
    await connection.execute(_WRITE, values)


async def _notify(connection: AsyncConnection[TupleRow], ask: int) -> None:
    await connection.execute(_NOTIFY, (CHANNEL, str(ask)))
