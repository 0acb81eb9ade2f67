"""The statements that say whether the rows of `kv` are in line with the rooms. Pure.

The rows are in line, except those of dirty rooms, from the time at which all rooms were read at
once. That time is `whole_read` in `meta`. A trigger on `kv` deletes it when a row changes. Every
transaction of the bot that writes rows sets the time aside first and puts it back at the end, so
only a row that another program has changed makes it void.
"""

from typing import Final

from actors.writes import ClearDirty, MarkDirty, NoteWholeRead
from adapter.sql.values import Query, Statement

ROWS: Final = "kv"
"""The statements below write to `meta`, but run in one order with those on `kv`."""
_SET_ASIDE: Final = Statement(
    ROWS, "UPDATE meta SET key = 'whole_read_aside' WHERE key = 'whole_read'", ()
)
_PUT_BACK: Final = Statement(
    ROWS, "UPDATE meta SET key = 'whole_read' WHERE key = 'whole_read_aside'", ()
)
_NOTE: Final = (
    "INSERT INTO meta(key, value) VALUES ('whole_read_aside', ?)"
    " ON CONFLICT(key) DO UPDATE SET value = excluded.value"
)
FORGET_WHOLE_READ: Final = "DELETE FROM meta WHERE key IN ('whole_read', 'whole_read_aside')"
_MARK: Final = (
    "INSERT INTO dirty(room_id, change) VALUES (?, ?)"
    " ON CONFLICT(room_id) DO UPDATE SET change = excluded.change"
)
_CLEAR: Final = "DELETE FROM dirty WHERE room_id = ? AND change = ?"

DIRTY: Final = Query("SELECT room_id, change FROM dirty ORDER BY change, room_id")
WHOLE_READ: Final = Query("SELECT value FROM meta WHERE key = 'whole_read'")


def trust_statement(write: MarkDirty | ClearDirty | NoteWholeRead) -> Statement:
    """The statement that carries out a write."""
    match write:
        case MarkDirty(room_id, change):
            return Statement("dirty", _MARK, (room_id, change))
        case ClearDirty(room_id, change):
            return Statement("dirty", _CLEAR, (room_id, change))
        case NoteWholeRead(None):
            return Statement(ROWS, FORGET_WHOLE_READ, ())
        case NoteWholeRead(at):
            return Statement(ROWS, _NOTE, (str(at),))


def keeping_trust(statements: list[Statement]) -> list[Statement]:
    """The statements of a transaction, with those that keep `whole_read` if it writes rows."""
    if not any(statement.table == ROWS for statement in statements):
        return statements
    return [_SET_ASIDE, *statements, _PUT_BACK]
