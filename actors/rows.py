"""The rows of the cache: their keys, and their values to and from JSON objects. Pure.

A row without exactly the expected shape reads as None: the cache is rebuilt, not mended.
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
    """The prefix of the keys of an owner's chats. Keys of another owner may start with it too."""
    return f"{CHAT_PREFIX}{owner}:"


def to_row(meta: RoomMeta | UserMeta | ChatContext) -> JsonObject:
    """A value as its JSON object."""
    row: JsonObject = msgspec.to_builtins(meta)
    return row


def from_row(row: JsonObject | None, shape: type[Meta]) -> Meta | None:
    """A JSON object as a value of a shape; None if it does not have exactly that shape."""
    if row is None:
        return None
    try:
        value = msgspec.convert(row, shape)
    except msgspec.ValidationError:
        return None
    return value if to_row(value) == row else None


@dataclass(frozen=True, slots=True)
class StoredRows:
    """All rows of the three families, read once, and indexed by owner or room."""

    users: Mapping[UserId, UserMeta]
    rooms: Mapping[RoomId, RoomMeta]
    chats: Mapping[RoomId, tuple[ChatContext, ...]]
    """By `surface_ref`. A damaged cache can have several chats for one room."""
    garbage: tuple[str, ...]
    """Keys of the three families with a value that can't be read or doesn't fit the key."""


def read_rows(rows: Mapping[str, JsonObject | None]) -> StoredRows:
    """Sort the rows of the store by family. Rows of other families are ignored.

    Keys with U+FFFD are ignored as well: the store reads a key that is no text so, and no write can
    name such a row.
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
    """Chats in the order of their numbers: C2 before C10."""
    return sorted(chats, key=lambda chat: (len(chat.chat_id), chat.chat_id))
