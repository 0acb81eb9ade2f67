"""The values that travel between actors: addresses, messages and reports.

The rules of delivery belong to a message's class, so the runtime needs no list of messages.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple


class Address(NamedTuple):
    """The address of one actor. `name` is unique within its `kind`."""

    kind: str
    name: str


class Message:
    """Base class of everything that an actor is told. Subclasses are frozen dataclasses.

    Messages are level-triggered: a message replaces an earlier message of its slot, so a mailbox
    never holds more messages than there are slots.
    """

    __slots__ = ()

    never_waits: ClassVar[bool] = False
    """True for a message whose handler never waits; `ActorSystem.interrupt` leaves it alone."""
    is_stored: ClassVar[bool] = False
    """True for a message that only announces something in the store. `tell` drops it while the
    system is not open. When its handler fails, it goes behind the other messages."""
    behind: ClassVar[tuple[type["Message"], ...]] = ()
    """Classes of messages that are handled first. While the mailbox holds one of them, this message
    goes to its end, even if an earlier message of its slot had a place."""

    @property
    def is_asked(self) -> bool:
        """Whether this message is part of an `ask`: it is dropped when that `ask` has ended."""
        return False

    @property
    def slot(self) -> object:
        """The place in the mailbox: a later message replaces an earlier message of its slot."""
        return type(self)

    @property
    def voids(self) -> tuple[object, ...]:
        """Slots that this message empties, because it makes their messages pointless."""
        return ()


class Report:
    """Base class of everything that actors report upwards. Subclasses are frozen dataclasses."""

    __slots__ = ()

    is_answer: ClassVar[bool] = False
    """True for a report that a caller of `ask` waits for; without a caller it is a dead letter."""


@dataclass(frozen=True, slots=True)
class ActorCrashed(Report):
    """A handler raised. The message is kept; the actor is restarted or quarantined."""

    address: Address
    error: Exception


@dataclass(frozen=True, slots=True)
class FailuresShared(Report):
    """`actors` actors fail the same way: the cause lies outside of them, and none is charged."""

    actors: int
    reason: str
