"""A record of the database file after a clean shutdown.

The next start compares the file with the record. Only if they match does the bot trust the rows
without reading every room again. A kill, an outside edit and a replaced file all cause a mismatch,
which only costs a full read. `SqliteStore.undisturbed` detects writes by other programs while the
bot runs.
"""

import contextlib
from pathlib import Path
from typing import Final

import msgspec

from adapter.sqlite.schema import STORE_SCHEMA

FILE_NAME: Final = "untouched.json"
_VERSION_AT: Final = slice(60, 64)
"""The bytes of `user_version`, big-endian (SQLite, "Database File Format")."""


class _Record(msgspec.Struct):
    """Identifies a file and its content without reading all of it."""

    path: str
    account: str
    inode: int
    size: int
    mtime_ns: int


def record_clean_shutdown(database: Path, folder: Path, account: str) -> None:
    """Write the record of a closed database. A database that a process has open gets no record."""
    current = _current_record(database, account)
    if current is not None:
        with contextlib.suppress(OSError):
            (folder / FILE_NAME).write_bytes(msgspec.json.encode(current))


def take_clean_shutdown_record(database: Path, folder: Path, account: str) -> bool:
    """Remove the record; return whether the database still matches it."""
    file = folder / FILE_NAME
    try:
        recorded = msgspec.json.decode(file.read_bytes(), type=_Record)
    except (OSError, ValueError):
        recorded = None
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)
    return recorded is not None and recorded == _current_record(database, account)


def _current_record(database: Path, account: str) -> _Record | None:
    """The record of a file as it is; None if it is open or has another schema version."""
    wal = database.with_name(database.name + "-wal")
    try:
        if wal.exists() and wal.stat().st_size:
            return None
        if _schema_version(database) != STORE_SCHEMA.version:
            return None
        found = database.stat()
    except OSError:
        return None
    return _Record(
        str(database.absolute()), account, found.st_ino, found.st_size, found.st_mtime_ns
    )


def _schema_version(database: Path) -> int:
    """The version in the file's header, because a connection would touch the files beside it."""
    with database.open("rb") as file:
        return int.from_bytes(file.read(_VERSION_AT.stop)[_VERSION_AT], "big")
