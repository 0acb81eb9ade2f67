"""Drives the bot through its lifecycle: one activity per state, one transition per activity.

`lifecycle` says which state follows, `errors` what an activity's error means, `current` what the
bot knows in each state. This module runs the activities and makes the transitions.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final, Protocol, assert_never

import anyio
import structlog

from actors.bounds import Bounds
from actors.ports import PositionLost
from actors.runtime.restart import CrashWindow
from actors.runtime.table import Transition
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
from supervisor.errors import EXPECTED, fact_of
from supervisor.lifecycle import FAILURES, INITIAL, LIFECYCLE, LOSSES, MACHINE, State, Trigger

_log = structlog.get_logger()

RECOVERED: Final = "homeserver and database answer again"


class Activities(Protocol):
    """What is done in each state. An activity returns why it is done, or raises a port error."""

    async def log_in(self) -> str:
        """Get a session. Also raises CredentialsRefused."""
        ...

    async def hydrate(self) -> str:
        """Read the joined rooms' state."""
        ...

    async def reconcile(self) -> str:
        """Bring the cache in line with it. Also raises ReconcileFailed."""
        ...

    async def serve(self, *, degraded: bool = False) -> None:
        """Answer people until something raises. Also raises RoomsFail, unless `degraded`."""
        ...

    async def probe(self) -> None:
        """Return only after what was lost has really answered."""
        ...

    def forget_position(self) -> None:
        """The sync position is not good any more."""
        ...


class TransitionDenied(Exception):
    """An activity asked for a transition that the table does not have: a bug."""


class Supervisor:
    """The only writer of the lifecycle's state. It begins in `initial`."""

    def __init__(
        self,
        activities: Activities,
        transitions: TransitionLog,
        random: Random,
        *,
        bounds: Bounds = Bounds(),
        initial: WorkingState = INITIAL,
        on_change: Callable[[State, str], None] = lambda _state, _reason: None,
    ) -> None:
        self._activities = activities
        self._transitions = transitions
        self._random = random
        self._bounds = bounds
        self._on_change = on_change
        self._current: Current = Working(initial, anyio.current_time())
        self._memory = Memory()
        self._stop_reason: str | None = None
        self._activity: anyio.CancelScope | None = None

    @property
    def current(self) -> Current:
        """The state that the bot is in, with what belongs to it."""
        return self._current

    @property
    def state(self) -> State:
        """The state that the bot is in."""
        return self._current.state

    @property
    def attempts(self) -> int:
        """Attempts in a row to come back that did not lead to staying live."""
        return self._memory.attempts

    def request_stop(self, reason: str) -> None:
        """End the current activity; the next transition leads to `stopped`."""
        self._stop_reason = self._stop_reason or reason
        if self._activity is not None:
            self._activity.cancel()

    async def run(self) -> Stopped:
        """Step until stopped."""
        while not isinstance(self._current, Stopped):
            await self.step()
        return self._current

    async def step(self) -> Transition[State, Trigger]:
        """Run the current state's activity to its end, and make the transition it asks for."""
        return await self._fire(await self._fact())

    async def _fact(self) -> Fact:
        """Run the activity; a request to stop ends it at whatever point it is."""
        with anyio.CancelScope() as self._activity:
            if self._stop_reason is not None:
                return Fact(Trigger.STOP_REQUESTED, self._stop_reason)
            try:
                return await self._act()
            except EXPECTED as error:
                return self._failed(error)
        return Fact(Trigger.STOP_REQUESTED, self._stop_reason or "cancelled")

    async def _act(self) -> Fact:
        match self._current:
            case Working(state):
                return await self._work(state)
            case Degraded() as degraded:
                return await self._recover(degraded)
            case Stopped():
                raise RuntimeError("stopped is the end")
            case _:
                assert_never(self._current)

    async def _work(self, state: WorkingState) -> Fact:
        match state:
            case State.LOGIN:
                return await self._log_in()
            case State.HYDRATE:
                return Fact(Trigger.HYDRATED, await self._activities.hydrate())
            case State.RECONCILE:
                return Fact(Trigger.RECONCILED, await self._activities.reconcile())
            case State.LIVE:
                await self._activities.serve()
                raise RuntimeError("serve ends by raising")
            case _:
                assert_never(state)

    async def _log_in(self) -> Fact:
        if self._memory.is_storm(self._bounds):
            return Fact(Trigger.HOMESERVER_LOST, _two_programs(self._bounds.revocations))
        return Fact(Trigger.LOGGED_IN, await self._activities.log_in())

    def _failed(self, error: Exception) -> Fact:
        if isinstance(error, PositionLost):
            self._activities.forget_position()
        return fact_of(error, self._current)

    async def _recover(self, degraded: Degraded) -> Fact:
        """Try until a request has really succeeded."""
        while True:
            fact = await self._attempt(degraded)
            if fact.trigger not in LOSSES:
                return fact
            _log.warning("probe_failed", attempt=self.attempts, reason=fact.reason)
            self._current = degraded = degraded.lost_again(fact)
            self._on_change(degraded.state, degraded.reason)

    async def _attempt(self, degraded: Degraded) -> Fact:
        """Wait, longer with each attempt, and probe."""
        self._memory = self._memory.with_attempt()
        delay_s = self._bounds.probe.delay_s(self.attempts, self._random, degraded.retry_after_s)
        self._current = replace(degraded, next_attempt_at=anyio.current_time() + delay_s)
        _log.info("degraded", attempt=self.attempts, next_attempt_in_s=round(delay_s, 1))
        try:
            await self._wait(degraded, delay_s)
            await self._activities.probe()
        except EXPECTED as error:
            return fact_of(error, degraded)
        return Fact(degraded.recovered(), RECOVERED)

    async def _wait(self, degraded: Degraded, delay_s: float) -> None:
        """Let time pass; where only some rooms fail, the others are served meanwhile."""
        with anyio.move_on_after(delay_s) as scope:
            if degraded.serves:
                retry_after_s = await self._serve_while_degraded()
                scope.deadline = max(scope.deadline, anyio.current_time() + retry_after_s)
                self._current = replace(degraded, next_attempt_at=scope.deadline)
            await anyio.sleep_forever()

    async def _serve_while_degraded(self) -> float:
        """Serve until a loss ends that; for how long the homeserver then asks to be left alone."""
        try:
            await self._activities.serve(degraded=True)
        except EXPECTED as error:
            fact = self._failed(error)
            if fact.trigger not in LOSSES:
                raise
            _log.warning("served_no_longer", trigger=str(fact.trigger), reason=fact.reason)
            return fact.retry_after_s
        raise RuntimeError("serve ends by raising")

    async def _fire(self, fact: Fact) -> Transition[State, Trigger]:
        """The one place where the state changes; the journal hears of it before all else."""
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
        await self._transitions.write(transition)
        if dst is None:
            raise TransitionDenied(f"{fact.trigger} in {src}: {fact.reason}")
        self._memory = memory
        self._current = entered(dst, fact, src, anyio.current_time())
        self._on_change(dst, fact.reason)
        return transition


def _two_programs(window: CrashWindow) -> str:
    return (
        f"the session was revoked {window.limit} times within {window.within_s / 60:g} min: "
        "another program seems to use this account and device id"
    )
