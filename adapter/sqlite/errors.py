"""Translates SQLite's errors into the errors of the ports. No other module does."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from actors.port_errors import StoreCorrupt, StoreUnavailable

_DAMAGED: Final = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        # A table or column that the bot created is missing, so the file has changed.
        sqlite3.SQLITE_ERROR,
    }
)


def translate(error: Exception) -> Exception:
    """The port error for an error. An error that is a bug is returned unchanged."""
    if isinstance(error, OSError):
        return StoreUnavailable(str(error))
    # A value that SQLite cannot store is a bug of the caller, and waiting does not help.
    if not isinstance(error, sqlite3.DatabaseError) or isinstance(
        error, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.ProgrammingError
    ):
        return error
    # Extended codes keep the primary one in the low byte.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & 0xFF
    return StoreCorrupt(str(error)) if code in _DAMAGED else StoreUnavailable(str(error))


@contextmanager
def translated_with_path(path: Path) -> Iterator[None]:
    """`translated` for a reader: StoreCorrupt names the file and says what the bot does with it."""
    try:
        with translated():
            yield
    except StoreCorrupt as error:
        raise StoreCorrupt(
            f"{path} is damaged ({error}): at its next start the bot keeps it under another name "
            "and creates a new file"
        ) from error


@contextmanager
def translated() -> Iterator[None]:
    """Raise StoreUnavailable or StoreCorrupt if SQLite or the file system fails in the block."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        failure = translate(error)
        if failure is error:
            raise
        raise failure from error
