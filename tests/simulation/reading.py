"""Reads a room's state and messages by the product's rules, in an implementation of its own."""

from dataclasses import replace

from actors.model import (
    MARKER_TYPE,
    SETTINGS_TYPE,
    ChatSettings,
    EventId,
    InboundMessage,
    Marker,
    RoomId,
    SpaceSettings,
    UserId,
)
from actors.rules.marker import owner_named, parse_marker
from actors.rules.setting_values import parse_settings, parse_space_settings
from actors.snapshots import RoomSnapshot
from tests.simulation.edits import bundled
from tests.simulation.events import MALFORMED, Content, Event
from tests.simulation.media import read_caption, read_file
from tests.simulation.room import SimulatedRoom

HEROES = 5


def told_snapshot(room: SimulatedRoom, me: UserId) -> RoomSnapshot:
    """A joined room as hydrate reads it: without the members if it has a name.

    Like the product, it has the members of a Space without a marker that the bot may manage.
    """
    nobody: frozenset[UserId] = frozenset()
    seen = replace(
        read_snapshot(room, me),
        invited=nobody,
        banned=nobody,
        knocking=nobody,
        admits=frozenset(),
        own_entry=True,
        names={},
    )
    perhaps_ours = seen.creator == me or seen.predecessor is not None
    if seen.is_space and perhaps_ours and seen.marker is None:
        return seen
    return replace(seen, others=() if seen.name else seen.others[:HEROES])


def read_snapshot(room: SimulatedRoom, me: UserId) -> RoomSnapshot:
    """The whole state of a joined room, as `me` sees it."""
    create = room.state["m.room.create", ""]
    predecessor = create.content.get("predecessor")
    marker, fault, possible_owner = _read_marker(room, me)
    replacement = _text(room.content("m.room.tombstone"), "replacement_room")
    present = room.members("join", "invite")
    join_rules = room.state.get(("m.room.join_rules", ""))
    own_entry = join_rules is None or join_rules.sender == me
    return RoomSnapshot(
        room_id=room.room_id,
        creator=create.sender,
        created_ts=create.origin_server_ts,
        room_version=room.version,
        is_space=room.is_space,
        predecessor=_room(_text(predecessor, "room_id") if isinstance(predecessor, dict) else None),
        name=_text(room.content("m.room.name"), "name"),
        marker=marker,
        marker_fault=fault,
        settings=read_settings(room, me),
        space_settings=read_space_settings(room, me) if room.is_space else None,
        own_name=(named := room.state.get(("m.room.name", ""))) is not None and named.sender == me,
        names={
            user: _text(room.content("m.room.member", user), "displayname") or ""
            for user in room.members("join")
        },
        possible_owner=possible_owner,
        tombstoned=("m.room.tombstone", "") in room.state,
        replacement=_room(replacement),
        children=(children := _links(room, "m.space.child", sender=None)),
        is_ordered=all(_text(room.content("m.space.child", it), "order") for it in children),
        parents=_links(room, "m.space.parent", sender=me),
        others=tuple(user for user in present if user != me),
        member_count=len(present),
        encrypted=("m.room.encryption", "") in room.state,
        invited=frozenset(room.members("invite")) - {me},
        banned=frozenset(room.members("ban")),
        knocking=frozenset(room.members("knock")),
        admits=frozenset(room.admitted_rooms()) if own_entry else frozenset(),
        own_entry=own_entry,
    )


def read_message(event: Event) -> InboundMessage | None:
    """Decode an `m.room.message`; None if it is malformed."""
    if event.content is MALFORMED:
        return None
    relation = event.content.get("m.relates_to")
    relation = relation if isinstance(relation, dict) else {}
    named = relation.get("m.in_reply_to", {}).get("event_id")
    caption = read_caption(event.content)
    body = _text(event.content, "body") or "" if caption is None else caption
    quote, mark, text = body.rpartition("\n\n")
    is_reply = named is not None and not relation.get("is_falling_back")
    return InboundMessage(
        event_id=event.event_id,
        room_id=event.room_id,
        sender=event.sender,
        sent_ts=event.origin_server_ts,
        msgtype="m.text" if caption else _text(event.content, "msgtype") or "",
        body=text if quote.startswith("> <") else f"{quote}{mark}{text}",
        is_edit=relation.get("rel_type") == "m.replace",
        edits=relation.get("event_id") if relation.get("rel_type") == "m.replace" else None,
        thread=relation.get("event_id") if relation.get("rel_type") == "m.thread" else None,
        reply_to=named if is_reply else None,
        quoted=quote.partition("> ")[2].partition("> ")[2] if quote.startswith("> <") else "",
        file=read_file(event.content),
    )


def read_inbound(event: Event, me: UserId) -> InboundMessage | None:
    """Decode a message as the bot's inbox gets it; None if it is malformed."""
    message = read_message(event)
    return None if message is None else replace(message, mentions_bot=me in message.body)


def read_text(room: SimulatedRoom, event_id: EventId) -> str | None:
    """The text of a message after its edits; None if the room has no such event."""
    event = room.find(event_id)
    if event is None:
        return None
    message = (
        read_message(bundled(event, room.timeline)) if event.type == "m.room.message" else None
    )
    return message.body if message else ""


def read_settings(room: SimulatedRoom, me: UserId) -> ChatSettings | None:
    """The settings that the bot wrote into a room."""
    event = room.state.get((SETTINGS_TYPE, me))
    if event is None or event.sender != me or not event.content:
        return None
    return parse_settings(event.content)


def read_space_settings(room: SimulatedRoom, me: UserId) -> SpaceSettings | None:
    """The settings that the bot wrote into a Space."""
    event = room.state.get((SETTINGS_TYPE, me))
    if event is None or event.sender != me or not event.content:
        return None
    return parse_space_settings(event.content)


def _read_marker(
    room: SimulatedRoom, me: UserId
) -> tuple[Marker | None, str | None, UserId | None]:
    event = room.state.get((MARKER_TYPE, me))
    if event is None or event.sender != me or not event.content:
        return None, None, None
    parsed = parse_marker(event.content)
    if isinstance(parsed, str):
        return None, parsed, owner_named(event.content)
    return parsed, None, None


def _links(room: SimulatedRoom, kind: str, *, sender: UserId | None) -> frozenset[RoomId]:
    return frozenset(
        RoomId(key)
        for (link, key), event in room.state.items()
        if link == kind
        and key.startswith("!")
        and sender in {None, event.sender}
        and isinstance(via := event.content.get("via"), list)
        and via
    )


def _text(content: Content, key: str) -> str | None:
    value = content.get(key)
    return value if isinstance(value, str) and value else None


def _room(text: str | None) -> RoomId | None:
    return None if text is None else RoomId(text)
