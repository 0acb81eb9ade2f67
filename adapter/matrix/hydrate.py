"""Reading all joined rooms at once: the requests, and how their answers are combined. Pure.

If the homeserver supports simplified sliding sync, windows over the rooms return their state and
the invites, several times faster than any other way. The bot takes the sync position before the
first window, so events may be read twice but none is missed. Up to 2,500 rooms are one window. More
are read window by window, so that no answer is large. The order of the rooms changes with every
event, so a room may be in no window, and is then read alone. An invite must not be missed like
that: the first of several windows comes with a list of all invites.

Other homeservers return everything in one filtered initial `/sync`. Both answers count members but
name them only in rooms without a name, so the bot reads the few rooms that need a member list once
more, one by one.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from sys import intern
from typing import Final, TypeAlias, assert_never

import msgspec

from actors.model import INSTANCE_TYPE, Invite, RoomId, UserId
from actors.port_errors import HomeserverRefused, HomeserverUnavailable
from actors.ports import Hydration
from actors.snapshots import RoomSnapshot
from adapter.matrix.bodies import SyncResponse, Window
from adapter.matrix.events import MEMBER_TYPE
from adapter.matrix.lenient import UNDECODABLE, Malformed
from adapter.matrix.timeline import MESSAGE_TYPE, MESSAGE_TYPES, REDACTION_TYPE
from adapter.matrix.wire import (
    SNAPSHOT_TYPES,
    InviteReading,
    Reading,
    invites_of,
    reading_of_joined,
    reading_of_window,
)

SLIDING_SYNC_FEATURE: Final = "org.matrix.simplified_msc3575"
SLIDING_SYNC_PATH: Final = f"/_matrix/client/unstable/{SLIDING_SYNC_FEATURE}/sync?timeout=0"

_STATE_KEY: Final = {
    "m.room.create": "",
    "m.room.name": "",
    "m.space.child": "*",
    "m.space.parent": "*",
    "m.room.tombstone": "",
    "m.room.encryption": "",
}
"""The state key of each type; the bot's own user id for any other type."""
WINDOW_ROOMS: Final = 2_500
"""The size of a window, unless one window shows all rooms."""
_ROOMS_LIMIT: Final = 10_000_000
_LIVE_TIMELINE_LIMIT: Final = 50
_NOTHING: Final[Mapping[str, object]] = {"types": []}


def hydration_filter(nonce: str) -> str:
    """The filter of the initial sync.

    Synapse caches the answer to an initial sync for two minutes; the filter's text is part of the
    cache key. The nonce, in the id of an impossible room, keeps a restarted bot from getting a
    stale position. The state types stand in both sections, because Synapse can omit a type from one
    section if the other lacks it.
    """
    types = list(SNAPSHOT_TYPES)
    return _filter(
        {
            "not_rooms": [f"!{nonce}:nonce.invalid"],
            "state": {"types": types, "lazy_load_members": True},
            "timeline": {"types": types, "limit": 0},
        }
    )


def position_filter(nonce: str) -> str:
    """The filter of an initial sync that returns only a position.

    The empty list of rooms makes it cheap. `hydration_filter` explains the nonce.
    """
    return _filter({"rooms": [], "not_rooms": [f"!{nonce}:nonce.invalid"]})


def window_request(me: UserId, first: int = 0, rooms: int = _ROOMS_LIMIT) -> dict[str, object]:
    """The body of a sliding-sync request for the state of `rooms` rooms, without timelines.

    The rooms before the `first` one are left out. If the window may not show all rooms, the first
    window comes with all invites.
    """
    state = [[kind, _STATE_KEY.get(kind, me)] for kind in SNAPSHOT_TYPES]
    asked = {"timeline_limit": 0, "required_state": state}
    lists = {"all": {"ranges": [[first, first + rooms - 1]], **asked}}
    if first == 0 and rooms < _ROOMS_LIMIT:
        invites = {"ranges": [[0, _ROOMS_LIMIT]], "filters": {"is_invite": True}, **asked}
        lists["invites"] = invites
    return {"conn_id": "hydrate", "lists": lists}


def live_filter(nonce: str | None = None) -> str:
    """The filter of every later sync. A nonce keeps Synapse from answering from its cache.

    `state` leaves out members, because joining a big room would return all of them. The timeline
    shows membership changes, and a limited timeline counts as a change.
    """
    types = list(SNAPSHOT_TYPES)
    fresh = {} if nonce is None else {"not_rooms": [f"!{nonce}:nonce.invalid"]}
    return _filter(
        {
            **fresh,
            "state": {"types": types},
            "timeline": {
                "types": [*MESSAGE_TYPES, MEMBER_TYPE, REDACTION_TYPE, *types],
                "limit": _LIVE_TIMELINE_LIMIT,
            },
        },
        account_data={"types": [INSTANCE_TYPE]},
    )


def messages_filter() -> str:
    """The filter of a gap: messages, membership changes and redactions."""
    return msgspec.json.encode({"types": [*MESSAGE_TYPES, MEMBER_TYPE, REDACTION_TYPE]}).decode()


def history_filter() -> str:
    """The filter of a conversation's history: messages and edits, and the names of their senders.

    It can't leave out edits: homeservers ignore `not_rel_types`. Nor can it ask for edited messages
    alone, which come with their newest edit: an answer that was never edited would be missing.
    """
    types = [MESSAGE_TYPE, MEMBER_TYPE]
    return msgspec.json.encode({"types": types, "lazy_load_members": True}).decode()


def members_filter() -> str:
    """The filter of the timeline that shows an invite."""
    return msgspec.json.encode({"types": [MEMBER_TYPE]}).decode()


Decode: TypeAlias = Callable[[RoomId, msgspec.Raw, UserId], Reading | InviteReading]
"""Decodes a room of an answer. Raises one of UNDECODABLE."""

SecondReading: TypeAlias = RoomSnapshot | HomeserverRefused | HomeserverUnavailable
"""A room that was read again, or the error of that attempt."""


@dataclass(frozen=True, slots=True)
class FirstReading:
    """The result of the first read, and the rooms that need a second one."""

    hydration: Hydration
    read_again: frozenset[RoomId]
    """Includes rooms that the bot may not be in: it has just joined or left them, or was removed.
    A sliding-sync window shows rooms that the bot was removed from in the same way."""


def first_reading(response: SyncResponse, joined: Iterable[RoomId], me: UserId) -> FirstReading:
    """Decode an initial sync. Missing and undecodable rooms go into `read_again`."""
    invites, malformed = invites_of(response, me)
    gathered = Gathered(me, invites=list(invites), malformed=malformed)
    for key, raw in response.rooms.join.items():
        gathered.read(RoomId(key), raw, reading_of_joined)
    return gathered.outcome(response.next_batch, joined)


def complete(
    first: FirstReading, readings: Mapping[RoomId, SecondReading], joined: Collection[RoomId]
) -> Hydration:
    """Add the second readings to the first one.

    The list `joined` is newer than the readings: a refused room counts as left only if the list
    lacks it.
    """
    kept = [it for it in first.hydration.snapshots if it.room_id not in readings]
    unreadable: dict[RoomId, str] = {}
    for room_id, reading in readings.items():
        match reading:
            case RoomSnapshot():
                kept.append(reading)
            case HomeserverRefused() if room_id not in joined:
                pass
            case HomeserverRefused() | HomeserverUnavailable():
                unreadable[room_id] = str(reading)
            case _:
                assert_never(reading)
    return replace(first.hydration, snapshots=tuple(kept), unreadable=unreadable)


@dataclass(slots=True)
class Gathered:
    """The rooms and invites decoded so far; None for a room that must be read alone."""

    me: UserId
    rooms: dict[RoomId, RoomSnapshot | None] = field(default_factory=dict)
    invites: list[Invite] = field(default_factory=list)
    malformed: Malformed = field(default_factory=Malformed)

    def add_window(self, window: Window) -> bool:
        """Decode a sliding-sync window. Returns whether it has shown any new room.

        A window begins with the room that has the newest event, so its end has the oldest invite.
        """
        before = len(self.rooms)
        for key, raw in reversed(window.rooms.items()):
            self.read(RoomId(intern(key)), raw, reading_of_window)
        return len(self.rooms) > before

    def read(self, room_id: RoomId, raw: msgspec.Raw, decode: Decode) -> None:
        """Decode a room and keep it. Only a marker decides about one with uncounted members."""
        try:
            it = decode(room_id, raw, self.me)
        except UNDECODABLE:
            self._note_undecodable(room_id)
            return
        match it:
            case Reading(snapshot, malformed, is_counted):
                decided = is_counted or snapshot.marker is not None
                self.rooms[snapshot.room_id] = snapshot if decided else None
                self.malformed.add(malformed, snapshot.room_id)
            case InviteReading(invite, malformed):
                self.invites.append(invite)
                self.malformed.add(malformed, invite.room_id)
            case _:
                assert_never(it)

    def _note_undecodable(self, room_id: RoomId) -> None:
        self.rooms[room_id] = None
        odd = Malformed()
        odd.note("room")
        self.malformed.add(odd, room_id)

    def outcome(self, position: str, joined: Iterable[RoomId]) -> FirstReading:
        """What was read from this position on. Rooms that no answer has shown are read again."""
        doubtful = frozenset(joined) ^ self.rooms.keys()
        snapshots = tuple(
            it for it in self.rooms.values() if it is not None and it.room_id not in doubtful
        )
        sufficient = {it.room_id for it in snapshots if not _needs_members(it, self.me)}
        return FirstReading(
            Hydration(
                position,
                snapshots,
                tuple(self.invites),
                malformed=self.malformed.count,
                malformed_at=tuple(self.malformed.places),
            ),
            read_again=frozenset(self.rooms.keys() - sufficient) | doubtful,
        )


def _needs_members(snapshot: RoomSnapshot, me: UserId) -> bool:
    """Whether only a member list can show the owner of the room, or its creation is unknown."""
    if snapshot.creator is None:
        return True
    perhaps_created = snapshot.creator == me or snapshot.predecessor is not None
    unmarked_space = snapshot.is_space and perhaps_created and snapshot.marker is None
    ownerless = unmarked_space or snapshot.marker_fault is not None
    return ownerless and not snapshot.others and snapshot.member_count > 1


def _filter(room: dict[str, object], account_data: Mapping[str, object] = _NOTHING) -> str:
    return msgspec.json.encode(
        {
            "room": {**room, "ephemeral": _NOTHING, "account_data": _NOTHING},
            "presence": _NOTHING,
            "account_data": account_data,
        }
    ).decode()
