"""The `kv` rows: their keys, and values to and from JSON objects. Pure.

A row that does not have exactly the expected shape reads as None: the cache is rebuilt, not mended.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from actors.model import ChatContext, ChatId, RoomId, RoomMeta, UserId, UserMeta
from actors.writes import JsonObject

PLATFORM_NAME: Final = "matrix"
USER_PREFIX: Final = "matrix_user:"
ROOM_PREFIX: Final = "matrix_room:"
CHAT_PREFIX: Final = "chat:"

Meta = TypeVar("Meta", RoomMeta, UserMeta, ChatContext)


def user_key(owner: UserId) -> str:
    """`matrix_user:{mxid}`."""
    return f"{USER_PREFIX}{owner}"


def room_key(room_id: RoomId) -> str:
    """`matrix_room:{room_id}`."""
    return f"{ROOM_PREFIX}{room_id}"


def chat_key(owner: UserId, chat_id: ChatId) -> str:
    """`chat:{mxid}:{chat_id}`."""
    return f"{CHAT_PREFIX}{owner}:{chat_id}"


def chats_prefix(owner: UserId) -> str:
    """What the keys of all chats of an owner begin with."""
    return f"{CHAT_PREFIX}{owner}:"


def to_row(meta: RoomMeta | UserMeta | ChatContext) -> JsonObject:
    """A value as its JSON object."""
    row: JsonObject = msgspec.to_builtins(meta)
    return row


def from_row(row: JsonObject | None, shape: type[Meta]) -> Meta | None:
    """A JSON object as a value, or None where it is not exactly one."""
    if row is None:
        return None
    try:
        value = msgspec.convert(row, shape)
    except msgspec.ValidationError:
        return None
    return value if to_row(value) == row else None


@dataclass(frozen=True, slots=True)
class StoredRows:
    """All rows of the three families, read once and indexed by what they speak of."""

    users: Mapping[UserId, UserMeta]
    rooms: Mapping[RoomId, RoomMeta]
    chats: Mapping[RoomId, tuple[ChatContext, ...]]
    """By `surface_ref`: a damaged cache can have several for one room."""
    garbage: tuple[str, ...]
    """Keys of the three families whose value can't be read, or doesn't fit its key."""


def read_rows(rows: Mapping[str, JsonObject | None]) -> StoredRows:
    """Sort what the store holds; rows of other families are ignored.

    So are keys with U+FFFD, which is what the store reads where a key's bytes are no text: no such
    row can be named, to remove it or else.
    """
    users: dict[UserId, UserMeta] = {}
    rooms: dict[RoomId, RoomMeta] = {}
    chats: dict[RoomId, tuple[ChatContext, ...]] = {}
    garbage: list[str] = []
    for key, row in rows.items():
        if "\ufffd" in key:
            continue
        if key.startswith(USER_PREFIX):
            user = from_row(row, UserMeta)
            if user:
                users[UserId(key.removeprefix(USER_PREFIX))] = user
                continue
        elif key.startswith(ROOM_PREFIX):
            room = from_row(row, RoomMeta)
            if room:
                rooms[RoomId(key.removeprefix(ROOM_PREFIX))] = room
                continue
        elif key.startswith(CHAT_PREFIX):
            chat = from_row(row, ChatContext)
            if chat and key == chat_key(chat.user_id, chat.chat_id):
                chats[chat.surface_ref] = (*chats.get(chat.surface_ref, ()), chat)
                continue
        else:
            continue
        garbage.append(key)
    return StoredRows(users, rooms, chats, tuple(garbage))


def in_order(chats: Iterable[ChatContext]) -> list[ChatContext]:
    """Chats by their number: C2 before C10."""
    return sorted(chats, key=lambda chat: (len(chat.chat_id), chat.chat_id))
