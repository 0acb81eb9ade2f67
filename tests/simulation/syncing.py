"""What `/sync` and `/messages` answer, read from the simulated server's event stream."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from actors.model import MARKER_TYPE, InboundMessage, Instance, Invite, RoomId, UserId
from actors.ports import Gap, HomeserverRefused, RoomDelta, SyncDelta
from tests.simulation.events import Event
from tests.simulation.reading import read_message, read_snapshot
from tests.simulation.room import SimulatedRoom
from tests.simulation.server import SimulatedServer

SNAPSHOT_TYPES: Final = frozenset({
    "m.room.create",
    "m.room.member",
    "m.room.name",
    "m.room.tombstone",
    "m.space.child",
    "m.space.parent",
    MARKER_TYPE,
})  # fmt: skip


def read_delta(
    server: SimulatedServer, me: UserId, since: int, instance: Instance | None = None
) -> SyncDelta:
    """What happened after a position in the rooms of `me`; `instance` announced itself."""
    by_room: dict[RoomId, list[Event]] = {}
    for event in server.events[since:]:
        by_room.setdefault(event.room_id, []).append(event)
    rooms: list[RoomDelta] = []
    invites: list[Invite] = []
    left: list[RoomId] = []
    malformed = 0
    for room_id, events in by_room.items():
        room = server.rooms[room_id]
        changes = [event for event in events if _is_own_member(event, me)]
        match room.membership(me), changes:
            case "join", _:
                newly_joined = bool(changes) and not _was_joined(changes[0])
                timeline = _timeline(
                    room, events, me, server.timeline_limit, newly_joined=newly_joined
                )
                rooms.append(timeline.delta)
                malformed += timeline.malformed
            case "invite", [*_, last]:
                invites.append(Invite(room_id, last.sender))
            case (("leave" | "ban"), [*_, _]) if (room_id, me) not in server.forgotten:
                left.append(room_id)
            case _:
                pass
    return SyncDelta(server.token(), tuple(rooms), tuple(invites), tuple(left), malformed, instance)


def has_news(delta: SyncDelta) -> bool:
    """Whether a sync that waits should answer with this."""
    return bool(
        delta.rooms or delta.invites or delta.left or delta.malformed or delta.instance is not None
    )


def read_gap(room: SimulatedRoom, me: UserId, token: str, stop_at: str, limit: int) -> Gap:
    """Others' messages among the last `limit` between the two tokens, since we last left."""
    start, end = _number(stop_at), _number(token)
    between = [event for event in room.timeline if start < event.position < end]
    since_left = _since_left(between, me)
    gap = _messages(since_left)
    messages, _ = _read(gap[max(0, len(gap) - limit) :], me)
    return Gap(messages, rejoined=len(since_left) < len(between))


@dataclass(frozen=True, slots=True)
class _Timeline:
    delta: RoomDelta
    malformed: int


def _timeline(
    room: SimulatedRoom, events: list[Event], me: UserId, limit: int, *, newly_joined: bool
) -> _Timeline:
    # A room that was joined just now comes with its latest messages, whenever they were sent,
    # and always counts as limited. Where we left meanwhile, all since the position is a gap.
    told = room.timeline if newly_joined else events
    departed = len(_since_left(told, me)) < len(told)
    candidates = _messages(told)
    shown = [] if departed else candidates[max(0, len(candidates) - limit) :]
    limited = newly_joined or departed or len(shown) < len(candidates)
    first = shown[0].position if shown else events[-1].position + 1
    messages, malformed = _read(shown, me)
    delta = RoomDelta(
        room_id=room.room_id,
        messages=messages,
        state_changed=limited
        or any(event.state_key is not None and event.type in SNAPSHOT_TYPES for event in events),
        gap_from=f"t_{first}" if limited else None,
        replacement=read_snapshot(room, me).replacement
        if any(event.type == "m.room.tombstone" for event in events)
        else None,
    )
    return _Timeline(delta, malformed)


def _since_left(timeline: list[Event], me: UserId) -> list[Event]:
    departures = [
        event.position
        for event in timeline
        if _is_own_member(event, me) and event.content.get("membership") in {"leave", "ban"}
    ]
    return [event for event in timeline if event.position > max(departures, default=0)]


def _messages(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if event.type == "m.room.message" and event.state_key is None]


def _read(events: Iterable[Event], me: UserId) -> tuple[tuple[InboundMessage, ...], int]:
    """The messages of other people, and how many are malformed."""
    read = [read_message(event) for event in events if event.sender != me]
    messages = tuple(message for message in read if message is not None)
    return messages, len(read) - len(messages)


def _is_own_member(event: Event, me: UserId) -> bool:
    return event.type == "m.room.member" and event.state_key == me


def _was_joined(change: Event) -> bool:
    """Whether we were in the room before this change of our own membership."""
    return (change.prev_content or {}).get("membership") == "join"


def _number(token: str) -> int:
    number = token.partition("_")[2].partition("~")[0]
    if not number.isdecimal():
        raise HomeserverRefused(400, "M_INVALID_PARAM", f"Bad token {token}")
    return int(number)
