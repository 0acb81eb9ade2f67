"""The statements that say whether the rows of `kv` are in line with the rooms. Pure.

The rows are in line, except those of dirty rooms, from the time at which all rooms were read at
once. That time is in `meta`, beside a digest of all rows. Every transaction that writes rows begins
with a comparison and ends with a new digest, so a row that another program has changed makes the
time void, whenever that was.
"""

import zlib
from typing import Final

from actors.writes import ClearDirty, MarkDirty, NoteWholeRead
from adapter.sqlite.sql import Query, Statement

_DIGEST: Final = (
    "(SELECT count(*) || ':'"
    " || coalesce(sum(row_digest(CAST(key AS BLOB), CAST(value AS BLOB))), 0) FROM kv)"
)
_STORED_DIGEST: Final = "coalesce((SELECT value FROM meta WHERE key = 'rows'), '')"
FORGET_WHOLE_READ: Final = "DELETE FROM meta WHERE key = 'whole_read'"
_SAVE: Final = (
    "INSERT INTO meta(key, value) VALUES (?, ?)"
    " ON CONFLICT(key) DO UPDATE SET value = excluded.value"
)
_MARK: Final = (
    "INSERT INTO dirty(room_id, change) VALUES (?, ?)"
    " ON CONFLICT(room_id) DO UPDATE SET change = excluded.change"
)
_CLEAR: Final = "DELETE FROM dirty WHERE room_id = ? AND change = ?"

DIRTY: Final = Query("SELECT room_id, change FROM dirty ORDER BY change, room_id")
WHOLE_READ: Final = Query(
    f"SELECT value FROM meta WHERE key = 'whole_read' AND {_STORED_DIGEST} = {_DIGEST}"  # noqa: S608
)

# They write to `meta`, but run in one order with the statements on `kv`.
ROWS: Final = "kv"
_COMPARE_ROWS: Final = Statement(ROWS, f"{FORGET_WHOLE_READ} AND {_STORED_DIGEST} <> {_DIGEST}", ())
_NOTE_ROWS: Final = Statement(
    ROWS,
    f"INSERT INTO meta(key, value) VALUES ('rows', {_DIGEST})"  # noqa: S608
    " ON CONFLICT(key) DO UPDATE SET value = excluded.value",
    (),
)


def row_digest(key: bytes, value: bytes | None) -> int:
    """A number that differs for another key or value. SQLite calls it as `row_digest`."""
    return zlib.crc32(value or b"", zlib.crc32(key))


def trust_statement(write: MarkDirty | ClearDirty | NoteWholeRead) -> Statement:
    """The statement that carries out a write."""
    match write:
        case MarkDirty(room_id, change):
            return Statement("dirty", _MARK, (room_id, change))
        case ClearDirty(room_id, change):
            return Statement("dirty", _CLEAR, (room_id, change))
        case NoteWholeRead(None):
            return Statement("meta", FORGET_WHOLE_READ, ())
        case NoteWholeRead(at):
            return Statement(ROWS, _SAVE, ("whole_read", str(at)))


def with_digest(statements: list[Statement]) -> list[Statement]:
    """The statements of a transaction, with those that watch over the rows if it writes any."""
    if not any(statement.table == ROWS for statement in statements):
        return statements
    return [_COMPARE_ROWS, *statements, _NOTE_ROWS]
