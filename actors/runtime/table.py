"""A state machine as one table of rules, and the transition that a trigger makes.

`Table` is built over the synchronous `transitions.Machine`. The table decides, and its caller acts:
the machine has no callbacks and no registered models, because a model costs kilobytes and
`add_model` is quadratic. `Table` asks the machine about every pair of state and trigger once, when
it is made. After that, a decision costs one look-up, for ten thousand machines as well.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from transitions import Machine, MachineError
from typing_extensions import TypeVar as TypeVarWithDefault

S = TypeVar("S", bound=StrEnum)
T = TypeVar("T", bound=StrEnum)
State_co = TypeVarWithDefault("State_co", bound=str, covariant=True, default=str)
Trigger_co = TypeVarWithDefault("Trigger_co", bound=str, covariant=True, default=str)


@dataclass(frozen=True, slots=True)
class Row(Generic[S, T]):
    """One rule: `trigger` in the state `src` leads to the state `dst`."""

    src: S
    trigger: T
    dst: S


class Outcome(StrEnum):
    """The outcome of a trigger."""

    OK = "ok"
    """The state changed."""
    DENIED = "denied"
    """The table has no row for the trigger; the state is unchanged."""
    ERROR = "error"
    """The state changed because an activity failed."""


@dataclass(frozen=True, slots=True)
class Transition(Generic[State_co, Trigger_co]):
    """The outcome of one trigger in one machine, as the log, the journal and the status show it.

    `at` is RFC 3339 in UTC, `boot` names the run of the process, and `dwell_ms` is the time that
    the machine had spent in `src`. `attempt` counts the attempts at what the trigger reports, from
    1. In a denied transition `dst` equals `src`. The fields have the order of the journal's
    columns.
    """

    at: str
    boot: str
    machine: str
    src: State_co
    trigger: Trigger_co
    dst: State_co
    outcome: Outcome
    reason: str
    attempt: int
    dwell_ms: int


class _Model:
    __slots__ = ("state",)

    def __init__(self, state: str) -> None:
        self.state = state


class Table(Generic[S, T]):
    """The rules of a machine. It is stateless: the caller keeps the current state."""

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
        """The next state, or None when the table denies the trigger."""
        return self._next.get((state, trigger))
