"""Edits of messages as the specification counts them, and what a client shows. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from actors.model import EventId
from tests.simulation.events import Content, Event


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as a client shows it: the original, and the content after its newest edit."""

    original: Event
    content: Content


def edited_by(content: Content) -> EventId | None:
    """The message that an event with this content edits; None if it is no edit."""
    relation = content.get("m.relates_to")
    if not isinstance(relation, dict) or relation.get("rel_type") != "m.replace":
        return None
    named = relation.get("event_id")
    return EventId(named) if isinstance(named, str) else None


def edits_of(original: Event, timeline: Iterable[Event]) -> list[Event]:
    """The edits of a message that count: those of its sender, with a new content.

    A message that was redacted, or is an edit itself, has none.
    """
    if original.redacted or edited_by(original.content) is not None:
        return []
    return [
        event
        for event in timeline
        if edited_by(event.content) == original.event_id
        and (event.sender, event.type) == (original.sender, original.type)
        and isinstance(event.content.get("m.new_content"), dict)
    ]


def newest_edit(original: Event, timeline: Iterable[Event]) -> Event | None:
    """The newest edit of a message, which is the one that counts; None without one."""
    edits = edits_of(original, timeline)
    return max(edits, key=lambda it: (it.origin_server_ts, it.event_id), default=None)


def shown(timeline: list[Event]) -> Iterator[Shown]:
    """The messages of a room that a client shows, oldest first."""
    for event in timeline:
        if event.type != "m.room.message" or event.redacted or edited_by(event.content) is not None:
            continue
        edit = newest_edit(event, timeline)
        new = edit.content["m.new_content"] if edit is not None else None
        yield Shown(event, new if isinstance(new, dict) else event.content)


def bundled(event: Event, timeline: Iterable[Event]) -> Event:
    """An event as a server that bundles edits sends it: its content is that of its newest edit."""
    edit = newest_edit(event, timeline)
    new = edit.content["m.new_content"] if edit is not None else None
    return replace(event, content=new) if isinstance(new, dict) else event
