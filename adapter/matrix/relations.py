"""Reads a message's relation to other events. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from actors.model import EventId
from adapter.matrix.contents import THREAD_RELATION

_EVENT_ID_LIMIT: Final = 255


@dataclass(frozen=True, slots=True)
class Relation:
    """How a message relates to other events of its room.

    `edits` is the message that an edit changes. `reply_to` is the event that a person replies to. A
    message in a thread also names an event for clients without threads: that is no reply, but
    `has_fallback` says that the message may quote that event.
    """

    is_edit: bool = False
    edits: EventId | None = None
    thread: EventId | None = None
    reply_to: EventId | None = None
    has_fallback: bool = False


def relation_of(content: Mapping[str, object]) -> Relation:
    """The relation in a message's content. A part of it that is malformed counts as absent."""
    relates_to = content.get("m.relates_to")
    if not isinstance(relates_to, dict):
        return Relation()
    rel_type = relates_to.get("rel_type")
    thread = _event_id_in(relates_to) if rel_type == THREAD_RELATION else None
    named = _event_id_in(relates_to.get("m.in_reply_to"))
    falls_back = thread is not None and relates_to.get("is_falling_back") is True
    return Relation(
        is_edit=rel_type == "m.replace",
        edits=_event_id_in(relates_to) if rel_type == "m.replace" else None,
        thread=thread,
        reply_to=None if falls_back else named,
        has_fallback=named is not None,
    )


def _event_id_in(relation: object) -> EventId | None:
    return event_id_from(relation.get("event_id")) if isinstance(relation, dict) else None


def event_id_from(found: object) -> EventId | None:
    """An event id in a content; None for anything else."""
    if isinstance(found, str) and found.startswith("$") and 1 < len(found) <= _EVENT_ID_LIMIT:
        return EventId(found)
    return None
