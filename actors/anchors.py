"""The messages that show an answer while it grows. Values only."""

from dataclasses import dataclass

from actors.model import EventId, OutboundKind, OutboundMessage, RoomId


@dataclass(frozen=True, slots=True)
class Anchor:
    """The message that shows one part of an answer from its beginning to its end.

    `event_id` is None as long as the homeserver has not confirmed it. `is_void`: it was refused, or
    redacted since, so the part has no message. `is_ended`: a lost database has ended it already.
    """

    txn_id: str
    event_id: EventId | None
    is_void: bool = False
    is_ended: bool = False


@dataclass(frozen=True, slots=True)
class LiveAnchor:
    """An anchor as a room's timeline shows it: the answer to `question` was growing there.

    `part` is the number of the answer's part. `is_ended`: its final was sent, while a later part
    of the answer has none.
    """

    question: EventId
    part: int
    txn_id: str
    event_id: EventId
    is_ended: bool = False


def redaction_of(anchor_txn_id: str, room_id: RoomId) -> OutboundMessage:
    """What takes an anchor back. The write `RedactAnchors` queues the same."""
    txn_id, kind = f"{anchor_txn_id}.redact", OutboundKind.REDACTION
    return OutboundMessage(txn_id, room_id, "", kind=kind, edits=anchor_txn_id)
