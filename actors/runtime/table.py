"""A state machine that is one table, over the synchronous `transitions.Machine`.

The machine decides; whoever fires it acts. It has no callbacks and no registered models: a model
costs kilobytes and `add_model` is quadratic. It is asked about every pair once, when the table is
made, so that ten thousand rooms fire at the price of a look-up.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from transitions import Machine, MachineError

S = TypeVar("S", bound=StrEnum)
T = TypeVar("T", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Row(Generic[S, T]):
    """When `trigger` is fired in `src`, the state becomes `dst`."""

    src: S
    trigger: T
    dst: S


class Outcome(StrEnum):
    """What became of a trigger."""

    OK = "ok"
    DENIED = "denied"
    """The table has no row for it; the state is unchanged."""
    ERROR = "error"
    """The state changed because an activity failed."""


@dataclass(frozen=True, slots=True)
class TransitionRecord:
    """One row of the journal. `seq` is given by the journal.

    `at` is RFC 3339 in UTC, `boot` names the process's run, `dwell_ms` is how long the machine had
    been in `src`, `attempt` counts the tries of what the trigger reports.
    """

    at: str
    boot: str
    machine: str
    src: str
    trigger: str
    dst: str
    outcome: Outcome
    reason: str
    attempt: int
    dwell_ms: int


class _Model:
    __slots__ = ("state",)

    def __init__(self, state: str) -> None:
        self.state = state


class Table(Generic[S, T]):
    """The rows of a machine, checked once. Stateless: the caller keeps the current state."""

    def __init__(self, rows: Sequence[Row[S, T]], *, initial: S) -> None:
        self.rows = tuple(rows)
        self.initial = initial
        states: Iterable[S] = type(initial)
        machine = Machine(
            model=None,
            states=[str(state) for state in states],
            transitions=[
                {"source": str(row.src), "trigger": str(row.trigger), "dest": str(row.dst)}
                for row in rows
            ],
            initial=None,
            auto_transitions=False,
        )
        by_name = {str(state): state for state in states}
        self._next: dict[tuple[S, str], S] = {}
        for state in states:
            for name, event in machine.events.items():
                model = _Model(str(state))
                with suppress(MachineError):
                    event.trigger(model)
                    self._next[state, name] = by_name[model.state]

    def next(self, state: S, trigger: T) -> S | None:
        """The state that follows, or None when the table denies the trigger."""
        return self._next.get((state, trigger))
