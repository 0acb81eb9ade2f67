"""The tables of the calls, and those of procrastinate's queue.

Two processes may prepare an empty database at once: the one that comes later waits, and finds
everything there. Releases of procrastinate bring migrations with names in the order of their use.
If a table is missing, all are made anew: what is in them may be lost, and refers to each other.
Tables of another program are refused, and stay as they are.
"""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from procrastinate.schema import SchemaManager
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from actors.port_errors import StoreRefused
from adapter.postgres.schema import check_place, refuse_foreign
from adapter.postgres.tables import check_foreign, columns_in

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
CREATE TABLE ask_schema (version INTEGER, migration TEXT);
"""
_OWN: Final = columns_in(_TABLES)
"""The bot's own tables, with the columns that every release has made."""
_VERSIONS: Final = {"ask_schema": _OWN["ask_schema"]}
# to_regclass would answer from a cache, which does not learn of another process during the wait for
# the lock.
_FIND: Final = "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND pg_table_is_visible(oid)"
_DROP_OWN: Final = "DROP TABLE IF EXISTS ask_parts, asks, ask_workers, ask_schema CASCADE"
_DROP_QUEUE: Final = """
DO $$
DECLARE
    own CONSTANT OID := current_schema()::regnamespace;
    thing TEXT;
BEGIN
    FOR thing IN
        SELECT line FROM (
            SELECT 1 AS place, format('FUNCTION %s', oid::regprocedure) AS line FROM pg_proc
                WHERE pronamespace = own AND starts_with(proname, 'procrastinate_')
            UNION ALL
            SELECT 2, format('TABLE %s', oid::regclass) FROM pg_class
                WHERE relnamespace = own AND relkind = 'r'
                    AND starts_with(relname, 'procrastinate_')
            UNION ALL
            SELECT 3, format('TYPE %s', pg_type.oid::regtype) FROM pg_type
                LEFT JOIN pg_class ON pg_class.oid = typrelid
                WHERE typnamespace = own AND (typtype = 'e' OR relkind = 'c')
                    AND starts_with(typname, 'procrastinate_')
        ) AS things ORDER BY place
    LOOP
        EXECUTE format('DROP %s CASCADE', thing);
    END LOOP;
END
$$
"""
_READ: Final = "SELECT version, migration FROM ask_schema"


async def prepare(connection: AsyncConnection[TupleRow]) -> None:
    """Make the tables that are missing, in the transaction of this connection.

    Raises StoreRefused if a newer release or another program has made them, or the database can't
    have them.
    """
    await check_place(connection, _VERSIONS)
    newest, queue = _migrations()[-1].name, _tables_of_queue()
    found = await _existing(connection, queue)
    if found.issuperset((*_OWN, *queue)) and await _made(connection, found) == (VERSION, newest):
        return
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    found = await _existing(connection, queue)
    made = await _made(connection, found)
    if made is not None:
        version, migration = made
        if version > VERSION:
            raise StoreRefused("the tables of the workers are of a newer release: update this one")
        if migration < newest:
            await _migrate(connection, migration)
            found = await _existing(connection, queue)
    if made is None or not found.issuperset((*_OWN, *queue)):
        await _make(connection, found, queue, newest)


async def _existing(connection: AsyncConnection[TupleRow], queue: Collection[str]) -> set[str]:
    """Those of the tables that are in the database."""
    rows = await connection.execute(_FIND, ([*_OWN, *queue],))
    return {name async for (name,) in rows}


async def _made(
    connection: AsyncConnection[TupleRow], found: Collection[str]
) -> tuple[int, str] | None:
    """The versions of both schemas in the database; None if nothing tells them."""
    if "ask_schema" not in found:
        return None
    row = await (await connection.execute(_READ)).fetchone()
    return None if row is None else (row[0], row[1])


async def _migrate(connection: AsyncConnection[TupleRow], migration: str) -> None:
    """Carry out the migrations of the queue after this one."""
    for path in _migrations():
        if path.name > migration:
            await connection.execute(path.read_bytes())
            await connection.execute("UPDATE ask_schema SET migration = %s", (path.name,))


async def _make(
    connection: AsyncConnection[TupleRow], found: set[str], queue: Collection[str], newest: str
) -> None:
    """Make the bot's own tables anew, and those of the queue unless all of them are there.

    Without a table of its own, the bot has not made the queue. Raises StoreRefused if another
    program has made any of the tables.
    """
    await refuse_foreign(connection, _OWN)
    if found.isdisjoint(_OWN):
        check_foreign(found)
    if not found.issuperset(queue):
        if found:
            await connection.execute(_DROP_QUEUE)
        await connection.execute(SchemaManager.get_schema())
    await connection.execute(_DROP_OWN)
    await connection.execute(_TABLES)
    await connection.execute("INSERT INTO ask_schema VALUES (%s, %s)", (VERSION, newest))


def _tables_of_queue() -> list[str]:
    return re.findall(r"CREATE TABLE (\w+)", SchemaManager.get_schema())


def _migrations() -> list[Path]:
    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
