"""Preparing a database file before its first use. Plain sqlite3, no event loop.

A damaged file is moved aside and replaced by a new one. `upgrade` brings the tables of another
schema version to the current one. Only data that the homeserver can restore is ever deleted.
"""

import os
import shutil
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from actors.port_errors import StoreCorrupt
from adapter.sqlite.connecting import BUSY_TIMEOUT_S, connect
from adapter.sqlite.errors import translated
from adapter.sqlite.schema import Schema
from adapter.sqlite.upgrade import prepare_connection, stamp

_COMPANIONS: Final = ("", "-wal", "-shm")


def prepare_file(
    path: Path, schema: Schema, *, now: float, busy_timeout_s: float = BUSY_TIMEOUT_S
) -> str | None:
    """Make the file at `path` a sound database of this schema, in WAL mode.

    Returns a sentence for the log that says what was replaced or changed, or None. The file and a
    missing folder are created readable only by the bot's user, because messages are private. Raises
    StoreUnavailable.
    """
    with translated():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return _prepare(path, schema, now, busy_timeout_s)
    except StoreCorrupt as fault:
        with translated():
            aside = _move_aside(path, now)
        _prepare(path, schema, now, busy_timeout_s)
        return (
            f"{path.name} was damaged ({fault}); it is kept as {aside.name}, and a new file is used"
        )


def _prepare(path: Path, schema: Schema, now: float, busy_timeout_s: float) -> str | None:
    with translated():
        path.touch(mode=0o600)
        new = _is_new(path)
    if new:
        return _create(path, schema, now, busy_timeout_s)
    with translated(), closing(connect(path, busy_timeout_s)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if fault != "ok":
            raise StoreCorrupt(fault)
        return prepare_connection(connection, schema, now=now)


def _is_new(path: Path) -> bool:
    """Whether a file is empty and has no write-ahead log either."""
    return not path.stat().st_size and not path.with_name(f"{path.name}-wal").exists()


def _create(path: Path, schema: Schema, now: float, busy_timeout_s: float) -> str | None:
    """Fill a new file, and flush it to disk once as a whole instead of step by step."""
    with translated(), closing(connect(path, busy_timeout_s)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        sentence = prepare_connection(connection, schema, now=now)
    with translated():
        for each in (path, path.parent):
            _flush_to_disk(each)
    return sentence


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def inode_of(file: Path) -> int | None:
    """The number that tells a file from another one of the same name; None without a file."""
    try:
        return file.stat().st_ino
    except OSError:
        return None


def copy_database(path: Path, folder: Path) -> Path:
    """Copy a database and its write-ahead log; return the path of the copy.

    For callers that must not change the database: even reading it would touch its files. Without a
    database, no copy is made. Raises StoreUnavailable.
    """
    with translated():
        for suffix in ("-wal", ""):
            source = path.with_name(path.name + suffix)
            if source.exists():
                shutil.copy2(source, folder)
    return folder / path.name


def _move_aside(path: Path, now: float) -> Path:
    aside = path.with_name(f"{path.name}.corrupt-{stamp(now)}")
    while aside.exists():
        aside = aside.with_name(f"{aside.name}+")
    for companion in _COMPANIONS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + companion).rename(aside.with_name(aside.name + companion))
    return aside
