"""What the bot's own messages are, by their transaction ids and relations. Pure."""

import re
from typing import Final

from actors.model import EventId
from tests.simulation.events import Event
from tests.simulation.streaming import named_by

ONCE: Final = (
    re.compile(r"You said .*\bq\d+q\b.*"),
    re.compile(r"I don't know the command !q\d+q\..*"),
    re.compile(r"This chat is now called q\d+q\."),
    re.compile(r"q\d+q \(C\d+\) is ready.*"),
)
"""Replies of the bot that must be unique: each follows from one message, with a unique text."""

NOTES: Final = (
    ".busy",
    ".unavailable",
    ".misconfigured",
    ".cut",
    ".trimmed",
    ".unanswered",
    ".refused",
    ".given_up",
)
"""How the transaction ids of notices end that go with an answer."""


def answered_by(event: Event) -> EventId | None:
    """The message that a message of the bot answers, by its transaction id; None for others."""
    txn_id = (event.txn_id or "").removeprefix("new.")
    return EventId(txn_id.partition(".")[0]) if txn_id.startswith("$") else None


def is_note(event: Event) -> bool:
    """Whether a message is a notice that goes with an answer."""
    return (event.txn_id or "").endswith(NOTES)


def part_of(event: Event) -> int:
    """The part of an answer that a message is; 0 for other replies."""
    named = named_by(event.txn_id)
    return named.part if named is not None else 0


def thread_of(event: Event) -> object:
    """The thread that a message is in, if any."""
    relation = event.content.get("m.relates_to")
    if not isinstance(relation, dict) or relation.get("rel_type") != "m.thread":
        return None
    return relation.get("event_id")
