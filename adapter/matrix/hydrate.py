"""How every joined room is read at once: the filters, and what becomes of the answer. Pure.

One filtered initial `/sync` brings each room's state, who waits with an invite, and the position
that goes with them. Its summaries count members but name them only in rooms without a name, so
the rare rooms whose members matter are read once more, one by one.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, assert_never

import msgspec

from actors.model import RoomId, RoomSnapshot, UserId
from actors.ports import HomeserverRefused, HomeserverUnavailable, Hydration
from adapter.matrix.bodies import SyncResponse
from adapter.matrix.errors import UNDECODABLE
from adapter.matrix.wire import (
    MEMBER_TYPE,
    MESSAGE_TYPE,
    SNAPSHOT_TYPES,
    invites_of,
    reading_of_joined,
)

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


def live_filter() -> str:
    """The filter of every later sync.

    Members are left out of `state`, or joining a big room would bring all of them; a change of
    membership shows in the timeline, and a limited timeline counts as a change.
    """
    types = list(SNAPSHOT_TYPES)
    return _filter(
        {
            "state": {"types": types},
            "timeline": {
                "types": [MESSAGE_TYPE, MEMBER_TYPE, *types],
                "limit": _LIVE_TIMELINE_LIMIT,
            },
        }
    )


def messages_filter() -> str:
    """The filter of a gap: messages and nothing else."""
    return msgspec.json.encode({"types": [MESSAGE_TYPE]}).decode()


SecondReading: TypeAlias = RoomSnapshot | HomeserverRefused | HomeserverUnavailable
"""A room that was read again, or why it could not be."""


@dataclass(frozen=True, slots=True)
class FirstReading:
    """What the initial sync told, and the rooms that it did not tell enough of."""

    hydration: Hydration
    read_again: frozenset[RoomId]
    untold: frozenset[RoomId]
    """Those of them that it did not mention at all."""


def first_reading(response: SyncResponse, joined: Iterable[RoomId], me: UserId) -> FirstReading:
    """Decode an initial sync. A joined room that is missing or undecodable is to be read again."""
    snapshots: dict[RoomId, RoomSnapshot] = {}
    told = frozenset(map(RoomId, response.rooms.join))
    invites, malformed = invites_of(response, me)
    for room_id in told:
        with suppress(*UNDECODABLE):
            snapshots[room_id], bad = reading_of_joined(room_id, response.rooms.join[room_id], me)
            malformed += bad
    complete_rooms = {room_id for room_id, it in snapshots.items() if not _needs_members(it, me)}
    untold = frozenset(joined) - told
    return FirstReading(
        Hydration(response.next_batch, tuple(snapshots.values()), invites, malformed=malformed),
        read_again=(told - complete_rooms) | untold,
        untold=untold,
    )


def complete(first: FirstReading, readings: Mapping[RoomId, SecondReading]) -> Hydration:
    """Put the second readings in. An untold room that refuses us is one that we have just left."""
    kept = [it for it in first.hydration.snapshots if it.room_id not in readings]
    unreadable: dict[RoomId, str] = {}
    for room_id, reading in readings.items():
        match reading:
            case RoomSnapshot():
                kept.append(reading)
            case HomeserverRefused() if room_id in first.untold:
                pass
            case HomeserverRefused() | HomeserverUnavailable():
                unreadable[room_id] = str(reading)
            case _:
                assert_never(reading)
    return replace(first.hydration, snapshots=tuple(kept), unreadable=unreadable)


def _needs_members(snapshot: RoomSnapshot, me: UserId) -> bool:
    """Whether only its members tell whose Space of ours it is; or it seems to be nothing at all."""
    if snapshot.creator is None:
        return True
    unmarked = snapshot.marker is None and snapshot.marker_fault is None
    return (
        unmarked
        and snapshot.is_space
        and snapshot.creator == me
        and not snapshot.others
        and snapshot.member_count > 1
    )


def _filter(room: dict[str, object]) -> str:
    return msgspec.json.encode(
        {
            "room": {**room, "ephemeral": _NOTHING, "account_data": _NOTHING},
            "presence": _NOTHING,
            "account_data": _NOTHING,
        }
    ).decode()
