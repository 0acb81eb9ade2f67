"""Which one of several processes leads the bot: the port, and its values.

The process that leads answers messages; the others stand by.
"""

from dataclasses import dataclass
from typing import Final, Protocol

NO_LEASE: Final = 0
"""The epoch of every process that leads because it holds the bot's files."""


@dataclass(frozen=True, slots=True)
class Lead:
    """One process's time of leading.

    `epoch` is unique among all processes that share the bot's database, unless it is NO_LEASE.
    `reason` is a text for people.
    """

    epoch: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What this process knows of who leads. `leader` names a process; None is not known."""

    leads: bool
    epoch: int
    leader: str | None


class Leadership(Protocol):
    """This process's part in the question of which process leads. One lead follows another."""

    @property
    def standing(self) -> Standing:
        """Whether this process leads, the latest known epoch, and which process leads."""
        ...

    async def lead(self) -> Lead:
        """Return when this process leads. Waits out whatever is in the way."""
        ...

    def remaining_s(self) -> float:
        """For how many seconds this process still leads for certain; 0 without a lead."""
        ...

    async def keep(self) -> str:
        """Keep the lead; return when this process leads no longer, with the reason.

        Runs beside everything that the process does as the leader.
        """
        ...

    async def resign(self) -> None:
        """Let another process lead at once. Does nothing without a lead. Raises nothing."""
        ...
