"""Whether a database is just as an orderly shutdown left it.

Only then may its rows be trusted without looking at every room again. A kill, an edit from outside
or another file in its place all show, and cost nothing but a full look: what happened while the bot
was away shows here, what happened while it ran in `SqliteStore.undisturbed`.
"""

import contextlib
from pathlib import Path
from typing import Final

import msgspec

FILE_NAME: Final = "untouched.json"


class _Seal(msgspec.Struct):
    """What identifies the file and its content without reading it."""

    path: str
    account: str
    inode: int
    size: int
    mtime_ns: int


def seal(database: Path, folder: Path, account: str) -> None:
    """Note how a closed database looks. Nothing is noted while somebody still has it open."""
    current = _look(database, account)
    if current is not None:
        with contextlib.suppress(OSError):
            (folder / FILE_NAME).write_bytes(msgspec.json.encode(current))


def break_seal(database: Path, folder: Path, account: str) -> bool:
    """Whether the database is as `seal` saw it. The note is gone afterwards, whatever it said."""
    note = folder / FILE_NAME
    try:
        noted = msgspec.json.decode(note.read_bytes(), type=_Seal)
    except (OSError, ValueError):
        noted = None
    with contextlib.suppress(OSError):
        note.unlink(missing_ok=True)
    return noted is not None and noted == _look(database, account)


def _look(database: Path, account: str) -> _Seal | None:
    wal = database.with_name(database.name + "-wal")
    try:
        if wal.exists() and wal.stat().st_size:
            return None
        found = database.stat()
    except OSError:
        return None
    return _Seal(str(database.absolute()), account, found.st_ino, found.st_size, found.st_mtime_ns)
