"""Every message to an actor, and every report of an actor.

Messages are level-triggered: they say that something is to be done, not how often. A mailbox holds
one message for each slot, so to tell something twice loses nothing. What must not be lost (a
person's message, an intent) is in the store before an actor is told.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, TypeAlias

from typing_extensions import override

from actors.model import ChatContext, Intent, RoomId, UserId, UserMeta
from actors.rules.classify import RoomRows, Verdict
from actors.rules.relations import RoomRelations
from actors.rules.settlement import DesiredRows, RoomReport
from actors.runtime.letters import Address, Message, Report
from actors.snapshots import RoomSnapshot
from actors.writes import Write


class ActorKind(StrEnum):
    """The kinds of actors."""

    ROOM = "room"
    OWNER = "owner"


def room_address(room_id: RoomId) -> Address:
    """The address of a room's actor."""
    return Address(ActorKind.ROOM, room_id)


def owner_address(owner: UserId) -> Address:
    """The address of an owner's actor."""
    return Address(ActorKind.OWNER, owner)


# ---------------------------------------------------------------- to a room actor


SETTLED_ALONE: Final = "settled outside a round"
"""The slot of rows that were settled outside of a round."""


@dataclass(frozen=True, slots=True)
class SnapshotTaken(Message):
    """A round has read the room: compare the rows with it, and report what the room is."""

    never_waits: ClassVar[bool] = True

    seen: RoomSnapshot
    relations: RoomRelations
    rows: RoomRows
    partial: bool = False
    """Whether the round reads only some rooms."""

    @property
    @override
    def is_asked(self) -> bool:
        """It is part of its round."""
        return True

    @property
    @override
    def voids(self) -> tuple[object, ...]:
        """The snapshot shows all earlier changes, and the round settles the room again."""
        return (RoomChanged, SETTLED_ALONE)


@dataclass(frozen=True, slots=True)
class RowsSettled(Message):
    """The owner's actor has decided what the cache must say: write the rows that differ.

    With `in_round`, the writes are reported to the round, which commits those of all rooms at once.
    Otherwise the room is in line then, up to the number `change`, see `actors.dirty`.
    """

    never_waits: ClassVar[bool] = True

    desired: DesiredRows
    in_round: bool = False
    change: int | None = None

    @property
    @override
    def is_asked(self) -> bool:
        """It is part of its round, if it was settled in one."""
        return self.in_round

    @property
    @override
    def slot(self) -> object:
        """Rows that were settled outside of a round must not replace those of a round."""
        return RowsSettled if self.in_round else SETTLED_ALONE


@dataclass(frozen=True, slots=True)
class RoomLeft(Message):
    """The bot is not in the room any more."""


@dataclass(frozen=True, slots=True)
class RoomChanged(Message):
    """The room's state has changed, or is not known: read it again."""

    behind: ClassVar[tuple[type[Message], ...]] = (RoomLeft,)
    """The bot may be back in a room that it left: the leaving is handled first."""

    @property
    @override
    def voids(self) -> tuple[object, ...]:
        """Rows that were settled before the change are settled again."""
        return (SETTLED_ALONE,)


@dataclass(frozen=True, slots=True)
class GapOpened(Message):
    """The room has a gap: fetch a piece of it, or handle a message if there is no space for one."""


@dataclass(frozen=True, slots=True)
class InboxWaiting(Message):
    """Messages of the room wait in the inbox."""

    is_stored: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ReplyDone(Message):
    """The room's reply has ended: commit the answer. `actors.replies` keeps it until then."""


@dataclass(frozen=True, slots=True)
class ReplyFailed(Message):
    """An attempt at the room's question has failed: count it, or give the question up."""


@dataclass(frozen=True, slots=True)
class ReplyWaits(Message):
    """The room's reply takes its time: tell the person why."""


# ---------------------------------------------------------------- to a user actor


@dataclass(frozen=True, slots=True)
class RoomReported(Message):
    """One of the owner's rooms reports what it is, outside of a round."""

    report: RoomReport

    @property
    @override
    def slot(self) -> object:
        """Each room has a slot, so its latest report counts."""
        return self.report.room_id


@dataclass(frozen=True, slots=True)
class OwnerComplete(Message):
    """All of the owner's rooms that take part in the round have reported: settle them.

    `partial` says that the owner may have more rooms: what the cache holds about those is kept.
    `stored` is the owner's present row, and `intents` are the open intents. `undecided` are the
    stored chats of rooms that the bot is not in, or that are in conflict.
    """

    never_waits: ClassVar[bool] = True

    reports: tuple[RoomReport, ...]
    partial: bool
    stored: UserMeta | None
    intents: tuple[Intent, ...]
    undecided: tuple[ChatContext, ...] = ()

    @property
    @override
    def is_asked(self) -> bool:
        """It is part of its round."""
        return True


@dataclass(frozen=True, slots=True)
class SpaceLeft(Message):
    """The bot is not in the owner's Space any more."""

    space_id: RoomId


@dataclass(frozen=True, slots=True)
class IntentsWaiting(Message):
    """The owner has open intents: carry them out."""

    is_stored: ClassVar[bool] = True


RoomMessage: TypeAlias = (
    SnapshotTaken
    | RowsSettled
    | RoomChanged
    | GapOpened
    | InboxWaiting
    | ReplyDone
    | ReplyFailed
    | ReplyWaits
    | RoomLeft
)
OwnerMessage: TypeAlias = RoomReported | OwnerComplete | SpaceLeft | IntentsWaiting


# ---------------------------------------------------------------- reports to a round


@dataclass(frozen=True, slots=True)
class RoomChecked(Report):
    """A room has found out what it is. `founded_ts` is that of RoomRelations.

    `affected` are the other rooms that its change may affect, if the round does not read all rooms.
    """

    is_answer: ClassVar[bool] = True

    room_id: RoomId
    founded_ts: int
    verdict: Verdict
    affected: frozenset[RoomId] = frozenset()


@dataclass(frozen=True, slots=True)
class RoomWritten(Report):
    """A room has compared its rows; the round commits `writes`, if there are any.

    `desired` are the rows that the cache must hold, `rows` those that it held before. `removed`
    counts the stale rows that the writes remove.
    """

    is_answer: ClassVar[bool] = True

    room_id: RoomId
    desired: DesiredRows
    rows: RoomRows
    writes: tuple[Write, ...]
    removed: int


@dataclass(frozen=True, slots=True)
class RowsRemoved(Report):
    """A room is not managed; the round removes its rows with `writes`."""

    is_answer: ClassVar[bool] = True

    room_id: RoomId
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class OwnerSettled(Report):
    """An owner's rooms are settled. Each of `rooms` was told its rows; the round commits `writes`.

    `user` is what the owner's row must say; None for an owner without a Space. `conflicts` are
    rooms with a reason and a detail.
    """

    is_answer: ClassVar[bool] = True

    owner: UserId
    user: UserMeta | None
    writes: tuple[Write, ...]
    rooms: tuple[RoomId, ...]
    conflicts: tuple[tuple[RoomId, str, str], ...]
