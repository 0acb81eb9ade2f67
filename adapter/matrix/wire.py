"""Decodes the homeserver's JSON into the core's values. Pure.

Rooms and events are decoded one by one, so a malformed event loses only that event.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec

from actors.model import (
    ENCRYPTED_TYPE,
    MARKER_TYPE,
    EventId,
    InboundMessage,
    Instance,
    Invite,
    Marker,
    RoomId,
    RoomSnapshot,
    UserId,
)
from actors.ports import RoomDelta, SyncDelta
from actors.rules.marker import is_user_id, owner_named, parse_marker
from adapter.matrix.bodies import (
    Event,
    InstanceData,
    InvitedRoom,
    JoinedRoom,
    Membership,
    SyncResponse,
    WindowRoom,
)
from adapter.matrix.entry import with_entry
from adapter.matrix.errors import UNDECODABLE

ENCRYPTION_TYPE: Final = "m.room.encryption"
SNAPSHOT_TYPES: Final = (
    "m.room.create",
    "m.room.name",
    "m.space.child",
    "m.space.parent",
    "m.room.tombstone",
    ENCRYPTION_TYPE,
    MARKER_TYPE,
)
"""The state event types that a RoomSnapshot is made of, except membership."""

MEMBER_TYPE: Final = "m.room.member"
MESSAGE_TYPE: Final = "m.room.message"
MESSAGE_TYPES: Final = (
    MESSAGE_TYPE,
    ENCRYPTED_TYPE,
    "m.sticker",
    "m.poll.start",
    "org.matrix.msc3381.poll.start",
)
"""Event types of messages. The bot answers an unsupported type with a line that says so."""

REDACTION_TYPE: Final = "m.room.redaction"
"""Empties another event. If that is a state event, no other event shows the change."""

_OTHERS_LIMIT: Final = 1000
_GONE: Final = ("leave", "ban")
_PRESENT: Final = ("join", "invite")
_SNAPSHOT_TYPES: Final = frozenset(SNAPSHOT_TYPES)


class UnreadableInvite(Exception):
    """An invite without a valid inviter."""


class People(NamedTuple):
    """Joined and invited members: their number, the bot included, and the first other members."""

    member_count: int
    others: tuple[UserId, ...]


class PastMessages(NamedTuple):
    """Messages since the bot's latest join, newest first.

    `joined`: the page contains that join, so earlier messages do not count. `departed`: the page
    also shows that the bot left the room.
    """

    messages: tuple[InboundMessage, ...]
    joined: bool
    departed: bool


class Reading(NamedTuple):
    """A room's snapshot, and the number of its events that could not be decoded."""

    snapshot: RoomSnapshot
    malformed: int


_event_decoder: Final = msgspec.json.Decoder(Event)
_joined_decoder: Final = msgspec.json.Decoder(JoinedRoom)
_window_decoder: Final = msgspec.json.Decoder(WindowRoom)
_invited_decoder: Final = msgspec.json.Decoder(InvitedRoom)
_membership_decoder: Final = msgspec.json.Decoder(Membership)

_instance_decoder: Final = msgspec.json.Decoder(InstanceData)

_State = dict[tuple[str, str], Event]


def reading_of_joined(room_id: RoomId, raw: msgspec.Raw, me: UserId) -> Reading:
    """A room in the `join` section of an initial sync. Raises one of UNDECODABLE."""
    room = _joined_decoder.decode(raw)
    events, malformed = _decoded([*room.state.events, *room.timeline.events])
    people = _people_of_summary(room.summary.heroes, room.summary.joined, room.summary.invited, me)
    return Reading(_snapshot(room_id, _state_of(events), people, me), malformed)


def reading_of_window(room_id: RoomId, raw: msgspec.Raw, me: UserId) -> Reading | Invite:
    """A room in a sliding-sync window. Raises one of UNDECODABLE, or UnreadableInvite."""
    room = _window_decoder.decode(raw)
    if room.invite_state is not None:
        return _invite(room_id, room.invite_state, me)
    events, malformed = _decoded(room.required_state)
    heroes = [hero.user_id for hero in room.heroes or ()]
    people = _people_of_summary(heroes, room.joined_count, room.invited_count, me)
    return Reading(_snapshot(room_id, _state_of(events), people, me), malformed)


def reading_of_state(room_id: RoomId, events: Iterable[msgspec.Raw], me: UserId) -> Reading:
    """A room from its whole state, including members."""
    decoded, malformed = _decoded(events)
    state = _state_of(decoded)
    seen = _snapshot(room_id, state, _people_of_members(state, me), me)
    return Reading(with_entry(seen, state, me), malformed)


def membership_in(events: Iterable[msgspec.Raw], user_id: UserId) -> str:
    """A user's membership according to a room's state; empty if the state has none."""
    state = _state_of(_decoded(events)[0])
    event = state.get((MEMBER_TYPE, user_id))
    return (_text(event.content, "membership") or "") if event else ""


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


def messages_of(room_id: RoomId, newest_first: Iterable[msgspec.Raw], me: UserId) -> PastMessages:
    """The messages to the bot in a page of `/messages`, in the order of the page."""
    events = _decoded(newest_first)[0]
    own = [index for index, event in enumerate(events) if _changes_own_membership(event, me)]
    departed = any(events[index].content.get("membership") in _GONE for index in own)
    since_join = events[: own[0]] if own else events
    return PastMessages(_messages(room_id, since_join, me), bool(own), departed)


def _room_delta(
    room_id: RoomId, room: JoinedRoom, me: UserId, next_batch: str
) -> tuple[RoomDelta, int]:
    """The delta of a room, and the number of its events that could not be decoded.

    The timeline of a room that the bot has just joined includes earlier messages, which are not for
    the bot. It does not show whether the bot left the room since the previous position, so
    everything since then becomes a gap.
    """
    state, bad_state = _decoded(room.state.events)
    timeline, bad_timeline = _decoded(room.timeline.events)
    joined = any(_changes_own_membership(event, me) for event in timeline)
    delta = RoomDelta(
        room_id=room_id,
        messages=() if joined else _messages(room_id, timeline, me),
        state_changed=room.timeline.limited or any(map(_changes_state, [*state, *timeline])),
        gap_from=next_batch if joined else _gap_from(room),
        replacement=_replacement(_state_of([*state, *timeline])),
    )
    return delta, bad_state + bad_timeline


def _gap_from(room: JoinedRoom) -> str | None:
    return room.timeline.prev_batch if room.timeline.limited else None


def _changes_own_membership(event: Event, me: UserId) -> bool:
    """Whether the bot's membership changes. In a joined room, the last such event is its join."""
    return (event.type, event.state_key) == (MEMBER_TYPE, me) and _changes_membership(event)


def _changes_state(event: Event) -> bool:
    if event.state_key is None:
        return event.type == REDACTION_TYPE
    return event.type in _SNAPSHOT_TYPES or (
        event.type == MEMBER_TYPE and _changes_membership(event)
    )


def _changes_membership(event: Event) -> bool:
    """Whether a member event changes more than a display name or picture."""
    if event.unsigned is None:
        return True
    try:
        before = _membership_decoder.decode(event.unsigned.prev_content)
    except UNDECODABLE:
        return True
    return before.membership != event.content.get("membership")


def _decoded(events: Iterable[msgspec.Raw]) -> tuple[list[Event], int]:
    decoded: list[Event] = []
    malformed = 0
    for raw in events:
        try:
            decoded.append(_event_decoder.decode(raw))
        except UNDECODABLE:
            malformed += 1
    return decoded, malformed


def _state_of(events: Iterable[Event]) -> _State:
    """The state after these events. The last event of a type and key wins."""
    return {(event.type, event.state_key): event for event in events if event.state_key is not None}


def _snapshot(room_id: RoomId, state: _State, people: People, me: UserId) -> RoomSnapshot:
    create = state.get(("m.room.create", ""))
    origin = create.content if create else {}
    marker, fault, possible_owner = _marker(state, me)
    return RoomSnapshot(
        room_id=room_id,
        encrypted=(ENCRYPTION_TYPE, "") in state,
        creator=UserId(create.sender) if create else None,
        created_ts=create.origin_server_ts if create else 0,
        room_version=_text(origin, "room_version") or "1",
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


def _marker(state: _State, me: UserId) -> tuple[Marker | None, str | None, UserId | None]:
    """The marker; or the reason why it is unreadable, and the owner that it names."""
    event = state.get((MARKER_TYPE, me))
    if event is None or event.sender != me or not event.content:
        return None, None, None
    parsed = parse_marker(event.content)
    if isinstance(parsed, str):
        return None, parsed, owner_named(event.content)
    return parsed, None, None


def _name(state: _State) -> str | None:
    event = state.get(("m.room.name", ""))
    return _text(event.content, "name") if event else None


def _replacement(state: _State) -> RoomId | None:
    tombstone = state.get(("m.room.tombstone", ""))
    return _room_id(tombstone.content, "replacement_room") if tombstone else None


def _predecessor(origin: Mapping[str, object]) -> RoomId | None:
    predecessor = origin.get("predecessor")
    return _room_id(predecessor, "room_id") if isinstance(predecessor, dict) else None


def _linked(state: _State, event_type: str, sender: UserId | None) -> frozenset[RoomId]:
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


def _people_of_members(state: _State, me: UserId) -> People:
    others = [
        UserId(user_id)
        for (kind, user_id), event in state.items()
        if kind == MEMBER_TYPE and event.content.get("membership") in _PRESENT and user_id != me
    ]
    return People(1 + len(others), tuple(others[:_OTHERS_LIMIT]))


def _messages(room_id: RoomId, events: Iterable[Event], me: UserId) -> tuple[InboundMessage, ...]:
    return tuple(
        InboundMessage(
            event_id=EventId(event.event_id),
            room_id=room_id,
            sender=UserId(event.sender),
            sent_ts=event.origin_server_ts,
            msgtype=_msgtype(event),
            body=_text(event.content, "body") or "",
            is_edit=_is_edit(event.content),
        )
        for event in events
        if _is_message(event) and event.sender != me
    )


def _is_message(event: Event) -> bool:
    """Whether an event is a message with content: a redacted message has none."""
    return bool(
        event.type in MESSAGE_TYPES and event.state_key is None and event.event_id and event.content
    )


def _msgtype(event: Event) -> str:
    return (_text(event.content, "msgtype") or "") if event.type == MESSAGE_TYPE else event.type


def _is_edit(content: Mapping[str, object]) -> bool:
    relation = content.get("m.relates_to")
    return isinstance(relation, dict) and relation.get("rel_type") == "m.replace"


def _invite(room_id: RoomId, events: Iterable[msgspec.Raw], me: UserId) -> Invite:
    event = _state_of(_decoded(events)[0]).get((MEMBER_TYPE, me))
    if event is None or event.content.get("membership") != "invite":
        raise UnreadableInvite
    if not is_user_id(event.sender):
        raise UnreadableInvite
    return Invite(room_id, UserId(event.sender))


def _text(content: Mapping[str, object], key: str) -> str | None:
    """A non-empty string, or None."""
    value = content.get(key)
    return value if isinstance(value, str) and value else None


def _room_id(content: Mapping[str, object], key: str) -> RoomId | None:
    value = _text(content, key)
    return RoomId(value) if value is not None and value.startswith("!") else None
