"""Cells: the mailbox and the failures that the runtime keeps for each address."""

from collections.abc import Callable, Iterator
from typing import Protocol

from actors.runtime.letters import Address, Message


class Actor(Protocol):
    """An object that handles the messages of one address."""

    async def handle(self, message: Message) -> None:
        """Handle one message. If it raises, a new actor handles the message again after a pause."""
        ...

    async def crashed(self, error: Exception) -> None:
        """Record what must outlive this object: its handler raised, and the runtime drops it."""
        ...


class Cell:
    """One address: its mailbox, its failures, and the actor while it is in use.

    `paused_until` and `used` are times of the system's clock: the end of the latest pause, and the
    end of the latest handling.
    """

    __slots__ = (
        "actor", "address", "crashes", "error", "mailbox", "pause_timer", "paused_until",
        "probes", "quarantined", "used",
    )  # fmt: skip

    def __init__(self, address: Address, now: float) -> None:
        self.address = address
        self.actor: Actor | None = None
        self.mailbox: dict[object, Message] | None = None
        self.pause_timer: int | None = None
        """The timer that ends the present pause; None while the cell may run."""
        self.paused_until = now
        self.used = now
        self.crashes: tuple[float, ...] = ()
        self.quarantined = False
        self.probes = 0
        """Probes since the actor was quarantined; 0 for an actor that is well."""
        self.error: Exception | None = None
        """The latest failure, if the actor is not well again."""

    @property
    def may_run(self) -> bool:
        """Whether the cell has a message and is not paused."""
        return bool(self.mailbox) and self.pause_timer is None

    def post(self, message: Message) -> None:
        """Put a message into the mailbox, by the rules that its class states."""
        mailbox = self.mailbox = self.mailbox or {}
        for slot in message.voids:
            mailbox.pop(slot, None)
        if not mailbox.keys().isdisjoint(message.behind):
            mailbox.pop(message.slot, None)
        mailbox[message.slot] = message

    def keep(self, message: Message) -> None:
        """Put a message back that was not handled; a newer message of its slot replaces it.

        It goes to the front. A stored message goes to the end, so that messages about what has
        happened are handled first.
        """
        mailbox = self.mailbox or {}
        kept: dict[object, Message] = {message.slot: mailbox.pop(message.slot, message)}
        self.mailbox = {**mailbox, **kept} if message.is_stored else {**kept, **mailbox}


class Cells:
    """One cell for every address that was ever told anything."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._cells: dict[Address, Cell] = {}

    def __iter__(self) -> Iterator[Cell]:
        """Every cell, in the order in which they were made."""
        return iter(tuple(self._cells.values()))

    def get(self, address: Address) -> Cell | None:
        """The cell of an address; None for an address without one."""
        return self._cells.get(address)

    def probes_of(self, address: Address) -> int:
        """The number of probes since an actor was quarantined; 0 for an actor that is well."""
        cell = self._cells.get(address)
        return cell.probes if cell else 0

    def of(self, address: Address) -> Cell:
        """The cell of an address; a missing one is made."""
        cell = self._cells.get(address)
        if cell is None:
            cell = self._cells[address] = Cell(address, self._clock())
        return cell
