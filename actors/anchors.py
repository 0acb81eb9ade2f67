"""The messages that show an answer while it grows. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from actors.model import EventId, OutboundKind, OutboundMessage, RoomId


@dataclass(frozen=True, slots=True)
class Anchor:
    """The message that shows one part of an answer from its beginning to its end.

    `event_id` is None as long as the homeserver has not confirmed it. `is_void`: it was refused, or
    redacted since, so the part has no message. `ended_by` is the end's transaction id if a lost
    database has ended it already.
    """

    txn_id: str
    event_id: EventId | None
    is_void: bool = False
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class LiveAnchor:
    """An anchor as a room's timeline shows it: the answer to `question` was growing there.

    `part` is the number of the answer's part. `ended_by` is the transaction id of its newest final,
    while a later part of the answer has none.
    """

    question: EventId
    part: int
    txn_id: str
    event_id: EventId
    ended_by: str | None = None


def newest_end(txn_ids: Iterable[str]) -> str | None:
    """The newest of the transaction ids of one anchor's ends; None if there are none."""
    return max(txn_ids, key=lambda it: _numbered(it)[1], default=None)


def next_end(txn_id: str) -> str:
    """The transaction id with which an end is sent once more. `RepeatFinal` makes the same."""
    end, number = _numbered(txn_id)
    return f"{end}.{number + 1}"


def _numbered(txn_id: str) -> tuple[str, int]:
    end, _, number = txn_id.rpartition(".")
    return (end, int(number)) if number.isdecimal() else (txn_id, 1)


def redaction_of(anchor_txn_id: str, room_id: RoomId) -> OutboundMessage:
    """What takes an anchor back. The write `RedactAnchors` queues the same."""
    txn_id, kind = f"{anchor_txn_id}.redact", OutboundKind.REDACTION
    return OutboundMessage(txn_id, room_id, "", kind=kind, edits=anchor_txn_id)
