"""Counts the transitions of this process, and keeps the newest of the lifecycle."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from actors.runtime.table import Outcome, Transition
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

    def remember(self, transitions: Iterable[Transition], boot: str) -> None:
        """Put these transitions, oldest first, before those of the run `boot`, without counting.

        They are transitions of the lifecycle from earlier runs, and replace those that are kept.
        """
        of_this_run = [step for step in self.steps if step.boot == boot]
        self.steps.clear()
        self.steps.extend(transitions)
        self.steps.extend(of_this_run)

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
