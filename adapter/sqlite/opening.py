"""Making a database file usable before anybody works with it. Plain sqlite3, no event loop.

A damaged file is moved aside and begun anew; tables of another schema version are rebuilt or set
aside. Nothing is ever deleted but what the homeserver can give back.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final, TypeAlias

from actors.ports import StoreCorrupt
from adapter.sqlite.errors import translated

BUSY_TIMEOUT_S: Final = 5.0
"""How long a statement waits for another process's lock before StoreUnavailable."""

_COMPANIONS: Final = ("", "-wal", "-shm")

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


def prepare_file(
    path: Path, schema: Schema, *, now: float, busy_timeout_s: float = BUSY_TIMEOUT_S
) -> str | None:
    """Make the file at `path` a sound database of this schema, in WAL mode.

    Answers what had to be given up for it, as a sentence for the log, or None. The file and a
    missing folder are made readable by their owner alone, since messages are private.
    Raises StoreUnavailable.
    """
    with translated():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return _prepare(path, schema, now, busy_timeout_s)
    except StoreCorrupt as fault:
        with translated():
            aside = _move_aside(path, now)
        _prepare(path, schema, now, busy_timeout_s)
        return f"{path.name} was damaged ({fault}); it is kept as {aside.name} and begun anew"


def prepare_connection(connection: sqlite3.Connection, schema: Schema, *, now: float) -> str | None:
    """Bring a sound database to this schema; answer as `prepare_file` does.

    Raises StoreUnavailable, StoreCorrupt.
    """
    with translated():
        found = _existing(connection, schema)
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        triggers = _drop_triggers(connection)
        if version == schema.version and found == _expected(schema):
            return f"triggers removed: {', '.join(triggers)}" if triggers else None
        plan = _plan(found, schema, rebuild=version != schema.version, stamp=_stamp(now))
        _migrate(connection, schema, plan)
        return plan.sentence(version, schema) if found else None


def _drop_triggers(connection: sqlite3.Connection) -> tuple[str, ...]:
    """There are none of ours, and another one can undo whatever is written."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in found:
        quoted = str(name).replace('"', '""')
        connection.execute(f'DROP TRIGGER "{quoted}"')
    return tuple(str(name) for (name,) in found)


def _prepare(path: Path, schema: Schema, now: float, busy_timeout_s: float) -> str | None:
    with translated():
        path.touch(mode=0o600)
        new = _is_new(path)
    if new:
        return _make(path, schema, now, busy_timeout_s)
    with translated(), closing(connect(path, busy_timeout_s)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if fault != "ok":
            raise StoreCorrupt(fault)
        return prepare_connection(connection, schema, now=now)


def _is_new(path: Path) -> bool:
    """Whether nothing was ever written, a write-ahead log without its file included."""
    return not path.stat().st_size and not path.with_name(f"{path.name}-wal").exists()


def _make(path: Path, schema: Schema, now: float, busy_timeout_s: float) -> str | None:
    """Fill a new file, which brings it to the disk once, as a whole, and not step by step."""
    with translated(), closing(connect(path, busy_timeout_s)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        sentence = prepare_connection(connection, schema, now=now)
    with translated():
        for each in (path, path.parent):
            _bring_to_disk(each)
    return sentence


def _bring_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_database(path: Path, folder: Path) -> Path:
    """Copy a database with its write-ahead log as they stand, and answer where the copy is.

    For whoever must leave the database alone: even looking at it would touch its files. Where
    there is none, there is no copy either. Raises StoreUnavailable.
    """
    with translated():
        for suffix in ("-wal", ""):
            source = path.with_name(path.name + suffix)
            if source.exists():
                shutil.copy2(source, folder)
    return folder / path.name


def connect(
    path: Path | str, busy_timeout_s: float = BUSY_TIMEOUT_S, *, any_thread: bool = False
) -> sqlite3.Connection:
    """Open a path or a `file:` URI; no implicit transactions, and bad UTF-8 is no error.

    With `any_thread`, a thread other than the one that opened it may close it.
    """
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        timeout=busy_timeout_s,
        uri=str(path).startswith("file:"),
        check_same_thread=not any_thread,
    )
    connection.text_factory = lenient_text
    return connection


def lenient_text(raw: bytes) -> str:
    """Text as SQLite has it; one damaged character does not make all rows unreadable."""
    return raw.decode(errors="replace")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, with the write lock from the start."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # Some failures have rolled back already.
        with suppress(sqlite3.OperationalError):
            connection.execute("ROLLBACK")
        raise


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
    expected = _expected(schema)
    unfit = {table for table, columns in found.items() if columns != expected[table]}
    return _Plan(
        rebuilt=tuple(t for t in schema.caches if t in found and (rebuild or t in unfit)),
        set_aside={t: f"{t}_{stamp}" for t in schema.keeps if t in unfit},
        missing=tuple(t for t in expected if t not in found),
    )


def _migrate(connection: sqlite3.Connection, schema: Schema, plan: _Plan) -> None:
    steps = [f"DROP TABLE {table};" for table in plan.rebuilt]
    steps += [f"ALTER TABLE {t} RENAME TO {aside};" for t, aside in plan.set_aside.items()]
    # A renamed table keeps its indexes, whose names the new one needs.
    steps += [f"DROP INDEX IF EXISTS {index};" for index in _indexes(schema)]
    steps += [schema.script, f"PRAGMA user_version = {schema.version};"]
    # executescript ends a transaction that it finds, so it has to bring its own.
    try:
        connection.executescript("\n".join(["BEGIN IMMEDIATE;", *steps, "COMMIT;"]))
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _existing(connection: sqlite3.Connection, schema: Schema) -> dict[str, Columns]:
    names = (*schema.caches, *schema.keeps)
    columns = {name: _columns(connection, name) for name in names}
    return {name: found for name, found in columns.items() if found}


def _columns(connection: sqlite3.Connection, table: str) -> Columns:
    # Name, type, not null, default, part of the key; without the position.
    return frozenset(
        row[1:] for row in connection.execute("SELECT * FROM pragma_table_info(?)", (table,))
    )


@cache
def _expected(schema: Schema) -> dict[str, Columns]:
    with closing(sqlite3.connect(":memory:")) as scratch:
        scratch.executescript(schema.script)
        return _existing(scratch, schema)


@cache
def _indexes(schema: Schema) -> tuple[str, ...]:
    with closing(sqlite3.connect(":memory:")) as scratch:
        scratch.executescript(schema.script)
        found = scratch.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql <> ''")
        return tuple(name for (name,) in found)


def _stamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")


def _move_aside(path: Path, now: float) -> Path:
    aside = path.with_name(f"{path.name}.corrupt-{_stamp(now)}")
    while aside.exists():
        aside = aside.with_name(f"{aside.name}+")
    for companion in _COMPANIONS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + companion).rename(aside.with_name(aside.name + companion))
    return aside
