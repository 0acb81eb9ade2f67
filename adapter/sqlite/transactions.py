"""Many statements as one transaction, on a plain sqlite3 connection."""

import sqlite3
from collections.abc import Sequence

from adapter.sqlite.opening import transaction
from adapter.sqlite.statements import Statement, runs


def write_all(connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    """Run them all, or none; durable on return as far as the connection is set to be."""
    with transaction(connection):
        for sql, params in runs(statements):
            connection.executemany(sql, params)
