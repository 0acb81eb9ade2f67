"""What can be written to the store, as values: a transaction is a sequence of them."""

from dataclasses import dataclass
from typing import TypeAlias

from actors.model import EventId, InboundMessage, Intent, OutboundMessage, RoomId

JsonObject: TypeAlias = dict[str, object]
"""A JSON object as it stands in the `kv` table."""


@dataclass(frozen=True, slots=True)
class PutRow:
    """Write one row of `kv`."""

    key: str
    value: JsonObject


@dataclass(frozen=True, slots=True)
class DeleteRow:
    """Remove one row of `kv`; an absent row is no error.

    With `surface_ref`, only while the row still names that room: another room may have taken the
    key meanwhile.
    """

    key: str
    surface_ref: RoomId | None = None


@dataclass(frozen=True, slots=True)
class AcceptMessage:
    """Put a message into the inbox, waiting. One that is known already is ignored."""

    message: InboundMessage


@dataclass(frozen=True, slots=True)
class FinishMessage:
    """Mark an inbox message as handled: `done`, or `dead` when it was given up."""

    event_id: EventId
    dead: bool = False


@dataclass(frozen=True, slots=True)
class CountAttempt:
    """Count one more failed attempt at an inbox message."""

    event_id: EventId


@dataclass(frozen=True, slots=True)
class RetryMessage:
    """Let an inbox message that was given up wait again, with no attempts counted."""

    event_id: EventId


@dataclass(frozen=True, slots=True)
class DropInbox:
    """Finish whatever waits in a room: we are not in it any more."""

    room_id: RoomId


@dataclass(frozen=True, slots=True)
class DropOutbox:
    """Give up whatever is still to be sent to a room."""

    room_id: RoomId


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """Put a message into the outbox, unsent. A known transaction id is ignored."""

    message: OutboundMessage


@dataclass(frozen=True, slots=True)
class MarkSent:
    """The server has confirmed an outbox message, or refused it for good (`event_id` None)."""

    txn_id: str
    event_id: EventId | None


@dataclass(frozen=True, slots=True)
class SavePosition:
    """Remember the sync position."""

    next_batch: str


@dataclass(frozen=True, slots=True)
class OpenGap:
    """Messages of a room between two positions are still to be fetched.

    Of a gap that is there already, only the end moves.
    """

    room_id: RoomId
    since: str
    upto: str


@dataclass(frozen=True, slots=True)
class CloseGap:
    """A gap that ends at `upto` was filled; with None, whatever gap the room has is void."""

    room_id: RoomId
    upto: str | None = None


@dataclass(frozen=True, slots=True)
class PutIntent:
    """Write an intent, by nonce. With `only_if_new`, a known nonce is left as it is."""

    intent: Intent
    only_if_new: bool = False


Write: TypeAlias = (
    PutRow
    | DeleteRow
    | AcceptMessage
    | FinishMessage
    | CountAttempt
    | RetryMessage
    | DropInbox
    | QueueMessage
    | DropOutbox
    | MarkSent
    | SavePosition
    | OpenGap
    | CloseGap
    | PutIntent
)


def drop_queued(room_id: RoomId) -> tuple[Write, ...]:
    """What was queued for a room that we are not in any more is not for a later member."""
    return DropInbox(room_id), DropOutbox(room_id), CloseGap(room_id)
