"""The rooms of a homeserver that does not exist, and its answers about them. Pure.

A room is a number: each fifth one is the Space of an owner, and the four after it are the owner's
chats. Everything about a room follows from the seed, its number and the changes so far, so nothing
is kept for it. `tests/synapse/test_synthetic.py` compares the answers with those of a Synapse.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from itertools import chain
from typing import Final, TypeAlias

import msgspec

from actors.model import MARKER_TYPE, ChatId, Marker, PlatformChatId, RoomId, RoomKind, UserId
from actors.ports import NewRoom
from adapter.matrix.provisioning import JOIN_RULES_TYPE, initial_state, link_content, power_levels
from benchmarks.topology import CHATS_PER_SPACE, ROOMS_PER_OWNER, space_marker

ROOM_VERSION: Final = "12"
_BOT: Final = UserId("@bot:localhost")
_CREATED_MS: Final = 1_700_000_000_000
_ROOM_MS: Final = 1_000
"""The time between the creations of two rooms."""
_SHOWN: Final = frozenset(
    {
        "m.room.create",
        "m.room.name",
        "m.space.child",
        "m.space.parent",
        MARKER_TYPE,
        "io.surfaces.settings",
    }
)
"""The types of state that the bot asks for when it reads all rooms."""

Json: TypeAlias = dict[str, object]


@dataclass(slots=True)
class Changes:
    """The names that were given to rooms later: each change is one room's new name."""

    rooms: list[int] = field(default_factory=list)
    """The rooms that have changed, in the order of the changes."""
    latest: dict[int, int] = field(default_factory=dict)
    """The number of each changed room's latest change; the first change is 1."""

    def rename(self, rooms: Iterable[int]) -> None:
        """Give rooms another name."""
        for room in rooms:
            self.rooms.append(room)
            self.latest[room] = len(self.rooms)

    def since(self, change: int) -> dict[int, int]:
        """The rooms that have changed after a change, each with its latest change."""
        return {room: self.latest[room] for room in self.rooms[change:]}


@dataclass(frozen=True)
class SyntheticRooms:
    """`count` rooms of one account, the bot's."""

    count: int
    seed: int = 0
    changes: Changes = field(default_factory=Changes)

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {self.room_id(number): number for number in range(self.count)}

    def number_of(self, room_id: str) -> int | None:
        """A room's number; None for a room that does not exist."""
        return self._numbers.get(room_id)

    def room_id(self, number: int) -> RoomId:
        """The id of a room, in the form of version 12."""
        return RoomId(f"!{_digest(self.seed, 'room', number)}")

    def owner_of(self, number: int) -> str:
        """The localpart of a room's owner."""
        return f"bot-owner-{number // ROOMS_PER_OWNER}"

    def name_of(self, number: int) -> str:
        """The name of a room by now."""
        place = number % ROOMS_PER_OWNER
        first = f"Chat {place}" if place else f"{self.owner_of(number)}'s chats"
        change = self.changes.latest.get(number)
        return first if change is None else f"Renamed {change}"

    # ------------------------------------------------------------ answers

    def joined_rooms(self) -> Json:
        """`GET /joined_rooms`."""
        return {"joined_rooms": list(self._numbers)}

    def window(self, ranges: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        """A sliding-sync window over the rooms, room by room. The latest change comes first."""
        order = self._newest_first()
        shown = {(first, last): order[first : last + 1] for first, last in ranges}
        ops = [
            {"op": "SYNC", "range": part, "room_ids": list(map(self.room_id, numbers))}
            for part, numbers in shown.items()
        ]
        lists = {"all": {"count": self.count, "ops": ops}}
        yield _unclosed({"pos": f"1/{self.position}", "lists": lists, "extensions": {}})
        yield b',"rooms":{'
        yield from _entries(
            (self.room_id(it), self._window_room(it)) for it in chain(*shown.values())
        )
        yield b"}}"

    def initial_sync(self) -> Iterator[bytes]:
        """The initial `/sync` that shows the state of all rooms."""
        rooms = ((self.room_id(it), self._joined_room(it)) for it in range(self.count))
        return self._sync(rooms, self.position)

    def sync(self, since: str) -> Iterator[bytes]:
        """A `/sync` with the changes since a position. Raises ValueError for an odd one."""
        changed = self.changes.since(change_at(since))
        rooms = ((self.room_id(it), self._changed_room(it, since)) for it in changed)
        return self._sync(rooms if changed else None, self.position)

    def empty_sync(self) -> Iterator[bytes]:
        """A `/sync` that shows nothing but the position."""
        return self._sync(None, self.position)

    def state(self, number: int) -> list[Json]:
        """`GET /rooms/{id}/state`."""
        return [self._full(number, event) for event in self._events(number)]

    def messages(self, number: int) -> Json:
        """`GET /rooms/{id}/messages`, backwards: one page, the members only."""
        mine, theirs = (it for it in self._events(number) if it["type"] == "m.room.member")
        content = {"displayname": self.owner_of(number), "membership": "invite"}
        invite = {**theirs, "content": content, "sender": _BOT}
        page = [self._full(number, event) for event in (theirs, invite, mine)]
        return {"chunk": page, "start": self.position}

    @property
    def position(self) -> str:
        """The present position of a sync."""
        return f"s{len(self.changes.rooms)}_synthetic"

    # ------------------------------------------------------------ one room

    def _window_room(self, number: int) -> Json:
        return {
            "notification_count": 0,
            "highlight_count": 0,
            "bump_stamp": 2 + number,
            "joined_count": 2,
            "invited_count": 0,
            "name": self.name_of(number),
            "initial": True,
            "required_state": self._shown(number),
        }

    def _joined_room(self, number: int) -> Json:
        timeline = {"events": [], "prev_batch": self.position, "limited": True}
        counts: Json = {"m.joined_member_count": 2, "m.invited_member_count": 0}
        return _sync_room(timeline, self._shown(number), counts)

    def _changed_room(self, number: int, since: str) -> Json:
        event = next(it for it in self._events(number) if it["type"] == "m.room.name")
        before = {"content": {"name": "another name"}, "sender": _BOT}
        unsigned = {
            **_aged(event)["unsigned"],  # type: ignore[dict-item]
            "membership": "join",
            "prev_content": before["content"],
            "prev_sender": before["sender"],
            "replaces_state": f"${_digest(self.seed, number, 'replaced')}",
        }
        timeline = {
            "events": [{**event, "unsigned": unsigned}],
            "prev_batch": since,
            "limited": False,
        }
        return _sync_room(timeline, [], {})

    def _sync(self, rooms: Iterable[tuple[RoomId, Json]] | None, position: str) -> Iterator[bytes]:
        yield _unclosed(
            {
                "next_batch": position,
                "device_one_time_keys_count": {"signed_curve25519": 0},
                "device_unused_fallback_key_types": [],
            }
        )
        if rooms is not None:
            yield b',"rooms":{"join":{'
            yield from _entries(rooms)
            yield b"}}"
        yield b"}"

    def _newest_first(self) -> list[int]:
        changed = sorted(self.changes.latest, key=self.changes.latest.__getitem__, reverse=True)
        unchanged = range(self.count - 1, -1, -1)
        return [*changed, *(it for it in unchanged if it not in self.changes.latest)]

    def _shown(self, number: int) -> list[Json]:
        """The state that the bot asks for; the creation comes with the id of its room."""
        room = {"room_id": self.room_id(number)}
        return [
            {**_aged(event), **(room if event["type"] == "m.room.create" else {})}
            for event in self._events(number)
            if event["type"] in _SHOWN
        ]

    def _full(self, number: int, event: Json) -> Json:
        aged = _aged(event)
        unsigned = aged["unsigned"]
        whole = {**aged, "room_id": self.room_id(number), "user_id": event["sender"], "age": 1}
        if event["type"] == "m.room.member" and event["state_key"] != _BOT:
            replaced = {"replaces_state": f"${_digest(self.seed, number, 'invite')}"}
            whole |= {**replaced, "unsigned": {**unsigned, **replaced}}  # type: ignore[dict-item]
        return whole

    def _events(self, number: int) -> list[Json]:
        owner = f"@{self.owner_of(number)}:localhost"
        room = NewRoom(self._marker(number, UserId(owner)), self.name_of(number))
        creation: Json = {"room_version": ROOM_VERSION}
        if not number % ROOMS_PER_OWNER:
            creation["type"] = "m.space"
        contents: list[tuple[str, str, Mapping[str, object]]] = [
            ("m.room.create", "", creation),
            ("m.room.member", _BOT, {"displayname": "bot", "membership": "join"}),
            ("m.room.power_levels", "", self._levels(room.marker)),
            ("m.room.history_visibility", "", {"history_visibility": "shared"}),
            ("m.room.guest_access", "", {"guest_access": "can_join"}),
            *initial_state(room, _BOT, ROOM_VERSION),
            ("m.room.name", "", {"name": room.name}),
            ("m.room.member", owner, self._owner_member(number)),
            *(("m.space.child", child, link_content(_BOT)) for child in self._children(number)),
        ]
        if not any(kind == JOIN_RULES_TYPE for kind, _, _ in contents):
            contents.append((JOIN_RULES_TYPE, "", {"join_rule": "invite"}))
        return [
            self._event(number, place, kind, key, content)
            for place, (kind, key, content) in enumerate(contents)
        ]

    def _levels(self, marker: Marker) -> Json:
        """The levels of a room, with those that a homeserver adds to the given ones."""
        given = power_levels(marker, _BOT, ROOM_VERSION)
        events = {"m.room.name": 50, "m.room.power_levels": 100, "m.room.history_visibility": 100}
        events |= {"m.room.tombstone": 150, "m.room.server_acl": 100, "m.room.encryption": 100}
        return {"historical": 100, **given, "events": given.get("events", events)}

    def _owner_member(self, number: int) -> Json:
        return {"displayname": self.owner_of(number), "membership": "join"}

    def _marker(self, number: int, owner: UserId) -> Marker:
        place = number % ROOMS_PER_OWNER
        if not place:
            return space_marker(owner)
        return Marker(
            kind=RoomKind.CHAT,
            owner=owner,
            chat_id=ChatId(f"C{place}"),
            space_id=self.room_id(number - place),
            platform_chat_id=PlatformChatId(f"{owner}/{place}"),
        )

    def _children(self, number: int) -> Iterator[RoomId]:
        if not number % ROOMS_PER_OWNER:
            last = min(number + CHATS_PER_SPACE, self.count - 1)
            yield from map(self.room_id, range(number + 1, last + 1))

    def _event(
        self, number: int, place: int, kind: str, key: str, content: Mapping[str, object]
    ) -> Json:
        is_owner = kind == "m.room.member" and key != _BOT
        name = self.room_id(number)[1:] if not place else _digest(self.seed, number, place)
        return {
            "content": dict(content),
            "event_id": f"${name}",
            "origin_server_ts": _CREATED_MS + number * _ROOM_MS + place,
            "sender": key if is_owner else _BOT,
            "state_key": key,
            "type": kind,
        }


def change_at(position: str) -> int:
    """The number of the latest change before a position. Raises ValueError for an odd one."""
    number, _, rest = position.removeprefix("s").partition("_")
    if rest != "synthetic":
        raise ValueError(position)
    return int(number)


def _sync_room(timeline: Json, state: list[Json], summary: Json) -> Json:
    return {
        "timeline": timeline,
        "state": {"events": state},
        "account_data": {"events": []},
        "ephemeral": {"events": []},
        "unread_notifications": {"notification_count": 0, "highlight_count": 0},
        "summary": summary,
    }


def _aged(event: Json) -> Json:
    return {**event, "unsigned": {"age": 1}}


def _unclosed(start: Json) -> bytes:
    """An object as JSON, without its last brace: more follows."""
    return msgspec.json.encode(start)[:-1]


def _entries(rooms: Iterable[tuple[RoomId, Json]]) -> Iterator[bytes]:
    comma = b""
    for room_id, room in rooms:
        yield comma + msgspec.json.encode(room_id) + b":" + msgspec.json.encode(room)
        comma = b","


def _digest(*parts: object) -> str:
    """43 letters that follow from some values."""
    digest = sha256("/".join(map(str, parts)).encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
