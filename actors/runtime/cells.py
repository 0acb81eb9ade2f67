"""Cells: the mailbox and the failures that the runtime keeps for each address."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Container, Iterator
from typing import Protocol

from actors.runtime.letters import Address, Message
from actors.runtime.restart import WELL


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
        "actor", "address", "crashes", "error", "failing", "mailbox", "on_probation", "pause_timer",
        "paused_until", "quarantined", "quarantines", "streak", "used",
    )  # fmt: skip

    def __init__(self, address: Address, now: float) -> None:
        self.address = address
        self.actor: Actor | None = None
        self.mailbox: OrderedDict[object, Message] | None = None
        """Ordered, because a plain dict gets slow when its first entries are removed one by one."""
        self.pause_timer: int | None = None
        """The timer that ends the present pause; None while the cell may run."""
        self.paused_until = now
        self.used = now
        self.crashes: tuple[float, ...] = ()
        """The times of the crashes that count towards a quarantine."""
        self.streak = WELL
        """The crashes since the actor was last well for a while; they set the length of pauses."""
        self.quarantined = False
        self.failing = False
        """Whether the latest handler raised, or another part of the program has seen a failure."""
        self.quarantines = 0
        """Quarantines since the actor was last well for a while."""
        self.on_probation = False
        """True from a quarantine until a handler has returned."""
        self.error: Exception | None = None
        """The latest failure, if the actor is not well again."""

    @property
    def may_run(self) -> bool:
        """Whether the cell has a message and is not paused."""
        return bool(self.mailbox) and self.pause_timer is None

    @property
    def probes(self) -> int:
        """Probes of a quarantined actor since it was last well; 0 for an actor that is well."""
        return self.quarantines if self.on_probation else 0

    def post(self, message: Message) -> None:
        """Put a message into the mailbox, by the rules that its class states."""
        mailbox = self.mailbox
        if mailbox is None:
            mailbox = self.mailbox = OrderedDict()
        for slot in message.voids:
            mailbox.pop(slot, None)
        if not mailbox.keys().isdisjoint(message.behind):
            mailbox.pop(message.slot, None)
        mailbox[message.slot] = message

    def take(self) -> Message:
        """Take the first message out of the mailbox. Raises KeyError for an empty mailbox."""
        if self.mailbox is None:
            raise KeyError(self.address)
        return self.mailbox.popitem(last=False)[1]

    def keep(self, message: Message) -> None:
        """Put a message back that was not handled; a newer message of its slot replaces it.

        It goes to the front, but not before messages that it stands behind. A stored message goes
        to the end, so that messages about what has happened are handled first.
        """
        if self.mailbox is None:
            self.mailbox = OrderedDict()
        self.mailbox.setdefault(message.slot, message)
        if self.mailbox.keys().isdisjoint(message.behind):
            self.mailbox.move_to_end(message.slot, last=message.is_stored)

    def drop_asked(self) -> None:
        """Drop the messages of an `ask` that has ended."""
        if self.mailbox:
            for slot in [slot for slot, each in self.mailbox.items() if each.is_asked]:
                del self.mailbox[slot]


class Cells:
    """One cell for every address that was ever told anything."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._cells: dict[Address, Cell] = {}
        self._failed: dict[Address, Cell] = {}

    def __iter__(self) -> Iterator[Cell]:
        """Every cell, in the order in which they were made."""
        return iter(tuple(self._cells.values()))

    def failed(self) -> Iterator[Cell]:
        """Every cell that is `failing` or has an `error`: usually far fewer than all."""
        return iter(tuple(self._failed.values()))

    def note_failing(self, cell: Cell) -> None:
        """Note that a handler of a cell has raised."""
        cell.failing = True
        self._failed[cell.address] = cell

    def note_error(self, cell: Cell, error: Exception) -> None:
        """Note the latest failure of a cell."""
        cell.error = error
        self.note_failing(cell)

    def note_well(self, cell: Cell) -> None:
        """Note that a handler of a cell has returned.

        The failure is forgotten once the message that failed is handled as well.
        """
        cell.failing = False
        if not cell.mailbox:
            cell.error = None
        if cell.error is None:
            self._failed.pop(cell.address, None)

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


class Activity:
    """The actors that are busy or were lately, counted without a look at all cells."""

    def __init__(self, clock: Callable[[], float], busy: Container[Address]) -> None:
        self._clock = clock
        self._busy = busy
        self._latest: defaultdict[str, OrderedDict[Address, float]] = defaultdict(OrderedDict)
        """When each actor was last seen busy, by kind; the oldest comes first."""

    def note(self, address: Address) -> None:
        """Note that an actor has become busy, or has just ended being busy."""
        latest = self._latest[address.kind]
        latest[address] = self._clock()
        latest.move_to_end(address)

    def count(self, kind: str, within_s: float) -> int:
        """How many actors of a kind are busy, or were within the last `within_s` seconds.

        Those that were busy earlier are forgotten: a later call must not ask for a longer time.
        """
        latest, since = self._latest[kind], self._clock() - within_s
        while latest and latest[oldest := next(iter(latest))] < since:
            if oldest in self._busy:
                self.note(oldest)
            else:
                del latest[oldest]
        return len(latest)

    def forget(self, within_s: float) -> None:
        """Forget the actors that were not busy within the last `within_s` seconds."""
        for kind in self._latest:
            self.count(kind, within_s)
