"""The one way in which a change of state becomes known: a log line and a journal row."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import anyio
import structlog

from actors.runtime.errors import ExpectedError
from actors.runtime.table import Outcome, Transition

_log = structlog.get_logger()

_S = TypeVar("_S", bound=str)
_T = TypeVar("_T", bound=str)


class Journal(Protocol):
    """The record of transitions. It survives a reset."""

    async def append(self, *transitions: Transition) -> None:
        """Add transitions in their order; a kill loses none of them. May raise an ExpectedError."""
        ...


class TransitionLog:
    """Writes transitions of all machines. `wall_clock` gives seconds since the epoch."""

    def __init__(self, journal: Journal, boot: str, wall_clock: Callable[[], float]) -> None:
        self.boot = boot
        self.wall_clock = wall_clock
        self._journal = journal
        self._noted: list[Transition] = []
        self._writing = anyio.Lock()
        # Bound once, as logging was set up before: thousands of rooms may tell at one start.
        self._log = structlog.get_logger().bind()

    def decided(
        self,
        machine: str,
        src: _S,
        trigger: _T,
        dst: _S | None,
        reason: str,
        *,
        failed: bool = False,
        attempt: int = 1,
        dwell_s: float = 0.0,
    ) -> Transition[_S, _T]:
        """A transition that is made now, in this run. Without a `dst` it is denied.

        `failed` says that a failing activity causes it.
        """
        made = Outcome.ERROR if failed else Outcome.OK
        return Transition(
            at=_rfc3339(self.wall_clock()),
            boot=self.boot,
            machine=machine,
            src=src,
            trigger=trigger,
            dst=src if dst is None else dst,
            outcome=Outcome.DENIED if dst is None else made,
            reason=reason,
            attempt=attempt,
            dwell_ms=round(dwell_s * 1000),
        )

    async def write(self, transition: Transition) -> None:
        """Log it and journal it, durably where the journal works; what was noted goes first."""
        self.note(transition)
        await self.flush()

    def note(self, transition: Transition, *, is_routine: bool = False) -> bool:
        """Log a transition at once and keep it for the journal until the next `flush`.

        A routine transition is logged at debug level. Returns True when `flush` must be called:
        when no earlier note waits for it.
        """
        log = self._log.debug if is_routine else self._log.info
        log(
            f"{transition.machine.partition(':')[0]}_transition",
            machine=transition.machine,
            src=transition.src,
            trigger=transition.trigger,
            dst=transition.dst,
            outcome=transition.outcome.value,
            reason=transition.reason,
            attempt=transition.attempt,
            dwell_ms=transition.dwell_ms,
        )
        self._noted.append(transition)
        return len(self._noted) == 1

    async def flush(self) -> None:
        """Make what was noted durable, in the order in which it was noted.

        A journal that fails costs its rows and stops nobody.
        """
        async with self._writing:
            noted, self._noted = self._noted, []
            if not noted:
                return
            try:
                await self._journal.append(*noted)
            except ExpectedError as error:
                _log.error("journal_lost", rows=len(noted), error=str(error))


def _rfc3339(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return at.replace("+00:00", "Z")
