"""Rows of the cache for rooms and users as plain dicts, for programs beside the bot."""

from actors.ports import StateStore
from actors.writes import JsonObject, PutRow


async def get_room_meta(store: StateStore, room_id: str) -> JsonObject | None:
    """The row `matrix_room:{room_id}`; None if it is absent or unreadable."""
    return await store.row(_room_key(room_id))


async def set_room_meta(store: StateStore, room_id: str, meta: JsonObject) -> None:
    """Replace the row `matrix_room:{room_id}`. Durable on return."""
    await store.commit([PutRow(_room_key(room_id), meta)])


async def get_user_meta(store: StateStore, matrix_user_id: str) -> JsonObject | None:
    """The row `matrix_user:{mxid}`; None if it is absent or unreadable."""
    return await store.row(_user_key(matrix_user_id))


async def set_user_meta(store: StateStore, matrix_user_id: str, meta: JsonObject) -> None:
    """Replace the row `matrix_user:{mxid}`. Durable on return."""
    await store.commit([PutRow(_user_key(matrix_user_id), meta)])


def _room_key(room_id: str) -> str:
    return f"matrix_room:{room_id}"


def _user_key(matrix_user_id: str) -> str:
    return f"matrix_user:{matrix_user_id}"
