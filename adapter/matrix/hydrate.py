"""How every joined room is read at once: what is asked for, and what becomes of the answer. Pure.

Where the homeserver has simplified sliding sync, one window over all rooms brings their state and
the invites, several times faster than anything else; the position is taken before it, so that
overlap is possible and a gap is not. Elsewhere one filtered initial `/sync` brings everything.
Both count members but name them only in rooms without a name, so the rare rooms whose members
matter are read once more, one by one.
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, assert_never

import msgspec

from actors.model import INSTANCE_TYPE, MARKER_TYPE, Invite, RoomId, RoomSnapshot, UserId
from actors.ports import HomeserverRefused, HomeserverUnavailable, Hydration
from adapter.matrix.bodies import SyncResponse, Window
from adapter.matrix.errors import UNDECODABLE
from adapter.matrix.wire import (
    MEMBER_TYPE,
    MESSAGE_TYPES,
    REDACTION_TYPE,
    SNAPSHOT_TYPES,
    Reading,
    UnreadableInvite,
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
}
_ROOMS_LIMIT: Final = 10_000_000
_LIVE_TIMELINE_LIMIT: Final = 50
_NOTHING: Final[Mapping[str, object]] = {"types": []}


def hydration_filter(nonce: str) -> str:
    """The filter of the initial sync.

    Synapse keeps the answer to an initial sync for two minutes, by the filter's text among others:
    the nonce, in a room that can't exist, keeps a restart from getting a stale position. Our state
    types stand in both places, since a type that is missing in one can vanish from the other.
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
    """The filter of an initial sync that is after its position alone: no room is looked at.

    An empty list of rooms is what makes it cheap; the nonce is there as in `hydration_filter`.
    """
    return _filter({"rooms": [], "not_rooms": [f"!{nonce}:nonce.invalid"]})


def window_request(me: UserId) -> dict[str, object]:
    """The body of a sliding sync over every room, without any timeline."""
    everything = {"ranges": [[0, _ROOMS_LIMIT]], "timeline_limit": 0}
    state = [[kind, me if kind == MARKER_TYPE else _STATE_KEY[kind]] for kind in SNAPSHOT_TYPES]
    return {"conn_id": "hydrate", "lists": {"all": {**everything, "required_state": state}}}


def live_filter(nonce: str | None = None) -> str:
    """The filter of every later sync; with a nonce for one that must not be answered from memory.

    Members are left out of `state`, or joining a big room would bring all of them; a change of
    membership shows in the timeline, and a limited timeline counts as a change.
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
    """The filter of a gap: messages, and who came and went meanwhile."""
    return msgspec.json.encode({"types": [*MESSAGE_TYPES, MEMBER_TYPE]}).decode()


SecondReading: TypeAlias = RoomSnapshot | HomeserverRefused | HomeserverUnavailable
"""A room that was read again, or why it could not be."""


@dataclass(frozen=True, slots=True)
class FirstReading:
    """What the initial sync told, and the rooms that it did not tell enough of."""

    hydration: Hydration
    read_again: frozenset[RoomId]
    """Those that we may not be in are among them: we have just left or joined them, or were
    removed. A sliding-sync window shows rooms that we were removed from like any other."""


def first_reading(response: SyncResponse, joined: Iterable[RoomId], me: UserId) -> FirstReading:
    """Decode an initial sync. A room that is missing or undecodable is to be read again."""
    invites, malformed = invites_of(response, me)
    gathered = _Gathered(dict.fromkeys(map(RoomId, response.rooms.join)), list(invites), malformed)
    for room_id, raw in response.rooms.join.items():
        with suppress(*UNDECODABLE):
            gathered.add(reading_of_joined(RoomId(room_id), raw, me))
    return gathered.outcome(response.next_batch, joined, me)


def first_reading_of_window(
    window: Window, position: str, joined: Iterable[RoomId], me: UserId
) -> FirstReading:
    """The same of a sliding-sync window and the position that was taken before it."""
    gathered = _Gathered({}, [], 0)
    for key, raw in window.rooms.items():
        room_id = RoomId(key)
        try:
            gathered.add(reading_of_window(room_id, raw, me))
        except UnreadableInvite:
            gathered.malformed += 1
        except UNDECODABLE:
            gathered.rooms[room_id] = None
    return gathered.outcome(position, joined, me)


def complete(
    first: FirstReading, readings: Mapping[RoomId, SecondReading], joined: Collection[RoomId]
) -> Hydration:
    """Put the second readings in. `joined` was asked for after them: a refusal alone is no sign."""
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
class _Gathered:
    """What has been decoded so far: every room that was told of, with its snapshot if readable."""

    rooms: dict[RoomId, RoomSnapshot | None]
    invites: list[Invite]
    malformed: int

    def add(self, it: Reading | Invite) -> None:
        match it:
            case Reading(snapshot, malformed):
                self.rooms[snapshot.room_id] = snapshot
                self.malformed += malformed
            case Invite():
                self.invites.append(it)
            case _:
                assert_never(it)

    def outcome(self, position: str, joined: Iterable[RoomId], me: UserId) -> FirstReading:
        doubtful = frozenset(joined) ^ self.rooms.keys()
        snapshots = tuple(
            it for it in self.rooms.values() if it is not None and it.room_id not in doubtful
        )
        told_enough = {it.room_id for it in snapshots if not _needs_members(it, me)}
        return FirstReading(
            Hydration(position, snapshots, tuple(self.invites), malformed=self.malformed),
            read_again=frozenset(self.rooms.keys() - told_enough) | doubtful,
        )


def _needs_members(snapshot: RoomSnapshot, me: UserId) -> bool:
    """Whether only its members tell whose room of ours it is; or it seems to be nothing at all."""
    if snapshot.creator is None:
        return True
    perhaps_ours = snapshot.creator == me or snapshot.predecessor is not None
    unmarked_space = snapshot.is_space and perhaps_ours and snapshot.marker is None
    nobodys = unmarked_space or snapshot.marker_fault is not None
    return nobodys and not snapshot.others and snapshot.member_count > 1


def _filter(room: dict[str, object], account_data: Mapping[str, object] = _NOTHING) -> str:
    return msgspec.json.encode(
        {
            "room": {**room, "ephemeral": _NOTHING, "account_data": _NOTHING},
            "presence": _NOTHING,
            "account_data": account_data,
        }
    ).decode()
