"""A supervisor whose activities do what a test has planned, and who did what in which order."""

import math
from collections import defaultdict, deque
from collections.abc import Callable
from random import Random
from typing import Final

import anyio

from actors.leadership import Lead, Standing
from actors.port_errors import HomeserverUnavailable, PortError
from actors.runtime.table import Transition
from actors.runtime.transition_log import TransitionLog
from supervisor.current import WorkingState
from supervisor.lifecycle import State, Trigger
from supervisor.supervisor import Supervisor

BOOT: Final = "boot-1"
WALL_CLOCK_S: Final = 1_700_000_000.25
LONG_S: Final = 3600.0
"""Virtual seconds after which something that should have ended counts as hanging."""


def _nothing() -> None:
    pass


def told(step: Transition[State, Trigger]) -> tuple[State, Trigger, State, str]:
    """From where, on what, to where and why."""
    return step.src, step.trigger, step.dst, step.reason


class ScriptedActivities:
    """Implements `supervisor.supervisor.Activities` and `actors.leadership.Leadership`.

    What is not planned succeeds at once, and `serve` goes on until something ends it. The lead
    lasts until `lose_lead`.
    """

    def __init__(self, happened: list[str]) -> None:
        self.takes_s: dict[str, float] = {}
        """How long an activity takes, by its name."""
        self.when_asked: Callable[[], object] = _nothing
        """Called when an activity begins, `forget_position` apart."""
        self.serve_ends = False
        """Let `serve` return, as it never should."""
        self.lose_lead = anyio.Event()
        self.store_answers = anyio.Event()
        self._happened = happened
        self._planned: defaultdict[str, deque[Exception]] = defaultdict(deque)

    def plan(self, activity: str, *errors: Exception) -> None:
        """Let the next runs of an activity fail, one with each of the errors."""
        self._planned[activity].extend(errors)

    @property
    def standing(self) -> Standing:
        return Standing(leads=True, epoch=7, leader="this process")

    async def lead(self) -> Lead:
        return Lead(7, await self._do("lead"))

    def remaining_s(self) -> float:
        return math.inf

    async def keep(self) -> str:
        await self.lose_lead.wait()
        return "another process leads"

    async def resign(self) -> None:
        self._happened.append("resign")

    async def log_in(self) -> str:
        return await self._do("log_in")

    async def hydrate(self) -> str:
        return await self._do("hydrate")

    async def reconcile(self) -> str:
        return await self._do("reconcile")

    async def serve(self, *, degraded: bool = False) -> None:
        await self._do("serve")
        if not self.serve_ends:
            await anyio.sleep_forever()

    async def probe(self) -> None:
        await self._do("probe")

    async def wait_for_store(self) -> None:
        await self.store_answers.wait()
        if self._planned["wait_for_store"]:
            raise self._planned["wait_for_store"].popleft()

    def forget_position(self) -> None:
        self._happened.append("forget_position")

    async def _do(self, activity: str) -> str:
        self._happened.append(activity)
        self.when_asked()
        await anyio.sleep(self.takes_s.get(activity, 0.0))
        if self._planned[activity]:
            raise self._planned[activity].popleft()
        return f"{activity} done"


class RecordingJournal:
    """Implements `actors.runtime.transition_log.Journal`; with `fault` nothing can be written."""

    def __init__(self, happened: list[str]) -> None:
        self.records: list[Transition] = []
        self.fault: PortError | None = None
        self.takes_s = 0.0
        self.when_asked: Callable[[], object] = _nothing
        self._happened = happened

    async def append(self, *transitions: Transition) -> None:
        self.when_asked()
        await anyio.sleep(self.takes_s)
        if self.fault is not None:
            raise self.fault
        self.records += transitions
        self._happened += [f"journal: {each.trigger}" for each in transitions]


class Drive:
    """A supervisor over scripted activities. Made inside an event loop."""

    def __init__(self, initial: WorkingState = State.LOGIN) -> None:
        self.happened: list[str] = []
        """Activities and journal rows, in the order in which they came."""
        self.changes: list[tuple[State, str]] = []
        """What `on_change` was told."""
        self.activities = ScriptedActivities(self.happened)
        self.journal = RecordingJournal(self.happened)
        self.supervisor = Supervisor(
            self.activities,
            TransitionLog(self.journal, BOOT, lambda: WALL_CLOCK_S),
            Random(1),  # noqa: S311 - no secret
            initial=initial,
            on_change=lambda state, reason: self.changes.append((state, reason)),
        )
        self.supervisor.activities = self.activities

    async def step(self) -> Transition[State, Trigger]:
        """One step of the supervisor."""
        with anyio.fail_after(LONG_S):
            return await self.supervisor.step()

    async def walk(self, *states: State) -> None:
        """Step through these states, one after the other."""
        for state in states:
            assert (await self.step()).dst is state

    async def go_to(self, state: State) -> None:
        """Step, by the shortest way, until the supervisor is there."""
        if state is State.DEGRADED:
            self.activities.plan("serve", HomeserverUnavailable("gone"))
        while self.supervisor.state is not state:
            await self.step()
        self.happened.clear()
