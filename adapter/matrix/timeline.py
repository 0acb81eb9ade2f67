"""Reads the messages to the bot in a room's timeline. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from actors.anchors import LiveAnchor
from actors.model import ENCRYPTED_TYPE, EventId, InboundMessage, RoomId, UserId
from adapter.matrix.bodies import Event
from adapter.matrix.events import (
    answered_in,
    changes_own_membership,
    decoded_events,
    live_in,
    text_in,
)
from adapter.matrix.files import file_in
from adapter.matrix.lenient import Malformed
from adapter.matrix.mentions import mentions
from adapter.matrix.relations import event_id_from, relation_of
from adapter.matrix.words import is_captioned, words_of

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

_GONE: Final = ("leave", "ban")


class PastMessages(NamedTuple):
    """Messages since the bot's latest join, newest first.

    `joined`: the page contains that join, so earlier messages do not count. `departed`: the page
    also shows that the bot left the room. `answered` are the messages with an answer in the page.
    `live` are the anchors since the join. `redacted` are the events that redactions since
    then name.
    """

    messages: tuple[InboundMessage, ...]
    joined: bool
    departed: bool
    answered: frozenset[EventId]
    live: tuple[LiveAnchor, ...]
    redacted: frozenset[EventId] = frozenset()


def messages_of(
    room_id: RoomId,
    newest_first: Iterable[msgspec.Raw],
    me: UserId,
    left_out: Malformed | None = None,
) -> PastMessages:
    """The messages to the bot in a page of `/messages`, in the order of the page.

    `left_out` counts what could not be decoded.
    """
    events, malformed = decoded_events(newest_first)
    own = [index for index, event in enumerate(events) if changes_own_membership(event, me)]
    departed = any(events[index].content.get("membership") in _GONE for index in own)
    since_join = events[: own[0]] if own else events
    if left_out is not None:
        left_out.add(malformed)
    messages = inbound_messages(room_id, since_join, me)
    live = live_in(since_join, me)
    redacted = frozenset(named for it in since_join if (named := redacted_by(it)) is not None)
    return PastMessages(messages, bool(own), departed, answered_in(events, me), live, redacted)


def redacted_by(event: Event) -> EventId | None:
    """The event that a redaction empties; None for any other event."""
    if event.type != REDACTION_TYPE or event.state_key is not None:
        return None
    return event_id_from(event.redacts or event.content.get("redacts"))


def events_since_join(newest_first: Sequence[msgspec.Raw], me: UserId) -> int:
    """The number of events in a page of `/messages` that are newer than the bot's latest join."""
    for index, raw in enumerate(newest_first):
        events, _ = decoded_events([raw])
        if events and changes_own_membership(events[0], me):
            return index
    return len(newest_first)


def inbound_messages(
    room_id: RoomId, events: Iterable[Event], me: UserId
) -> tuple[InboundMessage, ...]:
    """The messages among some events, without the bot's own."""
    return tuple(
        _inbound_message(room_id, event, me)
        for event in events
        if _is_message(event) and event.sender != me
    )


def _inbound_message(room_id: RoomId, event: Event, me: UserId) -> InboundMessage:
    """A message. A file with a caption is a text: the caption says what to do with the file."""
    relation, words = relation_of(event.content), words_of(event.content, me)
    return InboundMessage(
        event_id=EventId(event.event_id),
        room_id=room_id,
        sender=UserId(event.sender),
        sent_ts=event.origin_server_ts,
        msgtype="m.text" if is_captioned(event.content) else _msgtype(event),
        body=words.text,
        is_edit=relation.is_edit,
        thread=relation.thread,
        reply_to=relation.reply_to,
        quoted=words.quoted if relation.reply_to else "",
        mentions_bot=mentions(event.content, me),
        file=file_in(event.content),
        edits=relation.edits,
    )


def is_nameless(event: Event) -> bool:
    """Whether an event is a message without an id, which the bot cannot answer once."""
    return _has_words(event) and not event.event_id


def _is_message(event: Event) -> bool:
    return _has_words(event) and bool(event.event_id)


def _has_words(event: Event) -> bool:
    """Whether an event is a message with content: a redacted message has none."""
    return event.type in MESSAGE_TYPES and event.state_key is None and bool(event.content)


def _msgtype(event: Event) -> str:
    return (text_in(event.content, "msgtype") or "") if event.type == MESSAGE_TYPE else event.type
