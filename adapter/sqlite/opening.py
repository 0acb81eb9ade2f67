"""Making a database file usable before anybody works with it. Plain sqlite3, no event loop.

A damaged file is moved aside and begun anew; upgrade.py brings the tables of another schema version
to ours. Nothing is ever deleted but what the homeserver can give back.
"""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from actors.bounds import Bounds
from actors.ports import StoreCorrupt
from adapter.sqlite.errors import translated
from adapter.sqlite.schema import Schema
from adapter.sqlite.upgrade import prepare_connection, stamp

BUSY_TIMEOUT_S: Final = Bounds().busy_s
"""How long a statement waits for another process's lock before StoreUnavailable."""

_COMPANIONS: Final = ("", "-wal", "-shm")


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


def _move_aside(path: Path, now: float) -> Path:
    aside = path.with_name(f"{path.name}.corrupt-{stamp(now)}")
    while aside.exists():
        aside = aside.with_name(f"{aside.name}+")
    for companion in _COMPANIONS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + companion).rename(aside.with_name(aside.name + companion))
    return aside
