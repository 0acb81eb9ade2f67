"""The one way in which a change of state becomes known: a log line and a journal row."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from actors.machine import Outcome, TransitionRecord
from actors.ports import Journal, PortError

_log = structlog.get_logger()

ROUTINE: Final = frozenset({"checked"})
"""Triggers that every room fires at every start; they are logged at debug level."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state that was decided, or denied."""

    machine: str
    src: str
    trigger: str
    dst: str
    outcome: Outcome
    reason: str
    attempt: int = 1
    dwell_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TransitionLog:
    """Writes transitions of all machines. `wall_clock` gives seconds since the epoch.

    A journal that fails costs its rows and stops nobody: the log has them all the same.
    """

    journal: Journal
    boot: str
    wall_clock: Callable[[], float]

    async def write(self, transition: Transition) -> None:
        """Log it and journal it, durably where the journal works."""
        dwell_ms = round(transition.dwell_s * 1000)
        kind = transition.machine.partition(":")[0]
        level = "debug" if transition.trigger in ROUTINE else "info"
        getattr(_log, level)(
            f"{kind}_transition",
            machine=transition.machine,
            src=transition.src,
            trigger=transition.trigger,
            dst=transition.dst,
            outcome=str(transition.outcome),
            reason=transition.reason,
            attempt=transition.attempt,
            dwell_ms=dwell_ms,
        )
        at = datetime.fromtimestamp(self.wall_clock(), UTC).isoformat(timespec="milliseconds")
        record = TransitionRecord(
            at=at.replace("+00:00", "Z"),
            boot=self.boot,
            machine=transition.machine,
            src=transition.src,
            trigger=transition.trigger,
            dst=transition.dst,
            outcome=transition.outcome,
            reason=transition.reason,
            attempt=transition.attempt,
            dwell_ms=dwell_ms,
        )
        try:
            await self.journal.append(record)
        except PortError as error:
            _log.error("journal_lost", machine=transition.machine, error=str(error))
