"""Writes every transition of every machine: as a log line, and as a row of the journal."""

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
    """The lasting record of transitions."""

    async def append(self, *transitions: Transition) -> None:
        """Add transitions in order; on return a kill loses none. May raise an ExpectedError."""
        ...


class TransitionLog:
    """Logs and journals the transitions of one run, which `boot` names.

    `wall_clock` gives seconds since the epoch. Without a journal, transitions are kept until
    `journal_to` names one. `tell` gets each transition at once, also one that no journal keeps.
    """

    def __init__(
        self,
        journal: Journal | None,
        boot: str,
        wall_clock: Callable[[], float],
        *,
        tell: Callable[[Transition], object] = lambda _: None,
    ) -> None:
        self.boot = boot
        self.wall_clock = wall_clock
        self._tell = tell
        self._journal = journal
        self._noted: list[Transition] = []
        self._writing = anyio.Lock()
        # Bound once, because thousands of machines may log at one start; logging is set up by then.
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
        """The transition of a trigger that was decided just now. A `dst` of None means denied.

        `failed` says that a failing activity caused the trigger. `dwell_s` is in seconds.
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

    async def journal_to(self, journal: Journal) -> None:
        """Journal all kept and further transitions here. On return the kept ones are durable."""
        self._journal = journal
        await self.flush()

    async def write(self, transition: Transition) -> None:
        """Log a transition and journal it, after the noted ones. On return it is durable.

        A journal that fails loses the row, and raises nothing.
        """
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
        self._tell(transition)
        self._noted.append(transition)
        return len(self._noted) == 1

    async def flush(self) -> None:
        """Journal the noted transitions in their order. On return they are durable.

        So are those that were noted meanwhile. A journal that fails loses these rows, and raises
        nothing.
        """
        async with self._writing:
            while self._journal is not None and self._noted:
                noted, self._noted = self._noted, []
                try:
                    await self._journal.append(*noted)
                except ExpectedError as error:
                    _log.error("journal_lost", rows=len(noted), error=str(error))


def _rfc3339(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return at.replace("+00:00", "Z")
