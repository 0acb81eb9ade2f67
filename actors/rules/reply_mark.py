"""The reply mark: what each message of the bot says about itself in its content. Pure."""

from typing import Final

from actors.model import OutboundMessage

REPLY_TYPE: Final = "io.surfaces.reply"
"""The key of the mark in a message's content."""

_STATES: Final = {"done": "done", "dead": "failed"}
"""The last part of a transaction id that is not the number of a part, and what it stands for."""


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
