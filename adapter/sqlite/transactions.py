"""Many statements as one transaction, on a plain sqlite3 connection."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from adapter.sqlite.statements import PROMISES, Statement, runs

_WAIT_FOR_THE_DISK: Final = "PRAGMA synchronous = FULL"
_WAIT_FOR_NOTHING: Final = "PRAGMA synchronous = NORMAL"
"""A loss of power may take the latest commits back, always the newest first: the homeserver tells
again what they said, since the position goes back with them."""


def write_all(connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    """Run them all, or none. On return a kill loses none of them; a loss of power, no promise."""
    promised = any(statement.table == PROMISES for statement in statements)
    connection.execute(_WAIT_FOR_THE_DISK if promised else _WAIT_FOR_NOTHING)
    with transaction(connection):
        for sql, params in runs(statements):
            connection.executemany(sql, params)


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
