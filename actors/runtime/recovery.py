"""What follows a failed handler: a pause and a restart, or quarantine and probes."""

from collections.abc import Callable
from random import Random

import structlog

from actors.runtime.background import Background
from actors.runtime.cells import Cell, Cells
from actors.runtime.counting import RuntimeMeter
from actors.runtime.errors import ExpectedError, error_text
from actors.runtime.letters import ActorCrashed, Address, FailuresShared, Message, Report
from actors.runtime.policy import Policy, RuntimeBounds
from actors.runtime.timers import Timers

_log = structlog.get_logger()


class Recovery:
    """Pauses, restarts, quarantines and probes cells.

    `active` counts the actors of a kind that are busy, or were within so many seconds. `wake` lets
    a cell run, and `report` passes a report upwards.
    """

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

    async def failed(self, cell: Cell, message: Message, error: Exception) -> None:
        """Keep the message of a handler that raised, and pause the cell or quarantine it.

        A cell that was set aside while its handler ran keeps its quarantine and its pause.
        """
        pause_s = self._policy.pause_s(error)
        actor = cell.actor
        cell.keep(message)
        if pause_s is not None:
            if not cell.quarantined:
                self._pause(cell, pause_s)
            return
        self._note(cell, message, error)
        shared = self._is_shared(cell, error)
        if not shared and actor is not None:
            await self._background.guarded(actor.crashed, error)
        if cell.quarantined:
            return
        if not shared and self._is_too_much(cell, error):
            self._set_aside(cell, error)
        else:
            attempt = max(1, len(cell.crashes))
            self._pause(cell, self._bounds.restart.delay_s(attempt, self._random))

    def succeeded(self, cell: Cell) -> None:
        """A handler returned: the actor is well, unless it was set aside meanwhile."""
        if not cell.quarantined:
            cell.probes = 0

    def set_aside(self, address: Address, error: Exception) -> None:
        """Quarantine an actor because of a failure that another part of the program has seen."""
        cell = self._cells.of(address)
        if not cell.quarantined:
            cell.error = error
            self._set_aside(cell, error)

    def end_pause(self, cell: Cell) -> None:
        """End a cell's pause now; a quarantined cell is probed."""
        cell.pause_timer = None
        if cell.quarantined:
            self._probe(cell)
        else:
            self._wake(cell)

    def outage_is_over(self) -> None:
        """End the pause of every cell that is well, and probe the cells that an outage quarantined.

        Earlier crashes of the cells that are well no longer count.
        """
        for cell in self._cells:
            if cell.pause_timer is None:
                continue
            if not cell.quarantined:
                cell.crashes = ()
                self.end_pause(cell)
            elif cell.error is not None and self._policy.ends_with_outage(cell.error):
                self.end_pause(cell)

    def answers_again(self, address: Address) -> None:
        """End the pause of one cell, if an outage has caused it."""
        cell = self._cells.get(address)
        if cell is None or cell.pause_timer is None or cell.error is None:
            return
        if self._policy.ends_with_outage(cell.error):
            self.end_pause(cell)

    def _note(self, cell: Cell, message: Message, error: Exception) -> None:
        """Drop the actor, count the crash, log it and report it."""
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
        """Whether many actors share the cause; then their crashes no longer count."""
        actors = self._policy.shared_by(cell.address, error, self._active)
        for address in actors or ():
            self._cells.of(address).crashes = ()
        if actors:
            self._report(FailuresShared(len(actors), error_text(error)))
        return actors is not None

    def _is_too_much(self, cell: Cell, error: Exception) -> bool:
        """Whether this crash quarantines the actor: a failed probe does, or too many crashes."""
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
