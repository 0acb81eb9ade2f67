"""What follows a failed handler: a pause and a restart, or quarantine and probes."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

import anyio
import structlog

from actors.runtime.background import Background
from actors.runtime.cells import Actor, Cell, Cells
from actors.runtime.counting import RuntimeMeter
from actors.runtime.errors import ExpectedError, error_text, errors_in
from actors.runtime.letters import ActorCrashed, Address, FailuresShared, Message, Report
from actors.runtime.policy import Policy, RuntimeBounds
from actors.runtime.timers import Timers

_log = structlog.get_logger()

SaidT = TypeVar("SaidT")


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
        self._charged: dict[Address, Cell] = {}
        """The cells with crashes that count."""

    async def failed(self, cell: Cell, message: Message, failure: BaseException) -> None:
        """Pause the cell of a handler that raised, or quarantine it.

        A group is unwrapped, see `_judged`. A cell that was set aside while its handler ran keeps
        its quarantine and its pause.
        """
        self._cells.note_failing(cell)
        errors = errors_in(failure)
        error, pause_s, asked_s = self._judged(errors)
        if pause_s is not None:
            if not cell.quarantined:
                self._pause(cell, asked_s)
            return
        actor = cell.actor
        self._note(cell, message, error, failure)
        shared = self._is_shared(cell, error)
        if not shared and actor is not None:
            await self._background.guarded(self._crashed, actor, error)
        if cell.quarantined:
            return
        if not shared and self._is_too_much(cell, errors):
            self._set_aside(cell, error)
        else:
            attempt = cell.streak.failures
            self._pause(cell, self._bounds.restart.delay_s(attempt, self._random, asked_s))

    def _judged(self, errors: Sequence[Exception]) -> tuple[Exception, float | None, float]:
        """The error of a failure that counts, its pause, and the longest pause of all of them.

        A bug comes before an error that only asks for a pause, and that before any other: a bug
        must be seen, and a rate limit explains the rest. Within these, the order of `errors_in`.
        """
        pauses = [self._policy_says(None, self._policy.pause_s, error) for error in errors]
        judged = list(zip(errors, pauses, strict=True))
        error, pause_s = min(judged, key=_rank)
        return error, pause_s, max((each for each in pauses if each is not None), default=0.0)

    async def _crashed(self, actor: Actor, error: Exception) -> None:
        with anyio.fail_after(self._bounds.crashed_within_s):
            await actor.crashed(error)

    def succeeded(self, cell: Cell, now: float) -> None:
        """A handler returned: the actor is well, unless it was set aside meanwhile."""
        if not cell.quarantined:
            self._cells.note_well(cell)
            cell.on_probation = False
            cell.streak = cell.streak.succeeded(now)

    def set_aside(self, address: Address, error: Exception) -> None:
        """Quarantine an actor because of a failure that another part of the program has seen."""
        cell = self._cells.of(address)
        if not cell.quarantined:
            self._fails(cell, error)
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

        Earlier crashes of the cells that are well no longer count towards a quarantine.
        """
        for cell in self._cells:
            if cell.pause_timer is None:
                continue
            if not cell.quarantined:
                cell.crashes = ()
                self._charged.pop(cell.address, None)
                self.end_pause(cell)
            elif self._ends_with_outage(cell):
                self.end_pause(cell)

    def _ends_with_outage(self, cell: Cell) -> bool:
        ends_with_outage = self._policy.ends_with_outage
        return cell.error is not None and self._policy_says(False, ends_with_outage, cell.error)  # noqa: FBT003

    def answers_again(self, address: Address) -> None:
        """End the pause of one cell, if an outage has caused it."""
        cell = self._cells.get(address)
        if cell is not None and cell.pause_timer is not None and self._ends_with_outage(cell):
            self.end_pause(cell)

    def _note(self, cell: Cell, message: Message, error: Exception, failure: BaseException) -> None:
        """Drop the actor, count the crash, log it and report it."""
        cell.actor = None
        self._fails(cell, error)
        self._meter.crashes += 1
        cell.crashes = self._bounds.crashes.after(cell.crashes, self._timers.now())
        self._charged[cell.address] = cell
        _log.warning(
            "actor_crashed",
            address=cell.address.name,
            message=type(message).__name__,
            error=error_text(error),
            crashes=len(cell.crashes),
            attempt=cell.streak.failures,
            exc_info=None if isinstance(error, ExpectedError) else failure,
        )
        self._policy_says(None, self._report, ActorCrashed(cell.address, error))

    def _fails(self, cell: Cell, error: Exception) -> None:
        """Count a failure. For an actor that was well for a while, counting starts anew."""
        now, healthy_after_s = self._timers.now(), self._bounds.healthy_after_s
        if cell.streak.was_well(now, healthy_after_s):
            cell.quarantines = 0
        cell.streak = cell.streak.failed(now, healthy_after_s)
        self._cells.note_error(cell, error)

    def _is_shared(self, cell: Cell, error: Exception) -> bool:
        """Whether many actors share the cause; then their crashes no longer count."""
        shared_by = self._policy.shared_by
        actors = self._policy_says(None, shared_by, cell.address, error, self._active)
        if actors:
            for address in [each for each in self._charged if each in actors]:
                self._charged.pop(address).crashes = ()
        if actors:
            shared = FailuresShared(len(actors), error_text(error))
            self._policy_says(None, self._report, shared)
        return actors is not None

    def _is_too_much(self, cell: Cell, errors: Sequence[Exception]) -> bool:
        """Whether this crash quarantines the actor.

        Too many crashes do, and after a quarantine any crash before it was well for a while. A
        crash is charged if each of its errors is: one that is not may have caused the others.
        """
        is_charged = self._policy.is_charged
        if not all(self._policy_says(True, is_charged, cell.address, error) for error in errors):  # noqa: FBT003
            return False
        return cell.quarantines > 0 or self._bounds.crashes.exceeded(cell.crashes)

    def _set_aside(self, cell: Cell, error: Exception) -> None:
        cell.quarantined = cell.on_probation = True
        cell.quarantines += 1
        cell.crashes = ()
        self._charged.pop(cell.address, None)
        delay_s = self._bounds.probe.delay_s(cell.quarantines, self._random)
        self._pause(cell, delay_s)
        self._policy_says(None, self._policy.quarantined, cell.address, error, delay_s)

    def _pause(self, cell: Cell, delay_s: float) -> None:
        timer = self._timers.later(delay_s, lambda: self._pause_ended(cell, timer))
        cell.pause_timer = timer
        cell.paused_until = self._timers.now() + delay_s

    def _pause_ended(self, cell: Cell, timer: int) -> None:
        if cell.pause_timer == timer:
            self.end_pause(cell)

    def _probe(self, cell: Cell) -> None:
        cell.quarantined = False
        self._policy_says(None, self._policy.probed, cell.address, cell.probes)
        probe = self._policy_says(None, self._policy.probe_with, cell.address)
        if probe is not None:
            cell.post(probe)
        self._wake(cell)

    @staticmethod
    def _policy_says(default: SaidT, method: Callable[..., SaidT], *args: object) -> SaidT:
        """Call a method of the program; its bug is logged, and stops no actor."""
        try:
            return method(*args)
        except Exception as bug:  # noqa: BLE001  the boundary: the program decides, and may err
            _log.error("policy_failed", error=error_text(bug), exc_info=bug)
            return default


def _rank(judged: tuple[Exception, float | None]) -> int:
    error, pause_s = judged
    if pause_s is not None:
        return 1
    return 2 if isinstance(error, ExpectedError) else 0
