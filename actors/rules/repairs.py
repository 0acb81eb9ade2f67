"""What to write where a room's rows are not in line with what was decided. Pure."""

from actors.model import RoomId
from actors.rows import chat_key, room_key, to_row
from actors.rules.classify import RoomRows
from actors.rules.settlement import DesiredRows
from actors.writes import DeleteRow, PutRow, Write


def repairs_for(room_id: RoomId, rows: RoomRows, desired: DesiredRows) -> tuple[list[Write], int]:
    """The writes that bring a room's rows in line, and how many of them remove stale rows."""
    writes: list[Write] = []
    stale = 0
    if rows.room != desired.room:
        writes.append(PutRow(room_key(room_id), to_row(desired.room)))
    wanted = desired.chat
    for chat in rows.chats:
        same_key = wanted and (chat.user_id, chat.chat_id) == (wanted.user_id, wanted.chat_id)
        if not same_key:
            writes.append(DeleteRow(chat_key(chat.user_id, chat.chat_id), room_id))
            stale += 1
    if wanted is not None and wanted not in rows.chats:
        writes.append(PutRow(chat_key(wanted.user_id, wanted.chat_id), to_row(wanted)))
    return writes, stale


def rows_of(desired: DesiredRows) -> RoomRows:
    """What the cache holds once it says what it must."""
    return RoomRows(desired.room, (desired.chat,) if desired.chat else ())


def drift_of(rows: RoomRows) -> str:
    """How a room's rows differ, for the journal."""
    return "rows differ from the room" if rows.room or rows.chats else "no rows for the room"
