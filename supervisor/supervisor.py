"""Drives the bot through its lifecycle: one activity per state, one transition per activity."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol, assert_never

import anyio
import structlog

from actors.ports import (
    CredentialsRefused,
    HomeserverRefused,
    HomeserverUnavailable,
    PortError,
    PositionLost,
    RateLimited,
    SessionRevoked,
    StoreCorrupt,
    StoreUnavailable,
)
from actors.reconcile import ReconcileFailed, RoomsFail
from actors.runtime.restart import Backoff, CrashWindow
from actors.runtime.table import Outcome
from actors.runtime.transition_log import Transition, TransitionLog
from supervisor.lifecycle import LIFECYCLE, MACHINE, State, Trigger

_log = structlog.get_logger()

STOP_WITHIN_S: Final = 10.0
PROBE: Final = Backoff()
HEALTHY_AFTER_S: Final = 60.0
"""So long live, and the next loss is waited for as if it were the first."""
RECOVERED: Final = "homeserver and database answer again"
STORM: Final = CrashWindow(limit=3, within_s=300.0)
"""So many revoked sessions mean that two programs take turns."""


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


_OF_A_SESSION: Final = (Trigger.SESSION_REVOKED, Trigger.SYNC_POSITION_LOST)
"""What a homeserver says of a session only where there is one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One transition that was made."""

    src: State
    trigger: Trigger
    dst: State
    reason: str
    start_again: bool = False
    """Stopped only to open damaged files anew."""


class Supervisor:
    """The only writer of the lifecycle's state."""

    def __init__(
        self,
        activities: Activities,
        transitions: TransitionLog,
        random: Random,
        *,
        backoff: Backoff = PROBE,
        on_change: Callable[[State, str], None] = lambda _state, _reason: None,
    ) -> None:
        self._activities = activities
        self._transitions = transitions
        self._random = random
        self._backoff = backoff
        self._on_change = on_change
        self._state = LIFECYCLE.initial
        self._since = anyio.current_time()
        self._reason = ""
        self._next_attempt_at: float | None = None
        self._failures = 0
        """Times in a row that the bot was lost without having been live for a while."""
        self._cause: Trigger | None = None
        """Why the bot is degraded."""
        self._serves_meanwhile = False
        """While degraded: only some rooms fail, and the others were reconciled."""
        self._revocations: tuple[float, ...] = ()
        self._start_again = False
        self._retry_after_s = 0.0
        self._session = False
        self._stop_reason: str | None = None
        self._activity: anyio.CancelScope | None = None

    @property
    def state(self) -> State:
        """Where the bot is."""
        return self._state

    @property
    def since(self) -> float:
        """When it got there, in anyio's time."""
        return self._since

    @property
    def reason(self) -> str:
        """Why it is there; empty before the first transition."""
        return self._reason

    @property
    def cause(self) -> Trigger | None:
        """What was lost; None unless degraded."""
        return self._cause if self._state is State.DEGRADED else None

    @property
    def failures(self) -> int:
        """Attempts in a row to come back that did not lead to staying live."""
        return self._failures

    @property
    def next_attempt_at(self) -> float | None:
        """When the next attempt to recover begins, in anyio's time; None unless degraded.

        In the past while an attempt is being made.
        """
        return self._next_attempt_at

    def request_stop(self, reason: str) -> None:
        """End the current activity; the next transition leads to `stopped`."""
        self._stop_reason = self._stop_reason or reason
        if self._activity is not None:
            self._activity.cancel()

    async def run(self) -> Step:
        """Step until stopped; the last step says why."""
        while True:
            step = await self.step()
            if step.dst is State.STOPPED:
                return step

    async def step(self) -> Step:
        """Run the current state's activity to its end, and make the transition it asks for."""
        trigger, reason = await self._outcome()
        return await self._fire(trigger, reason)

    async def _outcome(self) -> tuple[Trigger, str]:
        """Run the activity; a request to stop ends it wherever it is."""
        with anyio.CancelScope() as self._activity:
            if self._stop_reason is not None:
                return Trigger.STOP_REQUESTED, self._stop_reason
            try:
                return await self._act()
            except (PortError, ReconcileFailed, RoomsFail) as error:
                return self._failed(error)
        return Trigger.STOP_REQUESTED, self._stop_reason or "cancelled"

    async def _act(self) -> tuple[Trigger, str]:
        match self._state:
            case State.LOGIN:
                return await self._log_in()
            case State.HYDRATE:
                return Trigger.HYDRATED, await self._activities.hydrate()
            case State.RECONCILE:
                return Trigger.RECONCILED, await self._activities.reconcile()
            case State.LIVE:
                await self._activities.serve()
                raise RuntimeError("serve ends by raising")
            case State.DEGRADED:
                return await self._recover()
            case State.STOPPED:
                raise RuntimeError("stopped is the end")
            case _:
                assert_never(self._state)

    async def _log_in(self) -> tuple[Trigger, str]:
        if STORM.exceeded(self._revocations):
            self._revocations = ()
            return Trigger.HOMESERVER_LOST, (
                f"the session was revoked {STORM.limit} times within {STORM.within_s / 60:g} min: "
                "another program seems to use this account and device id"
            )
        return Trigger.LOGGED_IN, await self._activities.log_in()

    def _failed(self, error: Exception) -> tuple[Trigger, str]:
        trigger = trigger_for(error)
        if trigger is Trigger.CREDENTIALS_REFUSED and self._state is not State.LOGIN:
            # An account that is locked while we run: the login finds out if there is a way in.
            trigger = Trigger.SESSION_REVOKED
        self._retry_after_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
        if trigger is Trigger.SYNC_POSITION_LOST:
            self._activities.forget_position()
        if trigger in _OF_A_SESSION and LIFECYCLE.next(self._state, trigger) is None:
            # Something in front of the homeserver: nobody has asked for this answer.
            trigger = Trigger.HOMESERVER_LOST
        return trigger, str(error) or type(error).__name__

    async def _recover(self) -> tuple[Trigger, str]:
        """Probe with a growing delay until a request has really succeeded."""
        while True:
            self._failures += 1
            delay_s = self._backoff.delay_s(self._failures, self._random, self._retry_after_s)
            self._next_attempt_at = anyio.current_time() + delay_s
            _log.info("degraded", attempt=self._failures, next_attempt_in_s=round(delay_s, 1))
            try:
                await self._wait(delay_s)
                await self._activities.probe()
            except StoreCorrupt as error:
                self._start_again = True
                return Trigger.STOP_REQUESTED, f"{error}; starting again with a new file"
            except (SessionRevoked, CredentialsRefused) as revoked:
                trigger = Trigger.SESSION_REVOKED if self._session else Trigger.LOGIN_NEEDED
                return trigger, str(revoked)
            except (PortError, RoomsFail) as error:
                _log.warning("probe_failed", attempt=self._failures, reason=str(error))
                self._reason = str(error) or self._reason
                self._on_change(self._state, self._reason)
                self._retry_after_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
            else:
                trigger = Trigger.RECOVERED if self._session else Trigger.LOGIN_NEEDED
                return trigger, RECOVERED

    async def _wait(self, delay_s: float) -> None:
        """Let time pass; where only some rooms fail, the others are served meanwhile."""
        with anyio.move_on_after(delay_s) as scope:
            if self._serves_meanwhile:
                try:
                    await self._activities.serve(degraded=True)
                except (SessionRevoked, CredentialsRefused, StoreCorrupt):
                    raise
                except (PortError, RoomsFail) as error:
                    trigger, reason = self._failed(error)
                    _log.warning("served_no_longer", trigger=str(trigger), reason=reason)
                    not_before = anyio.current_time() + self._retry_after_s
                    scope.deadline = self._next_attempt_at = max(scope.deadline, not_before)
            await anyio.sleep_forever()

    async def _fire(self, trigger: Trigger, reason: str) -> Step:
        """The one place where the state changes; the journal hears of it before all else."""
        src, dst = self._state, LIFECYCLE.next(self._state, trigger)
        if dst is None:
            await self._write(trigger, src, Outcome.DENIED, reason)
            raise TransitionDenied(f"{trigger} in {src}: {reason}")
        outcome = Outcome.ERROR if trigger in FAILURES else Outcome.OK
        if src is State.LIVE and anyio.current_time() - self._since >= HEALTHY_AFTER_S:
            self._failures = 0
        await self._write(trigger, dst, outcome, reason)
        self._remember(trigger)
        self._state, self._since = dst, anyio.current_time()
        self._reason, self._next_attempt_at = reason, None
        self._on_change(dst, reason)
        return Step(src, trigger, dst, reason, self._start_again)

    def _remember(self, trigger: Trigger) -> None:
        """What later decisions need to know of a transition that is being made."""
        if self._state is not State.DEGRADED:
            self._cause = trigger
        self._serves_meanwhile = self._state is State.LIVE and trigger is Trigger.ROOMS_FAILING
        if trigger is Trigger.LOGGED_IN:
            self._session = True
        elif trigger is Trigger.SESSION_REVOKED:
            self._session = False
            self._revocations = STORM.after(self._revocations, anyio.current_time())

    async def _write(self, trigger: Trigger, dst: State, outcome: Outcome, reason: str) -> None:
        await self._transitions.write(
            Transition(
                machine=MACHINE,
                src=self._state,
                trigger=trigger,
                dst=dst,
                outcome=outcome,
                reason=reason,
                attempt=max(1, self._failures),
                dwell_s=anyio.current_time() - self._since,
            )
        )


class TransitionDenied(Exception):
    """An activity asked for a transition that the table does not have: a bug."""


FAILURES: Final = frozenset(
    {
        Trigger.HOMESERVER_LOST,
        Trigger.STORE_LOST,
        Trigger.ROOMS_FAILING,
        Trigger.SESSION_REVOKED,
        Trigger.SYNC_POSITION_LOST,
        Trigger.CREDENTIALS_REFUSED,
    }
)
"""Triggers that say that an activity failed."""


def trigger_for(error: Exception) -> Trigger:
    """What an activity's failure means for the lifecycle. Pure."""
    match error:
        case HomeserverUnavailable() | RateLimited() | HomeserverRefused():
            return Trigger.HOMESERVER_LOST
        case StoreUnavailable() | StoreCorrupt():
            return Trigger.STORE_LOST
        case SessionRevoked():
            return Trigger.SESSION_REVOKED
        case PositionLost():
            return Trigger.SYNC_POSITION_LOST
        case CredentialsRefused():
            return Trigger.CREDENTIALS_REFUSED
        case ReconcileFailed() | RoomsFail():
            return Trigger.ROOMS_FAILING
        case _:
            raise error
