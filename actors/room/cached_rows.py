"""Reads what the cache holds about a room."""

from actors.model import ChatContext, RoomId, RoomMeta
from actors.ports import StateStore
from actors.rows import chat_key, from_row, room_key
from actors.rules.classify import RoomRows
from actors.rules.relations import RoomRelations


async def cached_rows(store: StateStore, room_id: RoomId) -> RoomRows:
    """The rows of a room: its own row, and that of its chat if it names this room."""
    room = from_row(await store.row(room_key(room_id)), RoomMeta)
    if room is None or room.chat_id is None:
        return RoomRows(room)
    chat = from_row(await store.row(chat_key(room.matrix_user_id, room.chat_id)), ChatContext)
    return RoomRows(room, (chat,) if chat is not None and chat.surface_ref == room_id else ())


async def cached_rows_before(store: StateStore, relations: RoomRelations) -> RoomRows | None:
    """The rows of the latest replaced room that has rows, if any."""
    for origin in relations.origins:
        before = await cached_rows(store, origin.room_id)
        if before.known:
            return before
    return None
