"""The current state as a value, and what the bot remembers between states. Pure.

These values and the table in `lifecycle` alone decide the next step. The supervisor holds one
`Current` and one `Memory`, and replaces both with each transition.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias

from actors.bounds import Bounds
from supervisor.lifecycle import BEFORE_LOGIN, State, Trigger

WorkingState: TypeAlias = Literal[
    State.STANDBY, State.LOGIN, State.HYDRATE, State.RECONCILE, State.LIVE
]
"""The states with no data except `since` and `reason`."""


@dataclass(frozen=True, slots=True)
class Fact:
    """The result of an activity: the trigger to fire, and why."""

    trigger: Trigger
    reason: str
    retry_after_s: float = 0.0
    """The homeserver asks the bot to wait at least this long."""
    start_again: bool = False
    """The bot stops only for a fresh run in the same process."""


@dataclass(frozen=True, slots=True)
class Working:
    """The bot runs the activity that the state is named after.

    In this class, `Degraded` and `Stopped`, `since` is in anyio's time and `reason` comes from the
    transition into the state.
    """

    state: WorkingState
    since: float
    reason: str = ""
    """Empty before the first transition."""

    @property
    def has_session(self) -> bool:
        """Whether the bot is logged in."""
        return self.state not in BEFORE_LOGIN


@dataclass(frozen=True, slots=True)
class Degraded:
    """The bot has lost the homeserver, the database or some rooms, and probes for recovery."""

    state: ClassVar[Literal[State.DEGRADED]] = State.DEGRADED
    since: float
    reason: str
    """The latest reason: each failed probe replaces it."""
    cause: Trigger
    """The trigger of the loss."""
    lost_in: State
    """The state before `degraded`."""
    retry_after_s: float = 0.0
    """The minimum pause between the last attempt and the next one."""
    next_attempt_at: float | None = None
    """When the next attempt begins at the latest, in anyio's time. In the past while one runs."""
    lacks_store: bool = False
    """Whether the loss, or the latest attempt, is that of the database."""

    @property
    def has_session(self) -> bool:
        """Whether the bot was logged in before the loss."""
        return self.lost_in not in BEFORE_LOGIN

    @property
    def serves(self) -> bool:
        """Whether the bot serves healthy rooms between probes, because only some rooms fail."""
        return self.lost_in is State.LIVE and self.cause is Trigger.ROOMS_FAILING

    def recovered(self) -> Trigger:
        """The trigger when the homeserver and the database answer again."""
        return Trigger.RECOVERED if self.has_session else Trigger.LOGIN_NEEDED

    def lost_again(self, fact: Fact) -> "Degraded":
        """The same loss after a failed attempt."""
        return replace(
            self,
            reason=fact.reason,
            retry_after_s=fact.retry_after_s,
            lacks_store=fact.trigger is Trigger.STORE_LOST,
        )


@dataclass(frozen=True, slots=True)
class Stopped:
    """The end."""

    state: ClassVar[Literal[State.STOPPED]] = State.STOPPED
    has_session: ClassVar[bool] = False
    since: float
    reason: str
    cause: Trigger
    """The trigger that ended the bot."""
    start_again: bool = False
    """The files are damaged, or the lead is lost: a fresh run follows in the same process."""


Current: TypeAlias = Working | Degraded | Stopped


def entered(dst: State, fact: Fact, src: State, now: float) -> Current:
    """The value of state `dst`, which a fact led to from state `src`."""
    match dst:
        case State.DEGRADED:
            lacks_store = fact.trigger is Trigger.STORE_LOST
            return Degraded(
                now, fact.reason, fact.trigger, src, fact.retry_after_s, lacks_store=lacks_store
            )
        case State.STOPPED:
            return Stopped(now, fact.reason, fact.trigger, fact.start_again)
        case working:
            return Working(working, now, fact.reason)


@dataclass(frozen=True, slots=True)
class Memory:
    """The data that outlives a state."""

    attempts: int = 0
    """Consecutive recovery attempts since the bot last stayed live."""
    revocations: tuple[float, ...] = ()
    """The times of recent session revocations, in anyio's time."""

    def is_revoked_too_often(self, bounds: Bounds) -> bool:
        """Whether revocations are so frequent that another program must use the account."""
        return bounds.revocations.exceeded(self.revocations)

    def with_attempt(self) -> "Memory":
        """The memory after one more attempt has begun."""
        return replace(self, attempts=self.attempts + 1)

    def after(self, left: Current, trigger: Trigger, now: float, bounds: Bounds) -> "Memory":
        """The memory after the bot has left a state."""
        healthy = left.state is State.LIVE and now - left.since >= bounds.healthy_after_s
        revocations = self.revocations
        if left.state is State.LOGIN and self.is_revoked_too_often(bounds):
            # The login waits now. It is tried once after that, and waits again if that was in vain.
            revocations = bounds.revocations.allowing_another(revocations)
        if trigger is Trigger.SESSION_REVOKED:
            revocations = bounds.revocations.after(revocations, now)
        return Memory(0 if healthy else self.attempts, revocations)
