"""An actor system whose actors do what a test has planned, and who did what when."""

from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import anyio

from actors.bounds import Bounds
from actors.failures import FailurePolicy
from actors.gate import Gate
from actors.messages import ActorKind, room_address
from actors.model import RoomId
from actors.room_states import RoomStates
from actors.rules.room_states import RoomState
from actors.runtime.counting import RuntimeMeter
from actors.runtime.letters import Address, Message, Report
from actors.runtime.system import ActorSystem
from actors.runtime.transition_log import TransitionLog
from tests.stepping.scripted import BOOT, WALL_CLOCK_S, RecordingJournal


class PlannedActor:
    """One incarnation. Implements `actors.runtime.cells.Actor`."""

    def __init__(self, address: Address, stage: "ActorStage") -> None:
        self._address = address
        self._stage = stage

    async def handle(self, message: Message) -> None:
        stage, address = self._stage, self._address
        stage.handled.append((address, message))
        stage.times.append(anyio.current_time())
        stage.busy[address] += 1
        stage.busiest[address] = max(stage.busiest[address], stage.busy[address])
        stage.most_at_once = max(stage.most_at_once, sum(stage.busy.values()))
        try:
            await anyio.sleep(stage.takes_s)
            if stage.errors.get(address):
                raise stage.errors[address].popleft()
        finally:
            stage.busy[address] -= 1
        stage.finished.append((address, message))

    async def crashed(self, error: Exception) -> None:
        self._stage.crashed.append((self._address, error))
        if self._stage.crashed_raises is not None:
            raise self._stage.crashed_raises


class ActorStage:
    """What happens to the actors of one system. Made inside an event loop."""

    def __init__(self) -> None:
        self.takes_s = 0.0
        """How long a handler takes."""
        self.errors: dict[Address, deque[Exception]] = {}
        self.crashed_raises: Exception | None = None
        self.spawned: list[Address] = []
        self.handled: list[tuple[Address, Message]] = []
        self.times: list[float] = []
        """When each of `handled` began."""
        self.finished: list[tuple[Address, Message]] = []
        self.crashed: list[tuple[Address, Exception]] = []
        self.reports: list[Report] = []
        self.busy: Counter[Address] = Counter()
        self.busiest: Counter[Address] = Counter()
        self.most_at_once = 0
        self.journal = RecordingJournal([])
        log = TransitionLog(self.journal, BOOT, lambda: WALL_CLOCK_S)
        self.meter = RuntimeMeter()
        self.gate = Gate(live=True)
        clock = anyio.current_time
        self.states = RoomStates(
            log,
            clock,
            flush_later=lambda: self.system.background.run(log.flush),
            probes_of=lambda room_id: self.system.cells.probes_of(room_address(room_id)),
        )
        self.failures = FailurePolicy(self.gate, self.states, clock, Bounds())
        self.system = ActorSystem(
            self._spawn,
            self.failures,
            Random(1),  # noqa: S311 - no secret
            is_open=lambda: self.gate.live,
            meter=self.meter,
        )
        self.system.observe = self.reports.append

    def fail(self, address: Address, *errors: Exception) -> None:
        """Let the next handlers of an actor fail, one with each of the errors."""
        self.errors.setdefault(address, deque()).extend(errors)

    def messages(self, address: Address) -> list[Message]:
        """What an actor was given, in order."""
        return [message for to, message in self.handled if to == address]

    def state_of(self, room: Address) -> RoomState:
        """A room's state."""
        return self.states.of(RoomId(room.name))

    def transitions(self, room: Address) -> list[tuple[str, str, str]]:
        """A room's transitions in the journal: from, trigger, to."""
        return [
            (row.src, row.trigger, row.dst)
            for row in self.journal.records
            if row.machine == f"room:{room.name}"
        ]

    def _spawn(self, address: Address) -> PlannedActor:
        if address.kind == ActorKind.ROOM:
            self.states.add(RoomId(address.name))
        self.spawned.append(address)
        return PlannedActor(address, self)


@asynccontextmanager
async def actor_stage() -> AsyncIterator[ActorStage]:
    """A system that runs."""
    stage = ActorStage()
    async with stage.system:
        yield stage


async def pass_time(seconds: float = 0.001) -> None:
    """Let everybody do what they can do until then: a virtual clock waits for all of them."""
    await anyio.sleep(seconds)
