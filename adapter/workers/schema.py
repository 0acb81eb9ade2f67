"""The tables of the calls, and those of procrastinate's queue.

Two processes may prepare an empty database at once: the one that comes later waits, and finds
everything there. Releases of procrastinate bring migrations with names in the order of their use.
"""

from pathlib import Path
from typing import Final

from procrastinate.schema import SchemaManager
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from actors.port_errors import StoreUnavailable

VERSION: Final = 1
_LOCK: Final = 0x61736B73
"""The advisory lock of everybody who changes these tables."""
_TABLES: Final = """
CREATE TABLE asks (
    id BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
    account TEXT NOT NULL,
    event_id BYTEA NOT NULL,
    chat BYTEA NOT NULL,
    round BIGINT NOT NULL DEFAULT 1,
    question BYTEA NOT NULL,
    call BYTEA,
    asker TEXT NOT NULL,
    asked_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    left_at TIMESTAMPTZ,
    worker TEXT,
    seen_at TIMESTAMPTZ,
    deaths INTEGER NOT NULL DEFAULT 0,
    ended_at TIMESTAMPTZ,
    failure BYTEA,
    PRIMARY KEY (account, event_id)
);
CREATE INDEX asks_unfinished ON asks (account) WHERE ended_at IS NULL;
CREATE TABLE ask_parts (
    ask BIGINT NOT NULL REFERENCES asks (id) ON DELETE CASCADE,
    round BIGINT NOT NULL,
    number INTEGER NOT NULL,
    parts BYTEA NOT NULL,
    PRIMARY KEY (ask, round, number)
);
CREATE TABLE ask_workers (
    worker TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    capabilities BYTEA NOT NULL
);
"""
# to_regclass would answer from a cache, which does not learn of another process during the wait for
# the lock.
_FIND: Final = """
SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'ask_schema' AND pg_table_is_visible(oid))
"""
_READ: Final = "SELECT version, migration FROM ask_schema"


async def prepare(connection: AsyncConnection[TupleRow]) -> None:
    """Make the tables that are missing, in the transaction of this connection.

    Raises StoreUnavailable if a newer release has made them.
    """
    newest = _migrations()[-1].name
    if await _found(connection) == (VERSION, newest):
        return
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    found = await _found(connection)
    if found is None:
        await connection.execute(SchemaManager.get_schema())
        await connection.execute(_TABLES)
        await connection.execute("CREATE TABLE ask_schema (version INTEGER, migration TEXT)")
        await connection.execute("INSERT INTO ask_schema VALUES (%s, %s)", (VERSION, newest))
        return
    version, migration = found
    if version > VERSION:
        raise StoreUnavailable("the tables of the workers are of a newer release: update this one")
    for path in _migrations():
        if path.name > migration:
            await connection.execute(path.read_bytes())
            await connection.execute("UPDATE ask_schema SET migration = %s", (path.name,))


async def _found(connection: AsyncConnection[TupleRow]) -> tuple[int, str] | None:
    """The versions of both schemas in the database; None if they are missing."""
    there = await (await connection.execute(_FIND)).fetchone()
    if there is None or not there[0]:
        return None
    row = await (await connection.execute(_READ)).fetchone()
    return None if row is None else (row[0], row[1])


def _migrations() -> list[Path]:
    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
