"""A cache in any state: the right rows with any damage done to them.

Left out is only what the design takes as evidence, because nothing on the server contradicts it:
for a room without a marker, rows that agree with each other on another number, its archiving, and
a user's row that names its Space; for a room whose conversation id nobody wrote down, such an id;
for a room that the bot is not in, or that can't be decided, rows that agree with each other.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from hypothesis import strategies as st

from actors.model import ChatContext, ChatId, RoomId, RoomMeta, UserMeta
from actors.rows import (
    CHAT_PREFIX,
    ROOM_PREFIX,
    USER_PREFIX,
    StoredRows,
    chat_key,
    from_row,
    read_rows,
    room_key,
)
from tests.properties.building import NOWHERE, Built
from tests.properties.worlds import PEOPLE

Cache: TypeAlias = dict[str, str]
"""The `kv` table: JSON text by key."""

GARBAGE: Final = ("", "{", "null", "[]", "7", '"x"', "{}", '{"space_id": 1}', "\x00", "[[[[")
FIELDS: Final = (
    *("space_id", "next_chat_index", "room_type", "chat_id", "display_name", "matrix_user_id"),
    *("platform_chat_id", "user_id", "platform", "surface_ref", "name", "is_archived", "extra"),
)
DROPPED: Final = object()

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**40) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@dataclass(frozen=True)
class Damager:
    """Draws a damaged cache for one world and the rows that are right for it."""

    built: Built
    right: Cache

    def caches(self) -> st.SearchStrategy[Cache]:
        """Any damage to any number of rows, from none to all of them gone."""
        keys = st.sampled_from([*sorted(self.right), *self._other_keys()])
        values = (
            st.just(None)
            | st.sampled_from(GARBAGE)
            | _json.map(json.dumps)
            | st.sampled_from([*sorted(self.right.values()), *self._other_rows()])
        )
        replaced = st.tuples(keys, values)
        changed = st.tuples(keys, st.tuples(st.sampled_from(FIELDS), self._field_values()))
        return st.one_of(
            st.lists(replaced | changed, max_size=6).map(self._apply),
            st.sets(keys).map(lambda lost: self._apply((key, None) for key in sorted(lost))),
            st.permutations(sorted(self.right)).map(self._shuffle),
        ).map(self._without_evidence)

    def _other_keys(self) -> list[str]:
        rooms = [*sorted(self.built.joined()), NOWHERE]
        chats = [f"chat:{user}:C{number}" for user in PEOPLE for number in (1, 2, 9)]
        users = [f"matrix_user:{user}" for user in PEOPLE]
        odd = ["chat:", "chat:C1", "matrix_user:", "matrix_room:", "matrix_room:x"]
        return [*(f"matrix_room:{room_id}" for room_id in rooms), *chats, *users, *odd]

    def _other_rows(self) -> list[str]:
        rooms = [*sorted(self.built.joined()), NOWHERE]
        users = [{"space_id": room_id, "next_chat_index": 1} for room_id in rooms]
        return [json.dumps(row) for row in users]

    def _field_values(self) -> st.SearchStrategy[object]:
        ids = [*sorted(self.built.joined()), NOWHERE, *PEOPLE, "C1", "C2", "C9", "chat", "space"]
        return st.sampled_from([DROPPED, *ids]) | _json

    def _apply(self, damages: Iterable[tuple[str, object]]) -> Cache:
        cache = dict(self.right)
        for key, damage in damages:
            if damage is None:
                cache.pop(key, None)
            elif isinstance(damage, str):
                cache[key] = damage
            elif key in cache and isinstance(damage, tuple):
                cache[key] = _with_field(cache[key], *damage)
        return cache

    def _shuffle(self, keys: list[str]) -> Cache:
        """Every value stands at another one's key."""
        values = (self.right[key] for key in sorted(self.right))
        return dict(zip(keys, values, strict=True))

    # What the design takes as evidence

    @property
    def _unmarked(self) -> set[RoomId]:
        return self.built.joined() - self.built.markers.keys()

    def _without_evidence(self, cache: Cache) -> Cache:
        for key in [key for key in cache if cache[key] != self.right.get(key)]:
            if self._names_unmarked_space(key, cache) or self._knows_conversation(key, cache):
                del cache[key]
        for key in [key for key in cache if key.startswith(CHAT_PREFIX)]:
            if self._is_archived_unseen(cache[key]):
                del cache[key]
        for room_id in self._numbered_by_rows(cache):
            for key in about(cache, {room_id}):
                del cache[key]
        return cache

    def _names_unmarked_space(self, key: str, cache: Cache) -> bool:
        user = from_row(decoded(cache[key]), UserMeta) if key.startswith(USER_PREFIX) else None
        right = from_row(decoded(self.right.get(key, "")), UserMeta)
        if user is None or (right is not None and right.space_id == user.space_id):
            return False
        return user.space_id in self._unmarked

    def _knows_conversation(self, key: str, cache: Cache) -> bool:
        room = from_row(decoded(cache[key]), RoomMeta) if key.startswith(ROOM_PREFIX) else None
        if room is None or not room.platform_chat_id:
            return False
        marker = self.built.markers.get(RoomId(key.removeprefix(ROOM_PREFIX)))
        if marker is not None and marker.platform_chat_id:
            return False
        right = from_row(decoded(self.right.get(key, "")), RoomMeta)
        return right is None or room.platform_chat_id != right.platform_chat_id

    def _is_archived_unseen(self, text: str) -> bool:
        chat = from_row(decoded(text), ChatContext)
        return chat is not None and chat.is_archived and chat.surface_ref in self._unmarked

    def _numbered_by_rows(self, cache: Cache) -> Iterator[RoomId]:
        """Rooms whose rows say a number that nothing else says."""
        found, right = read_cache(cache), read_cache(self.right)
        for room_id in found.rooms.keys() | found.chats.keys():
            if room_id in self.built.markers and room_key(room_id) in self.right:
                continue
            said = {chat.chat_id for chat in found.chats.get(room_id, ())}
            if room_id in found.rooms:
                said.add(found.rooms[room_id].chat_id or ChatId(""))
            if said != {chat.chat_id for chat in right.chats.get(room_id, ())}:
                yield room_id


def _with_field(text: str, name: str, value: object) -> str:
    row = decoded(text)
    if row is None:
        return text
    changed = {key: each for key, each in row.items() if key != name}
    return json.dumps(changed if value is DROPPED else changed | {name: value})


def decoded(text: str) -> dict[str, object] | None:
    """A JSON object, or None for anything else."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def read_cache(cache: Cache) -> StoredRows:
    """The rows as the product reads them."""
    return read_rows({key: decoded(value) for key, value in cache.items()})


def about(cache: Cache, rooms: set[RoomId]) -> Cache:
    """The rows of some rooms: their own, and the chats whose `surface_ref` they are."""
    return {key: value for key, value in cache.items() if _room_of(key, value) in rooms}


def rooms_in(cache: Cache) -> set[RoomId]:
    """Every room that a room's or a chat's row is about."""
    found = (_room_of(key, value) for key, value in cache.items())
    return {RoomId(room_id) for room_id in found if room_id is not None}


def _room_of(key: str, value: str) -> str | None:
    """Whom a row is about, where it can be read at all."""
    if key.startswith(ROOM_PREFIX):
        room_id = key.removeprefix(ROOM_PREFIX)
        return room_id if from_row(decoded(value), RoomMeta) else None
    chat = None if key.startswith(USER_PREFIX) else from_row(decoded(value), ChatContext)
    fits = chat is not None and key == chat_key(chat.user_id, chat.chat_id)
    return chat.surface_ref if chat and fits else None
