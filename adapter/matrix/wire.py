"""Decodes the homeserver's JSON into the core's values. Pure.

Rooms and events are decoded one by one, so a malformed event loses only that event.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec

from actors.model import MARKER_TYPE, Instance, Invite, Marker, RoomId, RoomSnapshot, UserId
from actors.ports import RoomDelta, SyncDelta
from actors.rules.marker import is_user_id, owner_named, parse_marker
from adapter.matrix.bodies import (
    Event,
    InstanceData,
    InvitedRoom,
    JoinedRoom,
    SyncResponse,
    WindowRoom,
)
from adapter.matrix.errors import UNDECODABLE
from adapter.matrix.events import (
    MEMBER_TYPE,
    State,
    answered_in,
    changes_membership,
    changes_own_membership,
    decoded_events,
    room_id_in,
    state_of,
    text_in,
)
from adapter.matrix.timeline import inbound_messages

SNAPSHOT_TYPES: Final = (
    "m.room.create",
    "m.room.name",
    "m.space.child",
    "m.space.parent",
    "m.room.tombstone",
    MARKER_TYPE,
)
"""The state event types that a RoomSnapshot is made of, except membership."""

REDACTION_TYPE: Final = "m.room.redaction"
"""Empties another event. If that is a state event, no other event shows the change."""

_OTHERS_LIMIT: Final = 1000
_PRESENT: Final = ("join", "invite")
_SNAPSHOT_TYPES: Final = frozenset(SNAPSHOT_TYPES)


class UnreadableInvite(Exception):
    """An invite without a valid inviter."""


class People(NamedTuple):
    """Joined and invited members: their number, the bot included, and the first other members."""

    member_count: int
    others: tuple[UserId, ...]


class Reading(NamedTuple):
    """A room's snapshot, and the number of its events that could not be decoded."""

    snapshot: RoomSnapshot
    malformed: int


_joined_decoder: Final = msgspec.json.Decoder(JoinedRoom)
_window_decoder: Final = msgspec.json.Decoder(WindowRoom)
_invited_decoder: Final = msgspec.json.Decoder(InvitedRoom)

_instance_decoder: Final = msgspec.json.Decoder(InstanceData)


def reading_of_joined(room_id: RoomId, raw: msgspec.Raw, me: UserId) -> Reading:
    """A room in the `join` section of an initial sync. Raises one of UNDECODABLE."""
    room = _joined_decoder.decode(raw)
    events, malformed = decoded_events([*room.state.events, *room.timeline.events])
    people = _people_of_summary(room.summary.heroes, room.summary.joined, room.summary.invited, me)
    return Reading(_snapshot(room_id, state_of(events), people, me), malformed)


def reading_of_window(room_id: RoomId, raw: msgspec.Raw, me: UserId) -> Reading | Invite:
    """A room in a sliding-sync window. Raises one of UNDECODABLE, or UnreadableInvite."""
    room = _window_decoder.decode(raw)
    if room.invite_state is not None:
        return _invite(room_id, room.invite_state, me)
    events, malformed = decoded_events(room.required_state)
    heroes = [hero.user_id for hero in room.heroes or ()]
    people = _people_of_summary(heroes, room.joined_count, room.invited_count, me)
    return Reading(_snapshot(room_id, state_of(events), people, me), malformed)


def reading_of_state(room_id: RoomId, events: Iterable[msgspec.Raw], me: UserId) -> Reading:
    """A room from its whole state, including members."""
    decoded, malformed = decoded_events(events)
    state = state_of(decoded)
    return Reading(_snapshot(room_id, state, _people_of_members(state, me), me), malformed)


def membership_in(events: Iterable[msgspec.Raw], user_id: UserId) -> str:
    """A user's membership according to a room's state; empty if the state has none."""
    state = state_of(decoded_events(events)[0])
    event = state.get((MEMBER_TYPE, user_id))
    return (text_in(event.content, "membership") or "") if event else ""


def delta_of(response: SyncResponse, me: UserId) -> SyncDelta:
    """Decode a live sync."""
    rooms: list[RoomDelta] = []
    invites, malformed = invites_of(response, me)
    for room_id, raw in response.rooms.join.items():
        try:
            room = _joined_decoder.decode(raw)
        except UNDECODABLE:
            malformed += 1
            continue
        delta, bad = _room_delta(RoomId(room_id), room, me, response.next_batch)
        rooms.append(delta)
        malformed += bad
    return SyncDelta(
        next_batch=response.next_batch,
        rooms=tuple(rooms),
        invites=invites,
        left=tuple(RoomId(room_id) for room_id in response.rooms.leave),
        malformed=malformed,
        instance=_instance(response.account_data.events),
    )


def invites_of(response: SyncResponse, me: UserId) -> tuple[tuple[Invite, ...], int]:
    """The pending invites, and the number of invites that could not be decoded."""
    invites: list[Invite] = []
    for room_id, raw in response.rooms.invite.items():
        with suppress(UnreadableInvite, *UNDECODABLE):
            events = _invited_decoder.decode(raw).invite_state.events
            invites.append(_invite(RoomId(room_id), events, me))
    return tuple(invites), len(response.rooms.invite) - len(invites)


def _instance(account_data: Iterable[msgspec.Raw]) -> Instance | None:
    """The instance that announced itself last. Data in an unknown format is ignored."""
    found: Instance | None = None
    for raw in account_data:
        with suppress(*UNDECODABLE):
            found = _instance_decoder.decode(raw).content
    return found


def _room_delta(
    room_id: RoomId, room: JoinedRoom, me: UserId, next_batch: str
) -> tuple[RoomDelta, int]:
    """The delta of a room, and the number of its events that could not be decoded.

    The timeline of a room that the bot has just joined includes earlier messages, which are not for
    the bot. It does not show whether the bot left the room since the previous position, so
    everything since then becomes a gap.
    """
    state, bad_state = decoded_events(room.state.events)
    timeline, bad_timeline = decoded_events(room.timeline.events)
    joined = any(changes_own_membership(event, me) for event in timeline)
    delta = RoomDelta(
        room_id=room_id,
        messages=() if joined else inbound_messages(room_id, timeline, me),
        state_changed=room.timeline.limited or any(map(_changes_state, [*state, *timeline])),
        gap_from=next_batch if joined else _gap_from(room),
        replacement=_replacement(state_of([*state, *timeline])),
        answered=answered_in(timeline, me),
    )
    return delta, bad_state + bad_timeline


def _gap_from(room: JoinedRoom) -> str | None:
    return room.timeline.prev_batch if room.timeline.limited else None


def _changes_state(event: Event) -> bool:
    if event.state_key is None:
        return event.type == REDACTION_TYPE
    return event.type in _SNAPSHOT_TYPES or (
        event.type == MEMBER_TYPE and changes_membership(event)
    )


def _snapshot(room_id: RoomId, state: State, people: People, me: UserId) -> RoomSnapshot:
    create = state.get(("m.room.create", ""))
    origin = create.content if create else {}
    marker, fault, possible_owner = _marker(state, me)
    return RoomSnapshot(
        room_id=room_id,
        creator=UserId(create.sender) if create else None,
        created_ts=create.origin_server_ts if create else 0,
        room_version=text_in(origin, "room_version") or "1",
        is_space=origin.get("type") == "m.space",
        predecessor=_predecessor(origin),
        name=_name(state),
        marker=marker,
        marker_fault=fault,
        possible_owner=possible_owner,
        tombstoned=("m.room.tombstone", "") in state,
        replacement=_replacement(state),
        children=_linked(state, "m.space.child", None),
        parents=_linked(state, "m.space.parent", me),
        others=people.others,
        member_count=people.member_count,
    )


def _marker(state: State, me: UserId) -> tuple[Marker | None, str | None, UserId | None]:
    """The marker; or the reason why it is unreadable, and the owner that it names."""
    event = state.get((MARKER_TYPE, me))
    if event is None or event.sender != me or not event.content:
        return None, None, None
    parsed = parse_marker(event.content)
    if isinstance(parsed, str):
        return None, parsed, owner_named(event.content)
    return parsed, None, None


def _name(state: State) -> str | None:
    event = state.get(("m.room.name", ""))
    return text_in(event.content, "name") if event else None


def _replacement(state: State) -> RoomId | None:
    tombstone = state.get(("m.room.tombstone", ""))
    return room_id_in(tombstone.content, "replacement_room") if tombstone else None


def _predecessor(origin: Mapping[str, object]) -> RoomId | None:
    predecessor = origin.get("predecessor")
    return room_id_in(predecessor, "room_id") if isinstance(predecessor, dict) else None


def _linked(state: State, event_type: str, sender: UserId | None) -> frozenset[RoomId]:
    """The rooms that events of this type link with a `via`: by `sender`, or by any for None."""
    return frozenset(
        RoomId(state_key)
        for (kind, state_key), event in state.items()
        if kind == event_type
        and sender in {None, event.sender}
        and state_key.startswith("!")
        and isinstance(via := event.content.get("via"), list)
        and via
    )


def _people_of_summary(
    heroes: Iterable[str] | None, joined: int | None, invited: int | None, me: UserId
) -> People:
    """Members from a summary. Heroes of an emptied room have left, so the count limits them."""
    others = [UserId(hero) for hero in heroes or () if hero != me and is_user_id(hero)]
    count = 1 + len(others) if joined is None else max(joined + (invited or 0), 1)
    return People(count, tuple(others[: min(count - 1, _OTHERS_LIMIT)]))


def _people_of_members(state: State, me: UserId) -> People:
    others = [
        UserId(user_id)
        for (kind, user_id), event in state.items()
        if kind == MEMBER_TYPE and event.content.get("membership") in _PRESENT and user_id != me
    ]
    return People(1 + len(others), tuple(others[:_OTHERS_LIMIT]))


def _invite(room_id: RoomId, events: Iterable[msgspec.Raw], me: UserId) -> Invite:
    event = state_of(decoded_events(events)[0]).get((MEMBER_TYPE, me))
    if event is None or event.content.get("membership") != "invite":
        raise UnreadableInvite
    if not is_user_id(event.sender):
        raise UnreadableInvite
    return Invite(room_id, UserId(event.sender))
