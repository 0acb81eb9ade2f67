"""Cells: what the runtime keeps of each address, and the mailboxes."""

from collections.abc import Callable, Iterator
from typing import Protocol

from actors.runtime.letters import Address, Message


class Actor(Protocol):
    """What a cell runs."""

    async def handle(self, message: Message) -> None:
        """Handle one message. Raising means: not handled, start me anew and give it to me again."""
        ...

    async def crashed(self, error: Exception) -> None:
        """The handler raised, and this incarnation is over: note what must be remembered of it."""
        ...


class Cell:
    """One address: its mailbox and its failures. The actor is there only while it is in use."""

    __slots__ = (
        "actor", "address", "crashes", "error", "mailbox", "pause_timer", "paused_until",
        "probes", "quarantined", "used",
    )  # fmt: skip

    def __init__(self, address: Address, now: float) -> None:
        self.address = address
        self.actor: Actor | None = None
        self.mailbox: dict[object, Message] | None = None
        self.pause_timer: int | None = None
        """The timer that will wake the cell; None while it may run."""
        self.paused_until = now
        self.used = now
        self.crashes: tuple[float, ...] = ()
        self.quarantined = False
        self.probes = 0
        """Probes since the actor was set aside; 0 when it is well."""
        self.error: Exception | None = None
        """The failure that came last, if there was any."""

    @property
    def may_run(self) -> bool:
        """Whether the cell has something to do now."""
        return bool(self.mailbox) and self.pause_timer is None

    def post(self, message: Message) -> None:
        """Leave a message in the mailbox; it takes the place of an earlier one of its slot."""
        mailbox = self.mailbox = self.mailbox or {}
        for slot in message.voids:
            mailbox.pop(slot, None)
        if not mailbox.keys().isdisjoint(message.behind):
            mailbox.pop(message.slot, None)
        mailbox[message.slot] = message

    def keep(self, message: Message) -> None:
        """Put a message back in front, unless a newer one has taken its slot.

        A stored message goes to the back: what has happened comes first.
        """
        mailbox = self.mailbox or {}
        kept: dict[object, Message] = {message.slot: mailbox.pop(message.slot, message)}
        self.mailbox = {**mailbox, **kept} if message.is_stored else {**kept, **mailbox}


class Cells:
    """A cell for every address that was ever told anything."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._cells: dict[Address, Cell] = {}

    def __iter__(self) -> Iterator[Cell]:
        """Every cell, in the order in which the addresses became known."""
        return iter(self._cells.values())

    def get(self, address: Address) -> Cell | None:
        """The cell of an address; None where nothing was told to it yet."""
        return self._cells.get(address)

    def probes_of(self, address: Address) -> int:
        """How often an actor was probed since it was set aside; 0 for one that is well."""
        cell = self._cells.get(address)
        return cell.probes if cell else 0

    def of(self, address: Address) -> Cell:
        """The cell of an address, made where there is none."""
        cell = self._cells.get(address)
        if cell is None:
            cell = self._cells[address] = Cell(address, self._clock())
        return cell
