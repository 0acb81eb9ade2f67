"""The state that the bot is in, as a value, and what the bot remembers from state to state. Pure.

Together with the table in `lifecycle`, these values decide the next step; nothing else does. The
supervisor holds one `Current` and one `Memory`, and replaces them with each transition.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias

from actors.bounds import Bounds
from supervisor.lifecycle import BEFORE_LOGIN, State, Trigger

WorkingState: TypeAlias = Literal[State.LOGIN, State.HYDRATE, State.RECONCILE, State.LIVE]
"""A state of which there is nothing to know but since when and why."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What an activity has come to."""

    trigger: Trigger
    reason: str
    retry_after_s: float = 0.0
    """The homeserver asks the bot to wait for at least so long."""
    start_again: bool = False
    """The bot stops only to open damaged files anew."""


@dataclass(frozen=True, slots=True)
class Working:
    """The bot does what the state is named after.

    In all three, `since` is in anyio's time, and `reason` is that of the transition that led here.
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
    """Something is lost, and the bot probes until it is back."""

    state: ClassVar[Literal[State.DEGRADED]] = State.DEGRADED
    since: float
    reason: str
    """The newest one: each probe that fails brings its own."""
    cause: Trigger
    """What was lost."""
    lost_in: State
    """The state that the bot was in before."""
    retry_after_s: float = 0.0
    """The next attempt begins no sooner than this after the last one."""
    next_attempt_at: float | None = None
    """When the next attempt begins, in anyio's time; in the past while it is being made."""

    @property
    def has_session(self) -> bool:
        """Whether the bot was logged in when it lost something."""
        return self.lost_in not in BEFORE_LOGIN

    @property
    def serves(self) -> bool:
        """Whether people are answered between the probes: only some rooms fail."""
        return self.lost_in is State.LIVE and self.cause is Trigger.ROOMS_FAILING

    def recovered(self) -> Trigger:
        """What it means that the homeserver and the database answer again."""
        return Trigger.RECOVERED if self.has_session else Trigger.LOGIN_NEEDED

    def lost_again(self, fact: Fact) -> "Degraded":
        """The same loss after an attempt that failed."""
        return replace(self, reason=fact.reason, retry_after_s=fact.retry_after_s)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The end."""

    state: ClassVar[Literal[State.STOPPED]] = State.STOPPED
    has_session: ClassVar[bool] = False
    since: float
    reason: str
    cause: Trigger
    """What ended the bot."""
    start_again: bool = False
    """The files are damaged: the process opens new ones and begins anew."""


Current: TypeAlias = Working | Degraded | Stopped


def entered(dst: State, fact: Fact, src: State, now: float) -> Current:
    """The value of the state that a fact leads to."""
    match dst:
        case State.DEGRADED:
            return Degraded(now, fact.reason, fact.trigger, src, fact.retry_after_s)
        case State.STOPPED:
            return Stopped(now, fact.reason, fact.trigger, fact.start_again)
        case working:
            return Working(working, now, fact.reason)


@dataclass(frozen=True, slots=True)
class Memory:
    """What outlives a state."""

    attempts: int = 0
    """Attempts in a row to come back that did not lead to staying live."""
    revocations: tuple[float, ...] = ()
    """When sessions were revoked lately, in anyio's time."""

    def is_storm(self, bounds: Bounds) -> bool:
        """Whether sessions are revoked so often that another program must be at work."""
        return bounds.revocations.exceeded(self.revocations)

    def with_attempt(self) -> "Memory":
        """One more attempt begins."""
        return replace(self, attempts=self.attempts + 1)

    def after(self, left: Current, trigger: Trigger, now: float, bounds: Bounds) -> "Memory":
        """What is still to be remembered when a state is left."""
        healthy = left.state is State.LIVE and now - left.since >= bounds.healthy_after_s
        # A login that has waited for the storm to end counts from the beginning.
        calm = left.state is State.LOGIN and self.is_storm(bounds)
        revocations = () if calm else self.revocations
        if trigger is Trigger.SESSION_REVOKED:
            revocations = bounds.revocations.after(revocations, now)
        return Memory(0 if healthy else self.attempts, revocations)
