"""SQLite's errors, translated once into the family of the ports."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from actors.ports import StoreCorrupt, StoreUnavailable

_DAMAGED: Final = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        # A table or column that we made is not there: the file is not what it was.
        sqlite3.SQLITE_ERROR,
    }
)


def translate(error: Exception) -> Exception:
    """What the core is told of an error. One that is a bug comes back as it is."""
    if isinstance(error, OSError):
        return StoreUnavailable(str(error))
    # A value that SQLite cannot hold is the caller's bug, and waiting does not help against it.
    if not isinstance(error, sqlite3.DatabaseError) or isinstance(
        error, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.ProgrammingError
    ):
        return error
    # Extended codes keep the primary one in the low byte.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & 0xFF
    return StoreCorrupt(str(error)) if code in _DAMAGED else StoreUnavailable(str(error))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """`translated` for whoever only looks: a damaged file is named, with what becomes of it."""
    try:
        with translated():
            yield
    except StoreCorrupt as error:
        raise StoreCorrupt(
            f"{path} is damaged ({error}): the bot keeps it under another name and begins anew "
            "at its next start"
        ) from error


@contextmanager
def translated() -> Iterator[None]:
    """Raise StoreUnavailable or StoreCorrupt where SQLite or the file system fails within."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        failure = translate(error)
        if failure is error:
            raise
        raise failure from error
