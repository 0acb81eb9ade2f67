"""Reads what was said in a timeline, for the history of a conversation. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from actors.model import EventId, UserId
from actors.rules.reply_mark import forgets, mark_in, tokens_in
from actors.said import Redacted, Said, TimelineEvent
from adapter.matrix.bodies import Event
from adapter.matrix.events import MEMBER_TYPE, text_in
from adapter.matrix.files import file_in
from adapter.matrix.relations import relation_of
from adapter.matrix.timeline import MESSAGE_TYPE, REDACTION_TYPE, redacted_by
from adapter.matrix.words import Words, words_of, written_in


def said_in(events: Iterable[Event], me: UserId) -> tuple[TimelineEvent, ...]:
    """What was said, edited and redacted, in the order of the events."""
    found = (_timeline_event(event, me) for event in events if event.state_key is None)
    return tuple(event for event in found if event is not None)


def names_in(events: Iterable[Event]) -> dict[UserId, str]:
    """The display names in member events. The last event of a member counts."""
    return {
        UserId(event.state_key): text_in(event.content, "displayname") or ""
        for event in events
        if event.type == MEMBER_TYPE and event.state_key is not None
    }


def _timeline_event(event: Event, me: UserId) -> TimelineEvent | None:
    """One message, edit or redaction; None for any other event, and for an edit without a text."""
    if event.type == REDACTION_TYPE:
        named = redacted_by(event)
        return Redacted(named) if named is not None else None
    if event.type != MESSAGE_TYPE or not event.event_id:
        return None
    if not event.content or _is_redacted(event):
        own = event.unsigned if event.sender == me else None
        return Redacted(EventId(event.event_id), own.transaction_id if own else None)
    relation = relation_of(event.content)
    if not relation.is_edit:
        return _said(event, event.content, me)
    new = event.content.get("m.new_content")
    if relation.edits is None or not isinstance(new, dict):
        return None
    return _said(event, new, me, edits=relation.edits)


def _is_redacted(event: Event) -> bool:
    """Whether a redacted event came with its content all the same."""
    return event.unsigned is not None and event.unsigned.redacted_because is not msgspec.UNSET


def _said(
    event: Event, content: Mapping[str, object], me: UserId, edits: EventId | None = None
) -> Said:
    is_own = event.sender == me
    relation = relation_of(content)
    words = Words(written_in(content)) if is_own else words_of(content, me)
    return Said(
        event_id=EventId(event.event_id),
        sender=UserId(event.sender),
        sent_ts=event.origin_server_ts,
        msgtype=text_in(content, "msgtype") or "",
        text=words.text,
        thread=relation.thread,
        reply_to=relation.reply_to,
        quoted=words.quoted if relation.reply_to else "",
        file=file_in(content),
        edits=edits,
        mark=mark_in(content) if is_own else None,
        forgets=is_own and forgets(content),
        tokens=tokens_in(content) if is_own else None,
    )
