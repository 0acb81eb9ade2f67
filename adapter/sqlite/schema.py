"""The tables of our database files, and the tables that a file really has."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, TypeAlias

Columns: TypeAlias = frozenset[tuple[str, str, int, str | None, int]]


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one database file.

    `caches` can be rebuilt from elsewhere, `keeps` cannot. `version` is kept in `user_version`.
    """

    script: str
    version: int
    caches: tuple[str, ...]
    keeps: tuple[str, ...]


def _script(name: str) -> str:
    return files("adapter.sqlite").joinpath(name).read_text(encoding="utf-8")


STORE_SCHEMA: Final = Schema(
    _script("schema.sql"), 1, caches=("kv", "meta", "gaps"), keeps=("inbox", "outbox", "intents")
)
JOURNAL_SCHEMA: Final = Schema(_script("journal.sql"), 1, caches=(), keeps=("journal",))


def existing(connection: sqlite3.Connection, schema: Schema) -> dict[str, Columns]:
    """The tables of the schema that a database has, with their columns."""
    names = (*schema.caches, *schema.keeps)
    columns = {name: _columns(connection, name) for name in names}
    return {name: found for name, found in columns.items() if found}


def _columns(connection: sqlite3.Connection, table: str) -> Columns:
    # Name, type, not null, default, part of the key; without the position.
    return frozenset(
        row[1:] for row in connection.execute("SELECT * FROM pragma_table_info(?)", (table,))
    )


@cache
def expected(schema: Schema) -> dict[str, Columns]:
    """The tables that a database of this schema has, with their columns."""
    with closing(sqlite3.connect(":memory:")) as scratch:
        scratch.executescript(schema.script)
        return existing(scratch, schema)


@cache
def indexes(schema: Schema) -> tuple[str, ...]:
    """The names of the indexes that the schema's script makes."""
    with closing(sqlite3.connect(":memory:")) as scratch:
        scratch.executescript(schema.script)
        found = scratch.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql <> ''")
        return tuple(name for (name,) in found)
