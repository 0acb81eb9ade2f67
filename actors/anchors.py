"""The messages that show an answer while it grows. Values only."""

from dataclasses import dataclass

from actors.model import EventId


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
