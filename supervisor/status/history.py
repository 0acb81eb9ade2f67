"""What the journal is told, counted on its way: transitions by kind, and the newest ones."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from actors.runtime.table import Outcome, Transition
from actors.runtime.transition_log import Journal
from supervisor.lifecycle import MACHINE

STEPS: Final = 120
"""Transitions of the lifecycle that are remembered."""

Kind: TypeAlias = tuple[str, str, str, str, str]
"""A kind of transition: machine (`lifecycle` or `room`), src, trigger, dst, outcome."""


@dataclass(slots=True)
class History:
    """Transitions of this process by kind, and the newest ones of the lifecycle."""

    counts: Counter[Kind] = field(default_factory=Counter)
    steps: deque[Transition] = field(default_factory=lambda: deque(maxlen=STEPS))

    def remember(self, transitions: Iterable[Transition]) -> None:
        """Begin with these, of the lifecycle and oldest first. They are not counted."""
        self.steps.clear()
        self.steps.extend(transitions)

    def note(self, transition: Transition) -> None:
        """Count a transition."""
        machine = transition.machine.partition(":")[0]
        kind = machine, transition.src, transition.trigger, transition.dst, transition.outcome.value
        self.counts[kind] += 1
        if machine == MACHINE:
            self.steps.append(transition)

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

    async def append(self, *transitions: Transition) -> None:
        """Add them in their order. May raise StoreUnavailable; they are counted all the same."""
        for transition in transitions:
            self.history.note(transition)
        await self.journal.append(*transitions)
