"""Bringing the tables of an open database to our schema. Plain sqlite3, no event loop."""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from adapter.sqlite.errors import translated
from adapter.sqlite.schema import Columns, Schema, existing, expected, indexes


def prepare_connection(connection: sqlite3.Connection, schema: Schema, *, now: float) -> str | None:
    """Bring a sound database to this schema; answer as `prepare_file` does.

    Raises StoreUnavailable, StoreCorrupt.
    """
    with translated():
        found = existing(connection, schema)
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        triggers = _drop_triggers(connection)
        if version == schema.version and found == expected(schema):
            return f"triggers removed: {', '.join(triggers)}" if triggers else None
        plan = _plan(found, schema, rebuild=version != schema.version, stamp=stamp(now))
        _migrate(connection, schema, plan)
        return plan.sentence(version, schema) if found else None


def _drop_triggers(connection: sqlite3.Connection) -> tuple[str, ...]:
    """There are none of ours, and another one can undo whatever is written."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in found:
        quoted = str(name).replace('"', '""')
        connection.execute(f'DROP TRIGGER "{quoted}"')
    return tuple(str(name) for (name,) in found)


@dataclass(frozen=True, slots=True)
class _Plan:
    rebuilt: tuple[str, ...]
    set_aside: dict[str, str]
    missing: tuple[str, ...]

    def sentence(self, version: int, schema: Schema) -> str:
        said = [f"the schema version is {version}, ours is {schema.version}"]
        if self.rebuilt:
            said.append(f"rebuilt: {', '.join(self.rebuilt)}")
        if self.set_aside:
            names = (f"{table} as {aside}" for table, aside in self.set_aside.items())
            said.append(f"set aside: {', '.join(names)}")
        if self.missing:
            said.append(f"missing: {', '.join(self.missing)}")
        return "; ".join(said)


def _plan(found: dict[str, Columns], schema: Schema, *, rebuild: bool, stamp: str) -> _Plan:
    ours = expected(schema)
    unfit = {table for table, columns in found.items() if columns != ours[table]}
    return _Plan(
        rebuilt=tuple(t for t in schema.caches if t in found and (rebuild or t in unfit)),
        set_aside={t: f"{t}_{stamp}" for t in schema.keeps if t in unfit},
        missing=tuple(t for t in ours if t not in found),
    )


def _migrate(connection: sqlite3.Connection, schema: Schema, plan: _Plan) -> None:
    steps = [f"DROP TABLE {table};" for table in plan.rebuilt]
    steps += [f"ALTER TABLE {t} RENAME TO {aside};" for t, aside in plan.set_aside.items()]
    # A renamed table keeps its indexes, whose names the new one needs.
    steps += [f"DROP INDEX IF EXISTS {index};" for index in indexes(schema)]
    steps += [schema.script, f"PRAGMA user_version = {schema.version};"]
    # executescript ends a transaction that it finds, so it has to bring its own.
    try:
        connection.executescript("\n".join(["BEGIN IMMEDIATE;", *steps, "COMMIT;"]))
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def stamp(now: float) -> str:
    """A time as it stands in the names of what is set aside."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
