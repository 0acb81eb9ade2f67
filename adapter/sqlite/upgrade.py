"""Bringing the tables of an open database to our schema. Plain sqlite3, no event loop."""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from adapter.sqlite.errors import translated
from adapter.sqlite.migrations import FIRST_VERSION, statements_from
from adapter.sqlite.schema import (
    Columns,
    Schema,
    columns_of,
    existing,
    expected,
    indexes,
    statements_of,
)
from adapter.sqlite.transactions import transaction


def prepare_connection(connection: sqlite3.Connection, schema: Schema, *, now: float) -> str | None:
    """Bring a sound database to this schema, wholly or not at all; answer as `prepare_file` does.

    Raises StoreUnavailable, StoreCorrupt.
    """
    with translated():
        if _is_ready(connection, schema):
            return None
        with transaction(connection):
            # Looked at again under the lock: another process may have been quicker.
            if _is_ready(connection, schema):
                return None
            return _upgrade(connection, schema, stamp(now))


def _is_ready(connection: sqlite3.Connection, schema: Schema) -> bool:
    return _has_our_tables(connection, schema) and not _triggers(connection)


def _has_our_tables(connection: sqlite3.Connection, schema: Schema) -> bool:
    found = existing(connection, schema)
    return _version(connection) == schema.version and found == expected(schema)


def _upgrade(connection: sqlite3.Connection, schema: Schema, stamp: str) -> str | None:
    triggers = _drop_triggers(connection)
    if _has_our_tables(connection, schema):
        return f"triggers removed: {', '.join(triggers)}"
    found, version = existing(connection, schema), _version(connection)
    upgrade = _change_tables(connection, schema, found, version, stamp)
    for statement in statements_of(schema.script):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {schema.version}")
    return upgrade.sentence(version, schema) if found else None


@dataclass(frozen=True, slots=True)
class _Upgrade:
    """What was done to the tables that were there, and which ones were not."""

    migrated: tuple[str, ...]
    rebuilt: tuple[str, ...]
    set_aside: dict[str, str]
    absent: tuple[str, ...]

    def sentence(self, version: int, schema: Schema) -> str:
        aside = (f"{table} as {name}" for table, name in self.set_aside.items())
        absent = "new" if version < schema.version else "missing"
        parts = {
            "migrated": self.migrated,
            "rebuilt": self.rebuilt,
            "set aside": tuple(aside),
            absent: self.absent,
        }
        said = [f"the schema version is {version}, ours is {schema.version}"]
        said += [f"{what}: {', '.join(tables)}" for what, tables in parts.items() if tables]
        if self.set_aside and version > schema.version:
            said.append(
                "a later release wrote this file: go back to it to use the rows that are set aside "
                "(docs/operating.md)"
            )
        return "; ".join(said)


def _change_tables(
    connection: sqlite3.Connection,
    schema: Schema,
    found: dict[str, Columns],
    version: int,
    stamp: str,
) -> _Upgrade:
    """Leave only tables that have our columns. No row of a table that is kept is deleted."""
    ours = expected(schema)
    rebuilt = tuple(
        table
        for table in schema.caches
        if table in found and (version != schema.version or found[table] != ours[table])
    )
    for table in rebuilt:
        connection.execute(f"DROP TABLE {table}")
    # The script makes them again. A table that is renamed keeps its indexes, and their names.
    for index in indexes(schema):
        connection.execute(f"DROP INDEX IF EXISTS {index}")
    steps = {table: _statements(schema, version, table) for table in schema.keeps if table in found}
    unfit = [
        table
        for table, statements in steps.items()
        if not _migrate(connection, table, statements, ours[table])
    ]
    return _Upgrade(
        migrated=tuple(table for table in steps if steps[table] and table not in unfit),
        rebuilt=rebuilt,
        set_aside={table: _set_aside(connection, table, stamp) for table in unfit},
        absent=tuple(table for table in ours if table not in found),
    )


def _statements(schema: Schema, version: int, table: str) -> tuple[str, ...]:
    """What leads from a version to ours; nothing does from one that no earlier release has."""
    if not FIRST_VERSION <= version < schema.version:
        return ()
    return statements_from(schema.steps, version, table)


def _migrate(
    connection: sqlite3.Connection, table: str, statements: tuple[str, ...], ours: Columns
) -> bool:
    """Run a table's statements. Where they do not lead to our columns, leave it as it was."""
    connection.execute("SAVEPOINT migration")
    try:
        for statement in statements:
            connection.execute(statement)
        fits = columns_of(connection, table) == ours
    except sqlite3.Error as error:
        if not _is_about_the_table(error):
            raise
        fits = False
    if not fits:
        connection.execute("ROLLBACK TO migration")
    connection.execute("RELEASE migration")
    return fits


def _is_about_the_table(error: sqlite3.Error) -> bool:
    """Whether the table is not what its version says; the disk or a lock may fail as well."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & 0xFF
    return code in {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH}


def _set_aside(connection: sqlite3.Connection, table: str, stamp: str) -> str:
    name = f"{table}_{stamp}"
    while columns_of(connection, name):
        name += "_"
    connection.execute(f"ALTER TABLE {table} RENAME TO {name}")
    return name


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _triggers(connection: sqlite3.Connection) -> tuple[str, ...]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    return tuple(str(name) for (name,) in found)


def _drop_triggers(connection: sqlite3.Connection) -> tuple[str, ...]:
    """There are none of ours, and another one can undo whatever is written."""
    found = _triggers(connection)
    for name in found:
        quoted = name.replace('"', '""')
        connection.execute(f'DROP TRIGGER "{quoted}"')
    return found


def stamp(now: float) -> str:
    """A time as it stands in the names of what is set aside."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
