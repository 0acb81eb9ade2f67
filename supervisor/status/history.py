"""What the journal is told, counted on its way: transitions by kind, and the newest steps."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from actors.runtime.table import Outcome, TransitionRecord
from actors.runtime.transition_log import Journal
from supervisor.lifecycle import MACHINE
from supervisor.status.snapshot import Step

STEPS: Final = 120
"""Transitions of the lifecycle that are remembered."""

Kind: TypeAlias = tuple[str, str, str, str, str]
"""A kind of transition: machine (`lifecycle` or `room`), src, trigger, dst, outcome."""


@dataclass(slots=True)
class History:
    """Transitions of this process by kind, and the newest steps of the lifecycle."""

    counts: Counter[Kind] = field(default_factory=Counter)
    steps: deque[Step] = field(default_factory=lambda: deque(maxlen=STEPS))

    def remember(self, rows: Iterable[object]) -> None:
        """Begin with these steps, oldest first: rows with a step's fields. They are not counted."""
        self.steps.clear()
        self.steps.extend(map(_step, rows))

    def note(self, record: TransitionRecord) -> None:
        """Count a transition."""
        machine = record.machine.partition(":")[0]
        outcome = record.outcome.value
        self.counts[machine, record.src, record.trigger, record.dst, outcome] += 1
        if machine == MACHINE:
            self.steps.append(_step(record))

    def total(self, machine: str, trigger: str) -> int:
        """How often a trigger moved a machine of this kind."""
        return sum(
            count
            for (of, _, what, _, outcome), count in self.counts.items()
            if (of, what) == (machine, trigger) and outcome != Outcome.DENIED
        )


@dataclass(frozen=True, slots=True)
class TappedJournal:
    """The `Journal` of the transition log over another one; a History listens."""

    journal: Journal
    history: History

    async def append(self, *records: TransitionRecord) -> None:
        """Add records in their order. May raise StoreUnavailable; they are counted all the same."""
        for record in records:
            self.history.note(record)
        await self.journal.append(*records)


def _step(row: object) -> Step:
    return msgspec.convert(row, Step, from_attributes=True)
