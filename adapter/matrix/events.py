"""Decodes events one by one, so a malformed event loses only that event. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import msgspec

from actors.anchors import LiveAnchor
from actors.model import EventId, RoomId, UserId
from actors.rules.reply_mark import is_live, live_anchor_of, mark_in, question_answered_by
from adapter.matrix.bodies import Event, Membership, Relations
from adapter.matrix.lenient import UNDECODABLE, Decoder, Malformed

MEMBER_TYPE: Final = "m.room.member"

State: TypeAlias = dict[tuple[str, str], Event]
"""A room's state: the latest event of each type and key."""

_event_decoder: Final = Decoder(Event)
_membership_decoder: Final = Decoder(Membership)
_relations_decoder: Final = Decoder(Relations)


def decoded_events(events: Iterable[msgspec.Raw]) -> tuple[list[Event], Malformed]:
    """The events that can be decoded, and what was left out: whole events, or parts of them."""
    decoded: list[Event] = []
    malformed = Malformed()
    for raw in events:
        try:
            decoded.append(_event_decoder.decode(raw, malformed))
        except UNDECODABLE:
            malformed.note("event")
    return decoded, malformed


def state_of(events: Iterable[Event]) -> State:
    """The state after these events. The last event of a type and key wins."""
    return {(event.type, event.state_key): event for event in events if event.state_key is not None}


def answered_in(events: Iterable[Event], me: UserId) -> frozenset[EventId]:
    """The messages that the bot's own messages among some events answer, as edited by now."""
    own = [event for event in events if event.sender == me and event.state_key is None]
    edits = [edit for event in own if (edit := bundled_edit(event)) is not None]
    found = (question_answered_by(event.content) for event in (*own, *edits))
    return frozenset(question for question in found if question is not None)


def live_in(events: Iterable[Event], me: UserId) -> tuple[LiveAnchor, ...]:
    """The anchors among the bot's own messages, in the order of the events.

    An anchor that came with its end is left out. A homeserver that does not bundle edits shows an
    ended anchor as it was.
    """
    own = (it for it in events if it.type == "m.room.message" and it.sender == me)
    found = (_live_anchor(event) for event in own if event.state_key is None and event.event_id)
    return tuple(anchor for anchor in found if anchor is not None)


def _live_anchor(event: Event) -> LiveAnchor | None:
    edit = bundled_edit(event)
    if edit is not None and not is_live(edit.content):
        return None
    return live_anchor_of(EventId(event.event_id), mark_in(event.content))


def bundled_edit(event: Event) -> Event | None:
    """The newest edit that came with an event, if it is by the sender of the event itself."""
    if event.unsigned is None:
        return None
    try:
        edit = _relations_decoder.decode(event.unsigned.relations, Malformed()).newest_edit
    except UNDECODABLE:
        return None
    return edit if edit is not None and edit.sender == event.sender else None


def changes_own_membership(event: Event, me: UserId) -> bool:
    """Whether the bot's membership changes. In a joined room, the last such event is its join."""
    return (event.type, event.state_key) == (MEMBER_TYPE, me) and changes_membership(event)


def changes_membership(event: Event) -> bool:
    """Whether a member event changes more than a display name or picture."""
    if event.unsigned is None:
        return True
    try:
        before = _membership_decoder.decode(event.unsigned.prev_content, Malformed())
    except UNDECODABLE:
        return True
    return before.membership != event.content.get("membership")


def text_in(content: Mapping[str, object], key: str) -> str | None:
    """A non-empty string, or None."""
    value = content.get(key)
    return value if isinstance(value, str) and value else None


def room_id_in(content: Mapping[str, object], key: str) -> RoomId | None:
    """A room id, or None."""
    value = text_in(content, key)
    return RoomId(value) if value is not None and value.startswith("!") else None
