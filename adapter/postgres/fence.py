"""The fence: nothing is written once another process leads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapter.sql.values import Query

_CHECK: Final = "SELECT surfaces_fence(?, ?)"


@dataclass(frozen=True, slots=True)
class Fence:
    """The lease under which a process writes: its name, and the epoch that was taken.

    `idle_ms`: a transaction that its process has not ended for so long is ended by PostgreSQL, so
    that a paused process does not hold up a takeover.
    """

    name: str
    epoch: int
    idle_ms: int = 3000

    def opening(self) -> Sequence[Query]:
        """The queries that each transaction begins with; they fail once the epoch has ended."""
        return (Query(_CHECK, (self.name, self.epoch)),)
