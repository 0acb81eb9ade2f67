"""Everything that actors say to each other, and what they report upwards.

Messages to actors are level-triggered: a message says what it replaces while it waits, so a mailbox
never grows beyond its slots, and telling something twice loses nothing. What must not be lost (a
person's message, a promise) is in the store before any actor is told.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, TypeAlias

from typing_extensions import override

from actors.model import ChatContext, Intent, RoomId, RoomSnapshot, UserId, UserMeta
from actors.rules.classify import RoomRows, Verdict
from actors.rules.relations import RoomRelations
from actors.rules.settlement import DesiredRows, RoomReport
from actors.runtime.letters import Address, Message, Report
from actors.writes import Write


class ActorKind(StrEnum):
    """The two kinds of actors."""

    ROOM = "room"
    OWNER = "owner"


def room_address(room_id: RoomId) -> Address:
    """The actor of a joined room."""
    return Address(ActorKind.ROOM, room_id)


def owner_address(owner: UserId) -> Address:
    """The actor of an owner."""
    return Address(ActorKind.OWNER, owner)


# ---------------------------------------------------------------- to a room actor


SETTLED_ALONE: Final = "settled outside a round"
"""The slot of what was settled for one room outside a round of reconciliation."""


@dataclass(frozen=True, slots=True)
class SnapshotTaken(Message):
    """Reconciliation has read the room: compare, and report to the owner's actor."""

    never_waits: ClassVar[bool] = True

    seen: RoomSnapshot
    relations: RoomRelations
    rows: RoomRows

    @property
    @override
    def voids(self) -> tuple[object, ...]:
        """The snapshot shows what changed before it; what was settled before is settled again."""
        return (RoomChanged, SETTLED_ALONE)


@dataclass(frozen=True, slots=True)
class RowsSettled(Message):
    """The owner's actor has decided what the cache must say: write what differs.

    `in_round` hands the writes to the round, which commits those of all rooms at once.
    """

    never_waits: ClassVar[bool] = True

    desired: DesiredRows
    in_round: bool = False

    @property
    @override
    def slot(self) -> object:
        """What one room's report settled must not take the place of what a round settled."""
        return RowsSettled if self.in_round else SETTLED_ALONE


@dataclass(frozen=True, slots=True)
class RoomLeft(Message):
    """We are not in the room any more."""


@dataclass(frozen=True, slots=True)
class RoomChanged(Message):
    """The room's state changed, or is not known: read it again."""

    behind: ClassVar[tuple[type[Message], ...]] = (RoomLeft,)
    """The bot may be back in a room that it left before."""

    @property
    @override
    def voids(self) -> tuple[object, ...]:
        """What was settled before the change is settled again."""
        return (SETTLED_ALONE,)


@dataclass(frozen=True, slots=True)
class GapOpened(Message):
    """Messages of the room are still to be fetched: nothing is handled before they are."""


@dataclass(frozen=True, slots=True)
class InboxWaiting(Message):
    """Messages of people wait in the inbox."""

    is_stored: ClassVar[bool] = True


# ---------------------------------------------------------------- to a user actor


@dataclass(frozen=True, slots=True)
class RoomReported(Message):
    """One of the owner's rooms says what it is, outside a round."""

    report: RoomReport

    @property
    @override
    def slot(self) -> object:
        """The latest report of each room counts."""
        return self.report.room_id


@dataclass(frozen=True, slots=True)
class OwnerComplete(Message):
    """All of the owner's rooms have reported. `partial`: all of those that take part.

    `stored` is the owner's row as it stands, `intents` are those that are not done, `undecided` are
    the chats of rooms that we are not in or that are in conflict.
    """

    never_waits: ClassVar[bool] = True

    reports: tuple[RoomReport, ...]
    partial: bool
    stored: UserMeta | None
    intents: tuple[Intent, ...]
    undecided: tuple[ChatContext, ...] = ()


@dataclass(frozen=True, slots=True)
class SpaceLeft(Message):
    """We are not in the owner's Space any more."""

    space_id: RoomId


@dataclass(frozen=True, slots=True)
class IntentsWaiting(Message):
    """Something promised to the owner is to be carried out."""

    is_stored: ClassVar[bool] = True


RoomMessage: TypeAlias = (
    SnapshotTaken | RowsSettled | RoomChanged | GapOpened | InboxWaiting | RoomLeft
)
OwnerMessage: TypeAlias = RoomReported | OwnerComplete | SpaceLeft | IntentsWaiting


# ---------------------------------------------------------------- upwards


@dataclass(frozen=True, slots=True)
class RoomChecked(Report):
    """A room has said what it is. `founded_ts` as in RoomRelations."""

    is_answer: ClassVar[bool] = True

    room_id: RoomId
    founded_ts: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class RoomWritten(Report):
    """What a room's rows must say, and the writes that bring them there, if any.

    `rows` is what the cache held before; `removed` counts stale rows among the writes.
    """

    is_answer: ClassVar[bool] = True

    room_id: RoomId
    desired: DesiredRows
    rows: RoomRows
    writes: tuple[Write, ...]
    removed: int


@dataclass(frozen=True, slots=True)
class RowsRemoved(Report):
    """A room that is not managed had rows; they are to go."""

    is_answer: ClassVar[bool] = True

    room_id: RoomId
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class OwnerSettled(Report):
    """What an owner's row must say, and the writes for it; their rooms have been told."""

    is_answer: ClassVar[bool] = True

    owner: UserId
    user: UserMeta | None
    writes: tuple[Write, ...]
    rooms: tuple[RoomId, ...]
    conflicts: tuple[tuple[RoomId, str, str], ...]
