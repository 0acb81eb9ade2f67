"""A record of how the database looked after a clean shutdown.

The next start compares: only if the database still looks so may its rows be trusted without reading
every room again. A kill, an edit from outside and another file in its place all show in the
comparison, and cost no more than a full read. `SqliteStore.undisturbed` notices what other programs
write while the bot runs.
"""

import contextlib
from pathlib import Path
from typing import Final

import msgspec

from adapter.sqlite.schema import STORE_SCHEMA

FILE_NAME: Final = "untouched.json"
_VERSION_AT: Final = slice(60, 64)
"""Where SQLite's file format has `user_version`, big-endian."""


class _Record(msgspec.Struct):
    """What identifies the file and its content without reading all of it."""

    path: str
    account: str
    inode: int
    size: int
    mtime_ns: int


def record_clean_shutdown(database: Path, folder: Path, account: str) -> None:
    """Write the record for a closed database. One that a process still has open gets none."""
    current = _look(database, account)
    if current is not None:
        with contextlib.suppress(OSError):
            (folder / FILE_NAME).write_bytes(msgspec.json.encode(current))


def take_clean_shutdown_record(database: Path, folder: Path, account: str) -> bool:
    """Remove the record, and answer whether the database looks as it says."""
    file = folder / FILE_NAME
    try:
        recorded = msgspec.json.decode(file.read_bytes(), type=_Record)
    except (OSError, ValueError):
        recorded = None
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)
    return recorded is not None and recorded == _look(database, account)


def _look(database: Path, account: str) -> _Record | None:
    """None for a file that is open, and for one whose cache this release is going to rebuild."""
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
    """The version in the file's header: a connection would touch the files beside it."""
    with database.open("rb") as file:
        return int.from_bytes(file.read(_VERSION_AT.stop)[_VERSION_AT], "big")
