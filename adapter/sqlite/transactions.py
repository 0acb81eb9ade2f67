"""Many statements as one transaction, on a plain sqlite3 connection."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from actors.port_errors import OutdatedWrite
from adapter.sql.values import Statement, grouped

_SYNC_FULL: Final = "PRAGMA synchronous = FULL"
_SYNC_NORMAL: Final = "PRAGMA synchronous = NORMAL"
"""A power loss may undo the latest commits, the newest first. The sync position goes back with
them, so the homeserver sends their events again."""


def write_all(connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    """Run all statements, or none. A kill loses no write then, a power loss no synced statement."""
    synced = any(statement.synced for statement in statements)
    connection.execute(_SYNC_FULL if synced else _SYNC_NORMAL)
    with transaction(connection):
        for sql, hits, params in grouped(statements):
            changed = connection.executemany(sql, params).rowcount
            if hits and changed != len(params):
                raise OutdatedWrite("what a write rests on has changed")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit the block as one transaction, or roll it back. Takes the write lock at the start."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has already rolled back after some failures.
        with suppress(sqlite3.OperationalError):
            connection.execute("ROLLBACK")
        raise
