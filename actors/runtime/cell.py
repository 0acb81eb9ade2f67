"""A cell: what the actor system keeps of one address, whether its actor is in use or not."""

from typing import Protocol

from actors.messages import Address, InboxWaiting, IntentsWaiting, Message, slot
from actors.rules.room_states import RoomState


class Actor(Protocol):
    """What a cell runs: rooms and users."""

    async def handle(self, message: Message) -> None:
        """Handle one message. Raising means: not handled, start me anew and give it to me again."""
        ...

    async def crashed(self, error: Exception) -> None:
        """The handler raised, and this incarnation is over: note what must be remembered of it."""
        ...


class Cell:
    """One address: its mailbox and its state. The actor is there only while it is in use."""

    __slots__ = (
        "actor", "address", "crashes", "error", "mailbox", "probes", "resting", "rests_until",
        "since", "state", "used",
    )  # fmt: skip

    def __init__(self, address: Address, now: float) -> None:
        self.address = address
        self.actor: Actor | None = None
        self.mailbox: dict[object, Message] | None = None
        self.resting: int | None = None
        """The timer that will wake the cell; None while it may run."""
        self.rests_until = now
        self.state = RoomState.UNCHECKED
        self.since = now
        self.used = now
        self.crashes: tuple[float, ...] = ()
        self.probes = 0
        """Probes since the room was quarantined; 0 when it is not."""
        self.error: Exception | None = None

    def keep(self, message: Message) -> None:
        """Put a message back in front, unless a newer one has taken its slot.

        What people said or were promised goes to the back: what has happened comes first.
        """
        mailbox = self.mailbox or {}
        kept = {slot(message): mailbox.pop(slot(message), message)}
        behind = isinstance(message, InboxWaiting | IntentsWaiting)
        self.mailbox = {**mailbox, **kept} if behind else {**kept, **mailbox}
