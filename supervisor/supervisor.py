"""Drives the bot through its lifecycle: one activity per state, one transition per activity.

`lifecycle` decides which state follows, `errors` which trigger an activity's error becomes, and
`current` has the data of each state. This module runs the activities and makes the transitions.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final, Protocol, assert_never

import anyio
import structlog

from actors.bounds import Bounds
from actors.leadership import Lead, Leadership
from actors.port_errors import PositionLost
from actors.runtime.restart import CrashWindow
from actors.runtime.table import Outcome, Transition
from actors.runtime.transition_log import TransitionLog
from supervisor.current import (
    Current,
    Degraded,
    Fact,
    Memory,
    Stopped,
    Working,
    WorkingState,
    entered,
)
from supervisor.errors import CAUGHT, EXPECTED, expected_in, fact_of, lease_lost
from supervisor.lifecycle import FAILURES, INITIAL, LIFECYCLE, LOSSES, MACHINE, State, Trigger

_log = structlog.get_logger()

RECOVERED: Final = "homeserver and database answer again"


class Activities(Protocol):
    """The activities. Each returns the reason of the transition, or raises a port error."""

    async def log_in(self) -> str:
        """Get a session. Also raises CredentialsRefused."""
        ...

    async def hydrate(self) -> str:
        """Read the joined rooms' state."""
        ...

    async def reconcile(self) -> str:
        """Bring the cache in line with that state. Also raises ReconcileFailed."""
        ...

    async def serve(self, *, degraded: bool = False) -> None:
        """Answer messages until an error is raised. Also raises RoomsFail, unless `degraded`."""
        ...

    async def probe(self) -> None:
        """Return only after both the homeserver and the store have answered."""
        ...

    async def wait_for_store(self) -> None:
        """Return once the store answers, or raise what else is wrong with it."""
        ...

    def forget_position(self) -> None:
        """Drop the sync position: it is no longer valid."""
        ...


class TransitionDenied(Exception):
    """An activity led to a transition that the table does not have: a bug."""


class Supervisor:
    """The only writer of the lifecycle's state, which begins as `initial`.

    While this process stands by, it has no part of the bot open, and no activities.
    """

    def __init__(
        self,
        leadership: Leadership,
        transitions: TransitionLog,
        random: Random,
        *,
        bounds: Bounds = Bounds(),
        initial: WorkingState = INITIAL,
        on_change: Callable[[State, str], None] = lambda _state, _reason: None,
    ) -> None:
        self._leadership = leadership
        self._transitions = transitions
        self._random = random
        self._bounds = bounds
        self._on_change = on_change
        self._current: Current = Working(initial, anyio.current_time())
        self._memory = Memory()
        self._end: Fact | None = None
        self._activity: anyio.CancelScope | None = None
        self._is_journaling = False
        self.lead: Lead | None = None
        """This process's lead, once it is elected."""
        self.activities: Activities
        """Set by the owner before the step from `login`, once the bot's files are open."""

    @property
    def current(self) -> Current:
        """The bot's state, with its data."""
        return self._current

    @property
    def state(self) -> State:
        """The bot's state."""
        return self._current.state

    @property
    def attempts(self) -> int:
        """Consecutive recovery attempts since the bot last stayed live."""
        return self._memory.attempts

    def request_stop(self, reason: str) -> None:
        """End the current activity; the next transition leads to `stopped`."""
        self.end_with(Fact(Trigger.STOP_REQUESTED, reason))

    def end_with(self, fact: Fact) -> None:
        """End the current activity, and all that follow, with the first fact that does so.

        Between two activities the state changes at once: the journal may take long to answer.
        """
        if self._end is not None:
            return
        self._end = fact
        if self._activity is not None:
            self._activity.cancel()
        if self._is_journaling and not isinstance(self._current, Stopped):
            self._fire(fact)

    async def stand_by(self) -> Lead | None:
        """Wait until this process leads; None if it is asked to stop before."""
        await self.step()
        return self.lead

    async def keep_lead(self) -> None:
        """Keep the lead, and end the current activity when it is lost. Runs beside `run`."""
        self.end_with(lease_lost(await self._leadership.keep()))

    async def run(self) -> Stopped:
        """Run `step` until the bot is stopped."""
        while not isinstance(self._current, Stopped):
            await self.step()
        return self._current

    async def step(self) -> Transition[State, Trigger]:
        """Run the current state's activity to its end, and make the transition that follows.

        The state is changed first, then the journal is written: a database that does not answer
        must not hide the change.
        """
        fact = await self._fact()
        transition = self._fire(self._end or fact)
        self._is_journaling = True
        try:
            await self._transitions.flush()
        finally:
            self._is_journaling = False
        if transition.outcome is Outcome.DENIED:
            raise TransitionDenied(f"{transition.trigger} in {transition.src}: {transition.reason}")
        return transition

    async def _fact(self) -> Fact:
        """Run the activity. A stop, or the loss of the lead, cancels it at any point."""
        with anyio.CancelScope() as self._activity:
            if self._end is not None:
                return self._end
            try:
                return await self._act()
            except CAUGHT as raised:
                return self._failed(_expected(raised))
        return self._end or Fact(Trigger.STOP_REQUESTED, "cancelled")

    async def _act(self) -> Fact:
        match self._current:
            case Working(state):
                return await self._work(state)
            case Degraded() as degraded:
                return await self._recover(degraded)
            case Stopped():
                raise RuntimeError("a stopped bot has no activity")
            case _:
                assert_never(self._current)

    async def _work(self, state: WorkingState) -> Fact:
        match state:
            case State.STANDBY:
                self.lead = await self._leadership.lead()
                return Fact(Trigger.ELECTED, self.lead.reason)
            case State.LOGIN:
                return await self._log_in()
            case State.HYDRATE:
                return Fact(Trigger.HYDRATED, await self.activities.hydrate())
            case State.RECONCILE:
                return Fact(Trigger.RECONCILED, await self.activities.reconcile())
            case State.LIVE:
                await self.activities.serve()
                raise RuntimeError("serve ends by raising")
            case _:
                assert_never(state)

    async def _log_in(self) -> Fact:
        if self._memory.is_revoked_too_often(self._bounds):
            return Fact(Trigger.HOMESERVER_LOST, _two_programs(self._bounds.revocations))
        return Fact(Trigger.LOGGED_IN, await self.activities.log_in())

    def _failed(self, error: Exception) -> Fact:
        if isinstance(error, PositionLost):
            self.activities.forget_position()
        return fact_of(error, self._current)

    async def _recover(self, degraded: Degraded) -> Fact:
        """Probe until a probe succeeds or its error is not a loss."""
        while True:
            fact = await self._attempt(degraded)
            if fact.trigger not in LOSSES:
                return fact
            _log.warning("probe_failed", attempt=self.attempts, reason=fact.reason)
            self._current = degraded = degraded.lost_again(fact)
            self._on_change(degraded.state, degraded.reason)

    async def _attempt(self, degraded: Degraded) -> Fact:
        """Wait longer with each attempt, then probe."""
        self._memory = self._memory.with_attempt()
        delay_s = self._bounds.probe.delay_s(self.attempts, self._random, degraded.retry_after_s)
        self._current = replace(degraded, next_attempt_at=anyio.current_time() + delay_s)
        _log.info("degraded", attempt=self.attempts, next_attempt_in_s=round(delay_s, 1))
        try:
            await self._wait(degraded, delay_s)
            await self.activities.probe()
        except CAUGHT as raised:
            return fact_of(_expected(raised), degraded)
        return Fact(degraded.recovered(), RECOVERED)

    async def _wait(self, degraded: Degraded, delay_s: float) -> None:
        """Wait for `delay_s`. If only some rooms fail, serve the others meanwhile.

        A store that was lost ends the wait when it answers again: asking it burdens no other
        server.
        """
        with anyio.move_on_after(delay_s) as scope:
            if degraded.lacks_store:
                await self.activities.wait_for_store()
                return
            if degraded.serves:
                retry_after_s = await self._serve_while_degraded()
                scope.deadline = max(scope.deadline, anyio.current_time() + retry_after_s)
                self._current = replace(degraded, next_attempt_at=scope.deadline)
            await anyio.sleep_forever()

    async def _serve_while_degraded(self) -> float:
        """Serve until a loss ends it; return the pause in seconds that the homeserver asks for."""
        try:
            await self.activities.serve(degraded=True)
        except CAUGHT as raised:
            fact = self._failed(_expected(raised))
            if fact.trigger not in LOSSES:
                raise
            _log.warning("served_no_longer", trigger=str(fact.trigger), reason=fact.reason)
            return fact.retry_after_s
        raise RuntimeError("serve ends by raising")

    def _fire(self, fact: Fact) -> Transition[State, Trigger]:
        """Change the state, and note the transition for the journal. No other code changes it.

        A transition that the table does not have is noted as denied, and changes nothing.
        """
        src, left, now = self.state, self._current, anyio.current_time()
        dst = LIFECYCLE.next(src, fact.trigger)
        memory = self._memory.after(left, fact.trigger, now, self._bounds)
        transition = self._transitions.decided(
            MACHINE,
            src,
            fact.trigger,
            dst,
            fact.reason,
            failed=fact.trigger in FAILURES,
            attempt=max(1, memory.attempts),
            dwell_s=now - left.since,
        )
        self._transitions.note(transition)
        if dst is not None:
            self._memory = memory
            self._current = entered(dst, fact, src, now)
            self._on_change(dst, fact.reason)
        return transition


def _expected(raised: Exception) -> Exception:
    """The expected error that was raised. Raises anything else again: it is a bug."""
    error = expected_in(raised)
    if not isinstance(error, EXPECTED):
        raise error
    return error


def _two_programs(window: CrashWindow) -> str:
    return (
        f"the session was revoked {window.limit} times within {window.within_s / 60:g} min: "
        "another program seems to use this account and device id"
    )
