"""Bringing the tables of an open database to the current schema. Plain sqlite3, no event loop."""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from adapter.sql.migrations import statements_from
from adapter.sqlite.errors import translated
from adapter.sqlite.migrations import FIRST_VERSION
from adapter.sqlite.schema import (
    Columns,
    Schema,
    columns_of,
    existing,
    expected,
    expected_triggers,
    indexes,
    statements_of,
    triggers_of,
)
from adapter.sqlite.transactions import transaction


def prepare_connection(connection: sqlite3.Connection, schema: Schema, *, now: float) -> str | None:
    """Bring a sound database to this schema, completely or not at all.

    Returns a sentence for the log that says what was changed, or None. Raises StoreUnavailable,
    StoreCorrupt.
    """
    with translated():
        if _is_ready(connection, schema):
            return None
        with transaction(connection):
            # Checked again under the lock: another process may have been faster.
            if _is_ready(connection, schema):
                return None
            return _upgrade(connection, schema, stamp(now))


def _is_ready(connection: sqlite3.Connection, schema: Schema) -> bool:
    has_triggers = triggers_of(connection) == expected_triggers(schema)
    return has_triggers and _has_current_tables(connection, schema)


def _has_current_tables(connection: sqlite3.Connection, schema: Schema) -> bool:
    found = existing(connection, schema)
    return _version(connection) == schema.version and found == expected(schema)


def _upgrade(connection: sqlite3.Connection, schema: Schema, stamp: str) -> str | None:
    foreign = _drop_triggers(connection, schema)
    making = (*statements_of(schema.script), *schema.after_changes)
    if _has_current_tables(connection, schema):
        _execute_all(connection, making)
        return f"triggers removed: {', '.join(foreign)}" if foreign else "triggers made again"
    found, version = existing(connection, schema), _version(connection)
    upgrade = _change_tables(connection, schema, found, version, stamp)
    _execute_all(connection, making)
    connection.execute(f"PRAGMA user_version = {schema.version}")
    return upgrade.sentence(version, schema) if found else None


def _execute_all(connection: sqlite3.Connection, statements: tuple[str, ...]) -> None:
    for statement in statements:
        connection.execute(statement)


@dataclass(frozen=True, slots=True)
class _Upgrade:
    """The changes to the existing tables, and the tables that were absent."""

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
        said = [f"the schema version is {version}, this release uses {schema.version}"]
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
    """Leave only tables with the current columns. No row of a kept table is deleted."""
    current = expected(schema)
    rebuilt = tuple(
        table
        for table in schema.caches
        if table in found and (version != schema.version or found[table] != current[table])
    )
    for table in rebuilt:
        connection.execute(f"DROP TABLE {table}")
    # The script creates them again. A renamed table would keep its indexes under their names.
    for index in indexes(schema):
        connection.execute(f"DROP INDEX IF EXISTS {index}")
    steps = {table: _statements(schema, version, table) for table in schema.kept if table in found}
    unfit = [
        table
        for table, statements in steps.items()
        if not _migrate(connection, table, statements, current[table])
    ]
    return _Upgrade(
        migrated=tuple(table for table in steps if steps[table] and table not in unfit),
        rebuilt=rebuilt,
        set_aside={table: _set_aside(connection, table, stamp) for table in unfit},
        absent=tuple(table for table in current if table not in found),
    )


def _statements(schema: Schema, version: int, table: str) -> tuple[str, ...]:
    """The steps from a version to the current one; empty for a version that no release had."""
    if not FIRST_VERSION <= version < schema.version:
        return ()
    return statements_from(schema.steps, version, table)


def _migrate(
    connection: sqlite3.Connection, table: str, statements: tuple[str, ...], current: Columns
) -> bool:
    """Run a table's statements; undo them if they do not result in the current columns.

    Returns whether the table fits.
    """
    connection.execute("SAVEPOINT migration")
    try:
        for statement in statements:
            connection.execute(statement)
        fits = columns_of(connection, table) == current
    except sqlite3.Error as error:
        if not _is_about_the_table(error):
            raise
        fits = False
    if not fits:
        connection.execute("ROLLBACK TO migration")
    connection.execute("RELEASE migration")
    return fits


def _is_about_the_table(error: sqlite3.Error) -> bool:
    """Whether the table does not match its version, rather than the disk or a lock failing."""
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


def _drop_triggers(connection: sqlite3.Connection, schema: Schema) -> list[str]:
    """Drop all triggers, because a foreign one can undo the bot's writes.

    Returns the names of the foreign ones.
    """
    found = triggers_of(connection)
    for name, _ in found:
        quoted = name.replace('"', '""')
        connection.execute(f'DROP TRIGGER "{quoted}"')
    return sorted(name for name, _ in found - expected_triggers(schema))


def stamp(now: float) -> str:
    """A time, formatted for the names of tables and files that are set aside."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
