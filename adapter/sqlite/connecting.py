"""A connection to a database file. Plain sqlite3, no event loop."""

import sqlite3
from pathlib import Path
from typing import Final

from actors.bounds import Bounds

BUSY_TIMEOUT_S: Final = Bounds().busy_s
"""How long a statement waits for another process's lock before StoreUnavailable."""


def connect(
    path: Path | str, busy_timeout_s: float = BUSY_TIMEOUT_S, *, any_thread: bool = False
) -> sqlite3.Connection:
    """Open a path or a `file:` URI, without implicit transactions. Bad UTF-8 is no error.

    With `any_thread`, another thread may close the connection.
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
    """Decode SQLite's text: one damaged character does not make all rows unreadable."""
    return raw.decode(errors="replace")
