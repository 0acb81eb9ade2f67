"""The changes of the store, as values. A transaction is a sequence of them."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from actors.anchors import LiveAnchor
from actors.model import EventId, InboundMessage, Intent, OutboundMessage, RoomId, StoredGeneration

JsonObject: TypeAlias = dict[str, object]
"""A JSON object, as the `kv` table holds it."""


@dataclass(frozen=True, slots=True)
class PutRow:
    """Write one row of `kv`."""

    key: str
    value: JsonObject


@dataclass(frozen=True, slots=True)
class DeleteRow:
    """Remove one row of `kv`; an absent row is no error.

    With a `surface_ref`, the row is removed only if it still names that room: another room may have
    taken the key meanwhile.
    """

    key: str
    surface_ref: RoomId | None = None


@dataclass(frozen=True, slots=True)
class AcceptMessage:
    """Put a message into the inbox, where it waits. A known message is ignored.

    With `again`, a known message that is done waits again: the room shows no answer to it.
    """

    message: InboundMessage
    again: bool = False


@dataclass(frozen=True, slots=True)
class FinishMessage:
    """Mark a waiting inbox message as done, or as dead when it is given up.

    If it does not wait any more, the whole transaction raises OutdatedWrite.
    """

    event_id: EventId
    dead: bool = False


@dataclass(frozen=True, slots=True)
class DropMessage:
    """Mark an inbox message as done, if it waits: nothing is left to do about it."""

    event_id: EventId


@dataclass(frozen=True, slots=True)
class ForgetMessage:
    """Remove an inbox message that is done, so that it is unknown until it is accepted again."""

    event_id: EventId


@dataclass(frozen=True, slots=True)
class CountAttempt:
    """Count one more failed attempt at an inbox message."""

    event_id: EventId


@dataclass(frozen=True, slots=True)
class RetryMessage:
    """Let a dead inbox message wait again, with no failed attempts."""

    event_id: EventId


@dataclass(frozen=True, slots=True)
class DropInbox:
    """Mark every waiting message of a room as done: the bot is not in the room any more."""

    room_id: RoomId


@dataclass(frozen=True, slots=True)
class DropOutbox:
    """Give up every unsent message to a room."""

    room_id: RoomId


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """Put a message into the outbox, unsent. A known transaction id is ignored."""

    message: OutboundMessage


@dataclass(frozen=True, slots=True)
class OpenAnchor:
    """Put an anchor into the outbox, unsent, if its question still waits.

    A known transaction id is ignored.
    """

    anchor: OutboundMessage
    question: EventId


@dataclass(frozen=True, slots=True)
class AdoptAnchor:
    """Note an anchor that the room shows, as sent. One that is known to be sent is ignored.

    The database has lost it: an older copy of it was restored, or all of it is gone.
    """

    room_id: RoomId
    anchor: LiveAnchor


@dataclass(frozen=True, slots=True)
class VoidAnchor:
    """Note that an anchor's event was redacted: what ends it becomes a message of its own.

    An end that was to be sent once more is given up.
    """

    event_id: EventId


@dataclass(frozen=True, slots=True)
class DetachFinal:
    """Let an unsent end of an anchor be a message of its own: it edits nothing any more."""

    txn_id: str


@dataclass(frozen=True, slots=True)
class RedactAnchors:
    """Take back the anchors of a question that nothing else in the outbox changes."""

    question: EventId


@dataclass(frozen=True, slots=True)
class RedactEnded:
    """Take back an anchor whose end, this event, was redacted: it would seem to grow again."""

    event_id: EventId


@dataclass(frozen=True, slots=True)
class RedactAbandoned:
    """Take back the anchors in a room that nothing ends and whose questions wait no more.

    The bot was taken out of the room while the answers grew, and is back in it. What was refused
    meanwhile has ended nothing.
    """

    room_id: RoomId


@dataclass(frozen=True, slots=True)
class RepeatFinal:
    """Send the end of an anchor once more, because a late edit has covered it.

    `event_id` is the anchor's event. An anchor that is void or has no end in the outbox is ignored,
    and so is one whose end is to be repeated already; with `only_if_tried` also one whose end no
    attempt was made to send. While the question waits again, it is answered anew, and nothing is
    repeated.
    """

    event_id: EventId
    only_if_tried: bool = False


@dataclass(frozen=True, slots=True)
class MarkTried:
    """Note the first attempt to send an outbox message, now and with the session `by`.

    An attempt that is noted and not made only makes the bot look for the message once more.
    """

    txn_id: str
    by: str


@dataclass(frozen=True, slots=True)
class MarkSent:
    """Mark an outbox message as confirmed; an `event_id` of None means refused for good."""

    txn_id: str
    event_id: EventId | None


@dataclass(frozen=True, slots=True)
class SavePosition:
    """Remember the sync position.

    With `after`, the whole transaction raises OutdatedWrite if the database has another position.
    """

    next_batch: str
    after: str | None = None


@dataclass(frozen=True, slots=True)
class KeepGeneration:
    """Remember the generation, and the account. Safe from a loss of power."""

    generation: StoredGeneration


@dataclass(frozen=True, slots=True)
class VoidQueue:
    """Give up everything that waits in one queue. Dead messages stay.

    Unsent messages are forgotten, so that a question that waits again can be answered.
    """

    queue: Literal["inbox", "outbox", "intents", "gaps"]


SINCE_OWN: Final = ""
"""Stands for the question that the bot answered last in a chat, and for the bot's own last message
in any other room."""
SINCE_LOST: Final = "?"
"""Stands for the same, after a loss of the database: old questions are asked about."""
_SINCE_KNOWN: Final = "*"


def since_known(opened_at: float) -> str:
    """A name for the newest message of the room that the inbox knows.

    `opened_at` is when the gap opened, in seconds since the epoch: from then on the inbox forgets
    no message of the room.
    """
    return f"{_SINCE_KNOWN}{opened_at:.0f}"


def is_since_known(since: str) -> bool:
    """Whether a gap begins at the newest message of the room that the inbox knows."""
    return since.startswith(_SINCE_KNOWN)


def opened_at(since: str, now: float) -> float:
    """When such a gap opened; `now` for a gap of an earlier release, which does not say it."""
    return float(since.removeprefix(_SINCE_KNOWN) or now)


@dataclass(frozen=True, slots=True)
class OpenGap:
    """Record that the messages of a room between two positions are missing.

    If the room has a gap already, only its end moves. `since` may be one of the names above, which
    no sync position is.
    """

    room_id: RoomId
    since: str
    upto: str


@dataclass(frozen=True, slots=True)
class ShortenGap:
    """Record that a room's gap begins at a later position. Without a gap, nothing changes."""

    room_id: RoomId
    since: str


@dataclass(frozen=True, slots=True)
class CloseGap:
    """Remove a room's gap if it ends at `upto`; with None, wherever it ends."""

    room_id: RoomId
    upto: str | None = None


@dataclass(frozen=True, slots=True)
class MarkDirty:
    """Record that a room has changed since its rows were brought in line with it.

    `change` is the number of the change. It replaces the number of an earlier change.
    """

    room_id: RoomId
    change: int


@dataclass(frozen=True, slots=True)
class ClearDirty:
    """Record that a room's rows are in line with it, unless it has changed again.

    The mark is removed only if it still has the number that was seen before the room was read.
    """

    room_id: RoomId
    change: int


@dataclass(frozen=True, slots=True)
class NoteWholeRead:
    """Record that all rooms were read at once, and that the rows of `kv` are in line with them.

    `at` is in seconds since the epoch. None takes the record back, because the sync position is
    replaced. The record is also void as soon as another program changes a row.
    """

    at: float | None


@dataclass(frozen=True, slots=True)
class PutIntent:
    """Write an intent under its nonce. With `only_if_new`, an intent with a known nonce stays."""

    intent: Intent
    only_if_new: bool = False


Write: TypeAlias = (
    PutRow
    | DeleteRow
    | AcceptMessage
    | FinishMessage
    | DropMessage
    | ForgetMessage
    | CountAttempt
    | RetryMessage
    | DropInbox
    | QueueMessage
    | OpenAnchor
    | AdoptAnchor
    | VoidAnchor
    | DetachFinal
    | RedactAnchors
    | RedactEnded
    | RedactAbandoned
    | RepeatFinal
    | DropOutbox
    | MarkTried
    | MarkSent
    | SavePosition
    | KeepGeneration
    | VoidQueue
    | OpenGap
    | ShortenGap
    | CloseGap
    | MarkDirty
    | ClearDirty
    | NoteWholeRead
    | PutIntent
)


VOID_QUEUES: Final = (
    VoidQueue("inbox"),
    VoidQueue("outbox"),
    VoidQueue("intents"),
    VoidQueue("gaps"),
)
"""Give up everything that waits."""


def drop_queued(room_id: RoomId) -> tuple[Write, ...]:
    """Drop what is queued for a room that the bot left: a later member is not to see it."""
    return DropInbox(room_id), DropOutbox(room_id), CloseGap(room_id)
