"""Everything that actors say to each other, and what they report upwards.

Messages to actors are level-triggered: `slot` says what a message replaces while it waits, so a
mailbox never grows beyond its slots and nothing is lost when one is told twice. What must not be
lost (a person's message, something promised) is in the store before anybody is told.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from actors.model import ChatContext, Intent, RoomId, RoomSnapshot, UserId, UserMeta
from actors.rules.classify import Record, Verdict
from actors.rules.relations import Surroundings
from actors.rules.settlement import Identity, RoomReport
from actors.writes import Write

# ---------------------------------------------------------------- to a room actor


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """Reconciliation has read the room: compare, and report to the owner's actor."""

    seen: RoomSnapshot
    around: Surroundings
    record: Record


@dataclass(frozen=True, slots=True)
class IdentitySettled:
    """The owner's actor has decided what the cache must say: write what differs.

    `in_round` hands the writes to the round, which commits those of all rooms at once.
    """

    identity: Identity
    in_round: bool = False


@dataclass(frozen=True, slots=True)
class RoomChanged:
    """The room's state changed, or is not known: read it again."""


@dataclass(frozen=True, slots=True)
class GapOpened:
    """Messages of the room are still to be fetched: nothing is handled before they are."""


@dataclass(frozen=True, slots=True)
class InboxWaiting:
    """Messages of people wait in the inbox."""


@dataclass(frozen=True, slots=True)
class RoomLeft:
    """We are not in the room any more."""


# ---------------------------------------------------------------- to a user actor


@dataclass(frozen=True, slots=True)
class RoomReported:
    """One of the owner's rooms says what it is, outside a round."""

    report: RoomReport


@dataclass(frozen=True, slots=True)
class OwnerComplete:
    """All of the owner's rooms have reported. `partial`: all of those that take part.

    `stored` is the owner's row as it stands, `intents` are those that are not done, `undecided` are
    the chats of rooms that we are not in or that are in conflict.
    """

    reports: tuple[RoomReport, ...]
    partial: bool
    stored: UserMeta | None
    intents: tuple[Intent, ...]
    undecided: tuple[ChatContext, ...] = ()


@dataclass(frozen=True, slots=True)
class SpaceLeft:
    """We are not in the owner's Space any more."""

    space_id: RoomId


@dataclass(frozen=True, slots=True)
class IntentsWaiting:
    """Something promised to the owner is to be carried out."""


RoomMessage: TypeAlias = (
    SnapshotTaken | IdentitySettled | RoomChanged | GapOpened | InboxWaiting | RoomLeft
)
UserMessage: TypeAlias = RoomReported | OwnerComplete | SpaceLeft | IntentsWaiting
Message: TypeAlias = RoomMessage | UserMessage
Address: TypeAlias = RoomId | UserId


OUTSIDE_A_ROUND: Final = (IdentitySettled, "outside a round")
"""The slot of what was settled outside a round: it must not take the place of a round's."""


def slot(message: Message) -> object:
    """Two messages in the same slot coalesce: the later one takes the earlier one's place."""
    if isinstance(message, RoomReported):
        return message.report.room_id
    if isinstance(message, IdentitySettled) and not message.in_round:
        return OUTSIDE_A_ROUND
    return type(message)


# ---------------------------------------------------------------- upwards


@dataclass(frozen=True, slots=True)
class RoomChecked:
    """A room has said what it is. `founded_ts` as in Surroundings."""

    room_id: RoomId
    founded_ts: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class RoomWritten:
    """What a room's rows must say, and the writes that bring them there, if any.

    `record` is what the cache held before; `removed` counts stale rows among the writes.
    """

    room_id: RoomId
    identity: Identity
    record: Record
    writes: tuple[Write, ...]
    removed: int


@dataclass(frozen=True, slots=True)
class RowsRemoved:
    """A room that is not managed had rows; they are to go."""

    room_id: RoomId
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class OwnerSettled:
    """What an owner's row must say, and the writes for it; their rooms have been told."""

    owner: UserId
    user: UserMeta | None
    writes: tuple[Write, ...]
    rooms: tuple[RoomId, ...]
    conflicts: tuple[tuple[RoomId, str, str], ...]


@dataclass(frozen=True, slots=True)
class IntentCarriedOut:
    """Something promised has been done."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class ActorCrashed:
    """A handler raised. The message is kept; the actor is started again or set aside."""

    address: Address
    error: Exception


@dataclass(frozen=True, slots=True)
class RoomsFailing:
    """Many rooms fail the same way at once: it is not the rooms. None of them is charged."""

    rooms: int
    reason: str


Report: TypeAlias = (
    RoomChecked
    | RoomWritten
    | RowsRemoved
    | OwnerSettled
    | IntentCarriedOut
    | ActorCrashed
    | RoomsFailing
)

ANSWERS: Final = (RoomChecked, RoomWritten, RowsRemoved, OwnerSettled)
"""Reports that a round of reconciliation has asked for."""
