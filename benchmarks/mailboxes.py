"""Compares mailboxes side by side: what waits is handled one by one, and one handler fails.

`python -m benchmarks.mailboxes` prints microseconds for each message, for growing numbers of slots
that wait for one actor. A mailbox that is linear has the same number in every row.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from actors.messages import RoomReported
from actors.model import RoomId
from actors.rules.classify import Conflict, ConflictReason
from actors.rules.settlement import RoomReport
from actors.runtime.cells import Cell
from actors.runtime.letters import Address, Message

SLOTS: Final = (1_000, 10_000, 100_000)
_ADDRESS: Final = Address("owner", "@owner:localhost")


class Mailbox(Protocol):
    """A mailbox as the runtime uses it."""

    def post(self, message: Message) -> None:
        """Put a message in."""
        ...

    def take(self) -> Message:
        """Take the first message out."""
        ...

    def keep(self, message: Message) -> None:
        """Put a message back to the front."""
        ...


@dataclass(slots=True)
class PlainDict:
    """A dict, emptied from its front and rebuilt to put a message back."""

    slots: dict[object, Message] = field(default_factory=dict)

    def post(self, message: Message) -> None:
        """Put a message in."""
        self.slots[message.slot] = message

    def take(self) -> Message:
        """Take the first message out."""
        return self.slots.pop(next(iter(self.slots)))

    def keep(self, message: Message) -> None:
        """Put a message back to the front."""
        self.slots = {message.slot: message, **self.slots}


VARIANTS: Final[dict[str, Callable[[], Mailbox]]] = {
    "plain dict": PlainDict,
    "Cell": lambda: Cell(_ADDRESS, 0.0),
}


def microseconds(make: Callable[[], Mailbox], count: int) -> float:
    """Microseconds for each of so many messages."""
    conflict = Conflict(ConflictReason.FAILED, "")
    reports = [RoomReport(RoomId(f"!{number}"), 0, conflict) for number in range(count)]
    messages = [RoomReported(report) for report in reports]
    mailbox = make()
    began = time.perf_counter()
    for message in messages:
        mailbox.post(message)
    mailbox.keep(mailbox.take())
    for _ in messages:
        mailbox.take()
    return (time.perf_counter() - began) / count * 1e6


def main(show: Callable[[str], None] = print, slots: tuple[int, ...] = SLOTS) -> None:
    """Measure and print."""
    show("slots    " + "".join(f"{name:>14}" for name in VARIANTS))
    for count in slots:
        measured = (microseconds(make, count) for make in VARIANTS.values())
        show(f"{count:<9}" + "".join(f"{each:>11.2f} µs" for each in measured))


if __name__ == "__main__":
    main()
