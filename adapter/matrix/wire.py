"""Decodes the homeserver's JSON into the core's values. Pure.

Rooms and events are decoded one by one, so an odd part of one costs that part only. Ids that stand
in many rooms are kept once (`intern`).
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from sys import intern
from typing import Final, NamedTuple

import msgspec

from actors.model import (
    MARKER_TYPE,
    SETTINGS_TYPE,
    ChatSettings,
    Instance,
    Invite,
    Marker,
    RoomId,
    SpaceSettings,
    UserId,
)
from actors.ports import RoomDelta, SyncDelta
from actors.rules.marker import is_user_id, owner_named, parse_marker
from actors.rules.setting_values import parse_settings, parse_space_settings
from actors.snapshots import RoomSnapshot
from adapter.matrix.bodies import (
    Event,
    InstanceData,
    InvitedRoom,
    JoinedRoom,
    Summary,
    SyncResponse,
    WindowRoom,
)
from adapter.matrix.entry import with_entry
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
from adapter.matrix.lenient import UNDECODABLE, Decoder, Malformed
from adapter.matrix.saying import names_in, said_in
from adapter.matrix.timeline import REDACTION_TYPE, inbound_messages, is_nameless

ENCRYPTION_TYPE: Final = "m.room.encryption"
SNAPSHOT_TYPES: Final = (
    "m.room.create",
    "m.room.name",
    "m.space.child",
    "m.space.parent",
    "m.room.tombstone",
    ENCRYPTION_TYPE,
    MARKER_TYPE,
    SETTINGS_TYPE,
)
"""The state event types that a RoomSnapshot is made of, except membership."""

_NEEDED: Final = frozenset({"event", "event_id", "content"})
"""The places of odd parts with which an event may be no message any more."""
_OTHERS_LIMIT: Final = 1000
_NO_ROOMS: Final = frozenset[RoomId]()
"""An empty set takes 216 bytes, so all rooms share one."""
_PRESENT: Final = ("join", "invite")
_SNAPSHOT_TYPES: Final = frozenset(SNAPSHOT_TYPES)


class People(NamedTuple):
    """Joined and invited members: their number, the bot included, and the first other members."""

    member_count: int
    others: tuple[UserId, ...]


class Reading(NamedTuple):
    """A room's snapshot, and what was left out of it.

    `is_counted` is false if the number of the room's members is unknown.
    """

    snapshot: RoomSnapshot
    malformed: Malformed
    is_counted: bool = True


class InviteReading(NamedTuple):
    """An invite, and what was left out of it."""

    invite: Invite
    malformed: Malformed


_joined_decoder: Final = Decoder(JoinedRoom)
_window_decoder: Final = Decoder(WindowRoom)
_invited_decoder: Final = Decoder(InvitedRoom)
_stripped_decoder: Final = Decoder(list[msgspec.Raw])
_instance_decoder: Final = Decoder(InstanceData)


def reading_of_joined(room_id: RoomId, raw: msgspec.Raw, me: UserId) -> Reading:
    """A room in the `join` section of an initial sync. Raises one of UNDECODABLE."""
    malformed = Malformed()
    room = _joined_decoder.decode(raw, malformed)
    summary = room.summary or Summary(joined=None)
    is_counted = summary.joined is not None and not malformed.count
    events, bad = decoded_events([*room.state.events, *room.timeline.events])
    malformed.add(bad)
    people = _people_of_summary(summary.heroes, summary.joined, summary.invited, me)
    return Reading(_snapshot(room_id, state_of(events), people, me), malformed, is_counted)


def reading_of_window(room_id: RoomId, raw: msgspec.Raw, me: UserId) -> Reading | InviteReading:
    """A room in a sliding-sync window. Raises one of UNDECODABLE."""
    malformed = Malformed()
    room = _window_decoder.decode(raw, malformed)
    if room.invite_state is not msgspec.UNSET:
        return _invite_reading(room_id, room.invite_state, me)
    is_counted = room.joined_count is not None and not malformed.count
    events, bad = decoded_events(room.required_state)
    malformed.add(bad)
    heroes = [hero.user_id for hero in room.heroes or ()]
    people = _people_of_summary(heroes, room.joined_count, room.invited_count, me)
    return Reading(_snapshot(room_id, state_of(events), people, me), malformed, is_counted)


def reading_of_state(room_id: RoomId, events: Iterable[msgspec.Raw], me: UserId) -> Reading:
    """A room from its whole state, including members."""
    decoded, malformed = decoded_events(events)
    state = state_of(decoded)
    seen = _snapshot(room_id, state, _people_of_members(state, me), me)
    return Reading(with_entry(seen, state, me), malformed)


def inviter_in(newest_first: Iterable[msgspec.Raw], me: UserId) -> UserId | None:
    """The sender of the latest invite to the bot in a page of `/messages`."""
    for event in decoded_events(newest_first)[0]:
        is_own = (event.type, event.state_key) == (MEMBER_TYPE, me)
        if is_own and event.content.get("membership") == "invite" and is_user_id(event.sender):
            return UserId(event.sender)
    return None


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
        room, odd = _joined_room(raw)
        delta, bad = _room_delta(
            RoomId(room_id), room, me, response.next_batch, is_whole=not odd.count
        )
        rooms.append(delta)
        malformed.add(odd, room_id)
        malformed.add(bad, room_id)
    return SyncDelta(
        next_batch=response.next_batch,
        rooms=tuple(rooms),
        invites=invites,
        left=tuple(RoomId(room_id) for room_id in response.rooms.leave),
        malformed=malformed.count,
        malformed_at=tuple(malformed.places),
        instance=_instance(response.account_data.events),
    )


def invites_of(response: SyncResponse, me: UserId) -> tuple[tuple[Invite, ...], Malformed]:
    """The pending invites, and what was left out of them."""
    malformed = Malformed()
    invites: list[Invite] = []
    for room_id, raw in response.rooms.invite.items():
        odd = Malformed()
        try:
            events = _invited_decoder.decode(raw, odd).invite_state.events
        except UNDECODABLE:
            events = []
            odd.note("invite")
        invites.append(_invite(RoomId(room_id), events, me, odd))
        malformed.add(odd, room_id)
    return tuple(invites), malformed


def _joined_room(raw: msgspec.Raw) -> tuple[JoinedRoom, Malformed]:
    """A room of a live sync, and which of its sections are odd."""
    odd = Malformed()
    try:
        return _joined_decoder.decode(raw, odd), odd
    except UNDECODABLE:
        odd.note("room")
        return JoinedRoom(), odd


def _invite_reading(room_id: RoomId, raw: msgspec.Raw, me: UserId) -> InviteReading:
    odd = Malformed()
    try:
        events = _stripped_decoder.decode(raw, odd)
    except UNDECODABLE:
        events = []
        odd.note("invite_state")
    return InviteReading(_invite(room_id, events, me, odd), odd)


def _instance(account_data: Iterable[msgspec.Raw]) -> Instance | None:
    """The instance that announced itself last. Data in an unknown format is ignored."""
    found: Instance | None = None
    for raw in account_data:
        with suppress(*UNDECODABLE):
            found = _instance_decoder.decode(raw, Malformed()).content
    return found


def _room_delta(
    room_id: RoomId, room: JoinedRoom, me: UserId, next_batch: str, *, is_whole: bool
) -> tuple[RoomDelta, Malformed]:
    """The delta of a room, and what was left out of its events.

    The timeline of a room that the bot has just joined includes earlier messages, which are not for
    the bot. It does not show whether the bot left the room since the previous position, so
    everything since then becomes a gap. The same holds for a room with an odd section or event,
    because messages may have stood there, and the homeserver may show them when asked again.
    """
    state, malformed = decoded_events(room.state.events)
    timeline, bad = decoded_events(room.timeline.events)
    for event in timeline:
        if is_nameless(event):
            bad.note("event_id")
    malformed.add(bad)
    is_whole = is_whole and _NEEDED.isdisjoint(bad.places)
    joined = any(changes_own_membership(event, me) for event in timeline)
    limited = room.timeline.limited or not is_whole
    delta = RoomDelta(
        room_id=room_id,
        messages=() if joined else inbound_messages(room_id, timeline, me),
        state_changed=limited or any(map(_changes_state, [*state, *timeline])),
        gap_from=_gap_from(room, next_batch, everything=joined or not is_whole),
        replacement=_replacement(state_of([*state, *timeline])),
        answered=answered_in(timeline, me),
        said=() if joined else said_in(timeline, me),
        names=names_in([*state, *timeline]),
    )
    return delta, malformed


def _gap_from(room: JoinedRoom, next_batch: str, *, everything: bool) -> str | None:
    """Where the missing messages end. Without a `prev_batch`, the whole response is missing."""
    if everything:
        return next_batch
    return (room.timeline.prev_batch or next_batch) if room.timeline.limited else None


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
        encrypted=(ENCRYPTION_TYPE, "") in state,
        creator=UserId(intern(create.sender)) if create else None,
        created_ts=create.origin_server_ts if create else 0,
        room_version=intern(text_in(origin, "room_version") or "1"),
        is_space=(is_space := origin.get("type") == "m.space"),
        predecessor=_predecessor(origin),
        name=_name(state),
        marker=marker,
        marker_fault=fault,
        settings=_settings(state, me),
        space_settings=_space_settings(state, me) if is_space else None,
        own_name=(name := state.get(("m.room.name", ""))) is not None and name.sender == me,
        possible_owner=possible_owner,
        tombstoned=("m.room.tombstone", "") in state,
        replacement=_replacement(state),
        children=(children := _linked(state, "m.space.child", None)),
        is_ordered=all(text_in(state["m.space.child", it].content, "order") for it in children),
        parents=_linked(state, "m.space.parent", me),
        others=people.others,
        member_count=people.member_count,
    )


def _marker(state: State, me: UserId) -> tuple[Marker | None, str | None, UserId | None]:
    """The marker; or the reason why it is unreadable, and the owner that it names."""
    content = _own_content(state, MARKER_TYPE, me)
    if not content:
        return None, None, None
    parsed = parse_marker(content)
    if isinstance(parsed, str):
        return None, parsed, owner_named(content)
    return parsed, None, None


def _settings(state: State, me: UserId) -> ChatSettings | None:
    content = _own_content(state, SETTINGS_TYPE, me)
    return parse_settings(content) if content else None


def _space_settings(state: State, me: UserId) -> SpaceSettings | None:
    content = _own_content(state, SETTINGS_TYPE, me)
    return parse_space_settings(content) if content else None


def _own_content(state: State, kind: str, me: UserId) -> Mapping[str, object]:
    """The content of the bot's own event of a type; empty if it is redacted or absent.

    Both state key and sender are the bot.
    """
    event = state.get((kind, me))
    return event.content if event is not None and event.sender == me else {}


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
    linked = frozenset(
        RoomId(intern(state_key))
        for (kind, state_key), event in state.items()
        if kind == event_type
        and sender in {None, event.sender}
        and state_key.startswith("!")
        and isinstance(via := event.content.get("via"), list)
        and via
    )
    return linked or _NO_ROOMS


def _people_of_summary(
    heroes: Iterable[str] | None,
    joined: int | msgspec.UnsetType | None,
    invited: int | None,
    me: UserId,
) -> People:
    """Members from a summary. Heroes of an emptied room have left, so the count limits them."""
    others = [UserId(hero) for hero in heroes or () if hero != me and is_user_id(hero)]
    count = 1 + len(others)
    if isinstance(joined, int):
        count = max(joined + (invited or 0), 1)
    return People(count, tuple(others[: min(count - 1, _OTHERS_LIMIT)]))


def _people_of_members(state: State, me: UserId) -> People:
    others = [
        UserId(user_id)
        for (kind, user_id), event in state.items()
        if kind == MEMBER_TYPE and event.content.get("membership") in _PRESENT and user_id != me
    ]
    return People(1 + len(others), tuple(others[:_OTHERS_LIMIT]))


def _invite(
    room_id: RoomId, events: Iterable[msgspec.Raw], me: UserId, malformed: Malformed
) -> Invite:
    """An invite. The sender of the bot's own member event is the inviter.

    No other stripped event says reliably who has invited the bot.
    """
    decoded, bad = decoded_events(events)
    malformed.add(bad)
    event = state_of(decoded).get((MEMBER_TYPE, me))
    if event is None or (text_in(event.content, "membership") or "invite") != "invite":
        return Invite(room_id, me)
    return Invite(room_id, UserId(event.sender) if is_user_id(event.sender) else me)
