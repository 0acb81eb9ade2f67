"""The reply mark: what each message of the bot says about itself in its content. Pure."""

from collections.abc import Mapping
from typing import Final

from actors.model import EventId, OutboundMessage

REPLY_TYPE: Final = "io.surfaces.reply"
"""The key of the mark in a message's content."""

PART_LIMIT: Final = 10_000
"""Characters in one part of an answer. A Matrix event has at most 65,536 bytes, and JSON may need
six bytes for one character."""

_STATES: Final = {"done": "done", "dead": "failed"}
"""The last part of a transaction id that is not the number of a part, and what it stands for."""

_ENDED: Final = ("done", "stopped", "failed")
"""The states of an answer to which nothing is added."""


def reply_mark(message: OutboundMessage) -> dict[str, object]:
    """The mark of a message. An answer's mark names the question, the part and the state.

    Transaction ids of answers are made of the question's event id: `$event.0` for its first part,
    `$event.dead` for a message that is given up, `new.$event.done` for a finished command.
    """
    name, _, part = message.txn_id.rpartition(".")
    question = name.removeprefix("new.")
    mark: dict[str, object] = {"txn": message.txn_id}
    if not question.startswith("$"):
        return mark
    if part.isdecimal():
        return {"to": question, "part": int(part), "state": "done", **mark}
    if part in _STATES:
        return {"to": question, "part": 0, "state": _STATES[part], **mark}
    return mark


def question_answered_by(content: Mapping[str, object]) -> EventId | None:
    """The question that one of the bot's own messages ends the answer to; None for any other.

    Every part but the last one has the full length.
    """
    new = content.get("m.new_content")
    said = new if isinstance(new, dict) else content
    mark, body = said.get(REPLY_TYPE), said.get("body")
    if not isinstance(mark, dict) or not isinstance(body, str) or len(body) >= PART_LIMIT:
        return None
    question = mark.get("to")
    if not isinstance(question, str) or mark.get("state") not in _ENDED:
        return None
    return EventId(question)
