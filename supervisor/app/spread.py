"""How many accounts the processes of one machine lead: they leave free leases to other machines.

The processes have one parent, and share a few bytes of memory with it.
"""

import mmap
from dataclasses import dataclass
from typing import final

from actors.bounds import Bounds


class Led:
    """A byte for each account: whether its process leads. Made before they start."""

    def __init__(self, accounts: int) -> None:
        self._bytes = mmap.mmap(-1, accounts)

    def note(self, number: int, *, leads: bool) -> None:
        """Note whether the process of the account with this number leads."""
        self._bytes[number] = int(leads)

    def count(self) -> int:
        """How many accounts are led by these processes."""
        return sum(self._bytes[:])

    def besides(self, number: int) -> int:
        """How many accounts are led, without the one with this number."""
        return self.count() - self._bytes[number]


@final
@dataclass(frozen=True, slots=True)
class Spread:
    """Implements `adapter.sql.lease.Share`: the more accounts are led here, the longer it waits."""

    led: Led
    number: int
    """The place of this process's account among the bytes."""
    bounds: Bounds = Bounds()

    def wait_s(self) -> float:
        """In proportion to the accounts that are led here, up to a limit."""
        bounds = self.bounds
        led = self.led.besides(self.number)
        return min(bounds.leave_to_others_up_to_s, bounds.leave_to_others_s * led)

    def note(self, *, leads: bool) -> None:
        """Note it in the shared memory."""
        self.led.note(self.number, leads=leads)
