"""The tables of the bot's database files, and the tables that an actual file has."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, TypeAlias

from adapter.sql.migrations import Step
from adapter.sql.trust_statements import FORGET_WHOLE_READ
from adapter.sqlite.migrations import JOURNAL_STEPS, STORE_STEPS

Columns: TypeAlias = frozenset[tuple[str, str, int, str | None, int]]


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one database file in the current release.

    Tables in `caches` can be rebuilt from other data. Tables in `kept` cannot: `steps` bring them
    from any earlier version to this one. `user_version` holds the `version`. The script creates
    missing tables, indexes and triggers; `after_changes` are run after it.
    """

    script: str
    version: int
    caches: tuple[str, ...]
    kept: tuple[str, ...]
    steps: tuple[Step, ...]
    after_changes: tuple[str, ...] = ()


def _script(name: str) -> str:
    return files("adapter.sqlite").joinpath(name).read_text(encoding="utf-8")


STORE_SCHEMA: Final = Schema(
    _script("schema.sql"),
    version=5,
    caches=("kv",),
    kept=("meta", "gaps", "dirty", "inbox", "outbox", "intents"),
    steps=STORE_STEPS,
    after_changes=(FORGET_WHOLE_READ,),
)
JOURNAL_SCHEMA: Final = Schema(
    _script("journal.sql"), version=1, caches=(), kept=("journal",), steps=JOURNAL_STEPS
)


def statements_of(script: str) -> Iterator[str]:
    """The statements of a script, because `executescript` would end an open transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def existing(connection: sqlite3.Connection, schema: Schema) -> dict[str, Columns]:
    """The tables of the schema that exist in a database, with their columns."""
    names = (*schema.caches, *schema.kept)
    columns = {name: columns_of(connection, name) for name in names}
    return {name: found for name, found in columns.items() if found}


def columns_of(connection: sqlite3.Connection, table: str) -> Columns:
    """A table's columns; empty if the table does not exist."""
    # Name, type, not null, default and part of the key, without the position.
    return frozenset(
        row[1:] for row in connection.execute("SELECT * FROM pragma_table_info(?)", (table,))
    )


@cache
def expected(schema: Schema) -> dict[str, Columns]:
    """All tables of the schema, with their columns."""
    with closing(sqlite3.connect(":memory:")) as scratch:
        scratch.executescript(schema.script)
        return existing(scratch, schema)


def triggers_of(connection: sqlite3.Connection) -> frozenset[tuple[str, str]]:
    """All triggers of a database: their names and their statements."""
    return frozenset(
        connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    )


@cache
def expected_triggers(schema: Schema) -> frozenset[tuple[str, str]]:
    """All triggers of the schema."""
    with closing(sqlite3.connect(":memory:")) as scratch:
        scratch.executescript(schema.script)
        return triggers_of(scratch)


@cache
def indexes(schema: Schema) -> tuple[str, ...]:
    """The names of the indexes that the schema's script creates."""
    with closing(sqlite3.connect(":memory:")) as scratch:
        scratch.executescript(schema.script)
        found = scratch.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql <> ''")
        return tuple(name for (name,) in found)
