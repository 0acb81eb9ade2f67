"""What follows when a handler fails: a rest and a restart, or quarantine and probes."""

from collections.abc import Callable
from random import Random

import structlog

from actors.runtime.background import Background
from actors.runtime.cells import Actor, Cell, Cells
from actors.runtime.counting import RuntimeMeter
from actors.runtime.errors import ExpectedError, error_text
from actors.runtime.letters import ActorCrashed, Address, FailuresShared, Message, Report
from actors.runtime.policy import Policy, RuntimeBounds
from actors.runtime.timers import Timers

_log = structlog.get_logger()


class Recovery:
    """Restarts and quarantine of all cells. `wake` lets a cell run, `report` tells upwards."""

    def __init__(
        self,
        cells: Cells,
        timers: Timers,
        policy: Policy,
        background: Background,
        *,
        random: Random,
        bounds: RuntimeBounds,
        meter: RuntimeMeter,
        active: Callable[[str, float], int],
        wake: Callable[[Cell], None],
        report: Callable[[Report], None],
    ) -> None:
        self._cells = cells
        self._timers = timers
        self._policy = policy
        self._background = background
        self._random = random
        self._bounds = bounds
        self._meter = meter
        self._active = active
        self._wake = wake
        self._report = report

    async def failed(self, cell: Cell, actor: Actor, message: Message, error: Exception) -> None:
        """A handler raised: keep the message, and let the actor rest or set it aside."""
        pause_s = self._policy.pause_s(error)
        cell.keep(message)
        if pause_s is not None:
            self._pause(cell, pause_s)
            return
        self._note(cell, message, error)
        shared = self._is_shared(cell, error)
        if not shared:
            await self._background.guarded(actor.crashed, error)
        if not shared and self._is_too_much(cell, error):
            self._set_aside(cell, error)
        else:
            self._pause(cell, self._bounds.restart.delay_s(len(cell.crashes), self._random))

    def succeeded(self, cell: Cell) -> None:
        """A handler came to its end: the actor is well."""
        cell.probes = 0

    def set_aside(self, address: Address, error: Exception) -> None:
        """Quarantine an actor over a failure that was seen elsewhere; it is probed like any."""
        cell = self._cells.of(address)
        if not cell.quarantined:
            cell.error = error
            self._set_aside(cell, error)

    def end_pause(self, cell: Cell) -> None:
        """Let a cell run now, however long it was to rest; a quarantined one is probed."""
        cell.pause_timer = None
        if cell.quarantined:
            self._probe(cell)
        else:
            self._wake(cell)

    def outage_is_over(self) -> None:
        """Give every cell that rests because of what was lost another chance now."""
        for cell in self._cells:
            if cell.pause_timer is None:
                continue
            if not cell.quarantined:
                cell.crashes = ()
                self.end_pause(cell)
            elif cell.error is not None and self._policy.ends_with_outage(cell.error):
                self.end_pause(cell)

    def _note(self, cell: Cell, message: Message, error: Exception) -> None:
        """End the incarnation, count the crash, and say so."""
        cell.actor = None
        cell.error = error
        self._meter.crashes += 1
        cell.crashes = self._bounds.crashes.after(cell.crashes, self._timers.now())
        _log.warning(
            "actor_crashed",
            address=cell.address.name,
            message=type(message).__name__,
            error=error_text(error),
            crashes=len(cell.crashes),
            exc_info=None if isinstance(error, ExpectedError) else error,
        )
        self._report(ActorCrashed(cell.address, error))

    def _is_shared(self, cell: Cell, error: Exception) -> bool:
        """Whether the cause is outside of the actors; then none of them is charged."""
        actors = self._policy.shared_by(cell.address, error, self._active)
        for address in actors or ():
            self._cells.of(address).crashes = ()
        if actors:
            self._report(FailuresShared(len(actors), error_text(error)))
        return actors is not None

    def _is_too_much(self, cell: Cell, error: Exception) -> bool:
        """Whether this crash is one too many for the actor."""
        if not self._policy.is_charged(cell.address, error):
            return False
        return cell.probes > 0 or self._bounds.crashes.exceeded(cell.crashes)

    def _set_aside(self, cell: Cell, error: Exception) -> None:
        cell.quarantined = True
        cell.probes += 1
        cell.crashes = ()
        delay_s = self._bounds.probe.delay_s(cell.probes, self._random)
        self._pause(cell, delay_s)
        self._policy.quarantined(cell.address, error, delay_s)

    def _pause(self, cell: Cell, delay_s: float) -> None:
        timer = self._timers.later(delay_s, lambda: self._pause_ended(cell, timer))
        cell.pause_timer = timer
        cell.paused_until = self._timers.now() + delay_s

    def _pause_ended(self, cell: Cell, timer: int) -> None:
        if cell.pause_timer == timer:
            self.end_pause(cell)

    def _probe(self, cell: Cell) -> None:
        cell.quarantined = False
        self._policy.probed(cell.address, cell.probes)
        cell.post(self._policy.probe_with(cell.address))
        self._wake(cell)
