"""The bot's tables in PostgreSQL, and bringing a database to the current schema."""

import re
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Final

from psycopg import AsyncRawCursor

from actors.port_errors import StoreRefused
from adapter.postgres.dialect import bound, worded
from adapter.postgres.exchanges import Connection, Session
from adapter.postgres.tables import (
    COLUMNS,
    ENCODING,
    Columns,
    check_columns,
    check_encoding,
    columns_in,
)
from adapter.sql.migrations import Step, statements_from
from adapter.sql.search_path import CURRENT, check_exists
from adapter.sql.trust_statements import FORGET_WHOLE_READ
from adapter.sql.values import Query

LOCK: Final = 0x5_B075C4E3A
"""The key of the advisory lock that a process holds while it changes tables."""
_VERSIONS: Final = (
    b"CREATE TABLE IF NOT EXISTS schema_version("
    b'part TEXT COLLATE "C" PRIMARY KEY, version INTEGER NOT NULL)'
)
VERSION_COLUMNS: Final = columns_in(_VERSIONS.decode() + ";")
VERSION: Final = b"SELECT version FROM schema_version WHERE part = $1"
_KEEP_VERSION: Final = (
    b"INSERT INTO schema_version(part, version) VALUES ($1, $2)"
    b" ON CONFLICT(part) DO UPDATE SET version = excluded.version"
)
_MISSING: Final = """
SELECT name FROM unnest(string_to_array(?, ',')) AS name WHERE to_regclass(name) IS NULL
UNION ALL
SELECT name FROM unnest(string_to_array(?, ',')) AS name WHERE NOT EXISTS (
    SELECT FROM pg_proc WHERE proname = name AND pg_function_is_visible(oid))
"""
_FUNCTION: Final = re.compile(r"CREATE OR REPLACE FUNCTION (\w+)\(")
_MESSAGES: Final = frozenset({"inbox", "gaps"})
_FORGET_POSITION: Final = b"DELETE FROM meta WHERE key = 'position'"
"""Without its messages, a position stands for messages that nothing would answer any more."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of the store or of the journal, in the current release.

    `steps` bring kept tables from an earlier version to this one. The script creates what is
    missing, and `after_changes` are run after it. The table `schema_version` holds the version
    under the name of the part.
    """

    part: str
    version: int
    tables: tuple[str, ...]
    script: str
    steps: tuple[Step, ...] = ()
    after_changes: tuple[str, ...] = ()

    @property
    def columns(self) -> Columns:
        """The columns of each table."""
        return columns_in(self.script)

    def missing(self) -> Query:
        """The names of the tables and functions that a database of this version lacks."""
        functions = _FUNCTION.findall(self.script)
        return Query(_MISSING, (",".join(self.tables), ",".join(functions)))


def _script(name: str) -> str:
    return files("adapter.postgres").joinpath(name).read_text(encoding="utf-8")


CREATE_LEASE: Final = _script("lease.sql").encode()
LEASE_COLUMNS: Final = columns_in(CREATE_LEASE.decode())
STORE_SCHEMA: Final = Schema(
    "store",
    version=5,
    tables=("kv", "meta", "gaps", "dirty", "inbox", "outbox", "intents", "lease", "writer"),
    script=_script("lease.sql") + _script("schema.sql"),
    after_changes=(FORGET_WHOLE_READ,),
)
JOURNAL_SCHEMA: Final = Schema(
    "journal", version=1, tables=("journal",), script=_script("journal.sql")
)


def check_version(version: int | None, schema: Schema) -> None:
    """Raise StoreRefused if a later release has made the tables."""
    if version is not None and version > schema.version:
        raise StoreRefused(
            f"a later release has changed the tables: their schema version is {version}, and this "
            f"release uses {schema.version}; go back to the later release"
        )


async def prepare(session: Session, schema: Schema) -> str | None:
    """Bring a database to this schema, completely or not at all.

    Returns a sentence for the log if tables of an earlier bot were changed or replaced, or None.
    Processes that start at once wait for each other. Raises StoreRefused.
    """
    connection = session.connection
    await check_place(connection, VERSION_COLUMNS)
    if await _is_ready(connection, schema):
        return None
    async with connection.transaction():
        await connection.execute(b"SELECT pg_advisory_xact_lock($1)", (LOCK,))
        # Looked at again under the lock: another process may have been faster.
        if await _is_ready(connection, schema):
            return None
        return await _upgrade(connection, schema)


async def check_place(connection: Connection, versions: Columns) -> None:
    """Raise StoreRefused if the database can have no tables of the bot, whatever they are.

    `versions` has the columns of the table that says which release has made the others.
    """
    ((encoding,),) = await (await connection.execute(ENCODING)).fetchall()
    check_encoding(encoding)
    ((current,),) = await (await connection.execute(CURRENT)).fetchall()
    check_exists(current)
    await refuse_foreign(connection, versions)


async def refuse_foreign(connection: Connection, wanted: Columns) -> None:
    """Raise StoreRefused if there is a table of such a name without such columns."""
    found = await AsyncRawCursor(connection).execute(COLUMNS, (list(wanted),))
    check_columns(await found.fetchall(), wanted)


async def _is_ready(connection: Connection, schema: Schema) -> bool:
    if await _missing(connection, replace(schema, tables=("schema_version", *schema.tables))):
        return False
    return await _version(connection, schema) == schema.version


async def _missing(connection: Connection, schema: Schema) -> list[str]:
    query = schema.missing()
    found = await connection.execute(worded(query.sql), bound(query.params))
    return [str(name) for (name,) in await found.fetchall()]


async def _version(connection: Connection, schema: Schema) -> int | None:
    found = await (await connection.execute(VERSION, (schema.part,))).fetchall()
    return int(found[0][0]) if found else None


async def _upgrade(connection: Connection, schema: Schema) -> str | None:
    await connection.execute(_VERSIONS)
    version = await _version(connection, schema)
    check_version(version, schema)
    if version is None:
        await refuse_foreign(connection, schema.columns)
    missing = await _missing(connection, schema)
    if version is not None:
        for table in schema.tables:
            for statement in statements_from(schema.steps, version, table):
                if table not in missing:
                    await connection.execute(statement.encode())
    await connection.execute(schema.script.encode())
    for statement in schema.after_changes:
        await connection.execute(statement.encode())
    if not _MESSAGES.isdisjoint(missing):
        await connection.execute(_FORGET_POSITION)
    await connection.execute(_KEEP_VERSION, (schema.part, schema.version))
    if version is None:
        return None
    said = f"the schema version was {version}, this release uses {schema.version}"
    return f"{said}; created: {', '.join(missing)}" if missing else said
