"""Counts transitions on their way to the journal, and keeps the newest of the lifecycle."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from actors.runtime.table import Outcome, Transition
from actors.runtime.transition_log import Journal
from supervisor.lifecycle import MACHINE

STEPS: Final = 120
"""The number of transitions of the lifecycle that are kept."""

Kind: TypeAlias = tuple[str, str, str, str, str]
"""A kind of transition: machine (`lifecycle` or `room`), src, trigger, dst, outcome."""


@dataclass(slots=True)
class History:
    """Transitions of this process by kind, and the newest ones of the lifecycle."""

    counts: Counter[Kind] = field(default_factory=Counter)
    steps: deque[Transition] = field(default_factory=lambda: deque(maxlen=STEPS))

    def remember(self, transitions: Iterable[Transition]) -> None:
        """Replace the kept transitions by these, oldest first, without counting them.

        They are transitions of the lifecycle from earlier runs.
        """
        self.steps.clear()
        self.steps.extend(transitions)

    def note(self, transition: Transition) -> None:
        """Count a transition; keep it if it is of the lifecycle."""
        machine = transition.machine.partition(":")[0]
        kind = machine, transition.src, transition.trigger, transition.dst, transition.outcome.value
        self.counts[kind] += 1
        if machine == MACHINE:
            self.steps.append(transition)

    def total(self, machine: str, trigger: str) -> int:
        """The number of times that a trigger moved a machine of this kind."""
        return sum(
            count
            for (of, _, what, _, outcome), count in self.counts.items()
            if (of, what) == (machine, trigger) and outcome != Outcome.DENIED
        )


@dataclass(frozen=True, slots=True)
class TappedJournal:
    """A `Journal` for the transition log that counts in a History and writes to another Journal."""

    journal: Journal
    history: History

    async def append(self, *transitions: Transition) -> None:
        """Count and write the transitions, in their order.

        Raises StoreUnavailable if they cannot be written; they are counted nevertheless.
        """
        for transition in transitions:
            self.history.note(transition)
        await self.journal.append(*transitions)
