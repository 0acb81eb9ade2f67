"""What the runtime knows of the values that travel between actors: addresses, messages, reports.

The rules of delivery belong to the message's class, so that the runtime needs no list of messages.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Address:
    """One actor. `kind` says which sort of actor it is; `name` is unique within the kind."""

    kind: str
    name: str


class Message:
    """Base of everything that an actor is told. Subclasses are frozen dataclasses.

    Messages are level-triggered: a message takes the place of an earlier one of its slot, so a
    mailbox never holds more messages than there are slots.
    """

    __slots__ = ()

    never_waits: ClassVar[bool] = False
    """The handler waits for nothing, so there is no reason to interrupt it."""
    is_stored: ClassVar[bool] = False
    """What the message announces lies in the store. It is delivered only while the system is open,
    and stays behind other messages when its handler fails."""
    behind: ClassVar[tuple[type["Message"], ...]] = ()
    """Where one of these waits, the message goes behind it, even if it was told before already."""

    @property
    def slot(self) -> object:
        """Two messages of one slot coalesce: the later one takes the earlier one's place."""
        return type(self)

    @property
    def voids(self) -> tuple[object, ...]:
        """Slots whose messages are pointless once this one is told."""
        return ()


class Report:
    """Base of everything that actors say upwards. Subclasses are frozen dataclasses."""

    __slots__ = ()

    is_answer: ClassVar[bool] = False
    """A caller of `ask` waits for it; without one it is a dead letter."""


@dataclass(frozen=True, slots=True)
class ActorCrashed(Report):
    """A handler raised. The message is kept; the actor is started again or set aside."""

    address: Address
    error: Exception


@dataclass(frozen=True, slots=True)
class FailuresShared(Report):
    """Many actors fail the same way at once: the cause is outside of them. None is charged."""

    actors: int
    reason: str
