"""Play one seed: `python -m tests.simulation.run SEED` prints everything that happens.

`asyncio:SEED` plays it on asyncio instead of trio.
"""

import sys
from dataclasses import dataclass
from random import Random
from typing import Final

import anyio

from actors.bounds import Bounds
from tests.simulation.cast import Cast
from tests.simulation.checkers import Checkers
from tests.simulation.connection import LATE_S
from tests.simulation.disk import Disk
from tests.simulation.disturbances import Disturbances
from tests.simulation.endings import Ending
from tests.simulation.faults import Faults
from tests.simulation.parts import formatter_for
from tests.simulation.past import Past
from tests.simulation.plans import plan_for
from tests.simulation.platform import SimulatedPlatform
from tests.simulation.process import BOT, Life, Process
from tests.simulation.seeding import Backend, run_simulation
from tests.simulation.server import SimulatedServer
from tests.simulation.story import Story

REST_WITHIN_S: Final = 2 * 3600.0
"""Virtual seconds within which the bot must come to rest after all faults are over."""
END_WITHIN_S: Final = 60.0
"""Virtual seconds within which a killed or stopped process must have ended."""
LOOK_EVERY_S: Final = 5.0
CALM_FOR_S: Final = Bounds().undecided_for_s + LOOK_EVERY_S
"""The bot is at rest after so long without work: it checks undecided rooms again by itself."""
WAIT_S: Final = 15.0
"""The mean time for which people wait between two disturbances."""
ASKS: Final = 0.4
"""The probability that one of them asks something after that."""
AWAY_S: Final = 20.0
"""The longest time between the end of a process and the start of the next one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a seed."""

    seed: int
    violations: tuple[str, ...]
    story: str
    virtual_s: float
    backend: Backend = "trio"

    @property
    def name(self) -> str:
        """The argument of this module that replays the seed."""
        return str(self.seed) if self.backend == "trio" else f"{self.backend}:{self.seed}"


def play(seed: int, backend: Backend = "trio") -> Outcome:
    """Play a seed to its end, or to the first violation."""

    async def body(_: Random) -> Outcome:
        simulation = Simulation(seed)
        with simulation.story.with_log():
            await simulation.run()
        return Outcome(
            seed,
            tuple(simulation.checkers.violations),
            simulation.story.text(),
            anyio.current_time(),
            backend,
        )

    return run_simulation(body, seed, backend)


class Simulation:
    """One world with the bot in it. Each part has a random generator of its own."""

    def __init__(self, seed: int) -> None:
        # A seed plays the same only as long as the parts keep these names.
        def rng(part: str) -> Random:
            return Random(f"{seed}/{part}")  # noqa: S311 - no secret

        self.plan = plan = plan_for(rng("plan"))
        self.story = Story()
        self._rng = rng("simulation")
        self._server = SimulatedServer(
            rng("server"), room_version=plan.room_version, timeline_limit=plan.timeline_limit
        )
        faults, platform = Faults(rng("faults")), SimulatedPlatform(rng("platform"))
        disk = Disk(rng("disk"), self._server.now)
        self.checkers = Checkers(self._server, BOT, self.story, self.plan.bounds)
        self.checkers.waiting = disk.waiting
        self._server.on_event = self.checkers.seen
        platform.on_asked = self.checkers.asked
        platform.on_violation = self.checkers.violated
        platform.room_of = self.checkers.room_of
        platform.transcript = self.checkers.streaming.transcript
        self._process = Process(
            bounds=self.plan.bounds,
            formatted=formatter_for(plan.part_chars),
            server=self._server,
            disk=disk,
            platform=platform,
            faults=faults,
            checkers=self.checkers,
            story=self.story,
            rng=rng("process"),
        )
        self._cast = Cast(self._server, rng("cast"), plan.people, self.story)
        self._past = Past(self._server, disk, rng("past"), self.checkers, self.story)
        self._disturbances = Disturbances(
            plan=plan,
            server=self._server,
            faults=faults,
            platform=platform,
            process=self._process,
            checkers=self.checkers,
            rng=rng("weather"),
            story=self.story,
        )
        self._ending = Ending(self._server, self._process, self._cast, self.checkers)

    async def run(self) -> None:
        """Play until the end, or until the first violation."""
        self.story.tell("plan", repr(self.plan))
        first = self._cast.people[0]
        self._cast.inherited = await self._past.happen(
            first, self.plan.legacy, rows=self.plan.legacy_rows
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._server.run_postponed)
            tasks.start_soon(self._keep_running)
            tasks.start_soon(self._play, tasks.cancel_scope)
            await self.checkers.broken.wait()
            tasks.cancel_scope.cancel()

    async def _play(self, scope: anyio.CancelScope) -> None:
        for _ in range(self.plan.acts):
            await anyio.sleep(self._rng.expovariate(1 / self.plan.gap_s))
            self._cast.act()
            self._disturbances.change()
        for _ in range(self.plan.waits):
            await anyio.sleep(self._rng.expovariate(1 / WAIT_S))
            if self._rng.random() < ASKS:
                self._cast.ask()
            self._disturbances.change()
        self._disturbances.end()
        await self._rest("the disturbances")
        self._cast.settle_down()
        await self._rest("settling down")
        if self._cast.settle_down():
            # The last kill took the files, and with them the invites that were answered.
            await self._rest("settling down again")
            self._cast.settle_down()
        self._cast.write_once_more()
        await self._rest("the last messages")
        await self._ending.check()
        self._process.stop()
        await anyio.sleep(END_WITHIN_S)
        await self._rest("the last start")
        await self._ending.check()
        await self._ending.check_pruned()
        scope.cancel()

    async def _rest(self, after: str) -> None:
        """Wait until the bot has had no work for `CALM_FOR_S`."""
        deadline_s = anyio.current_time() + REST_WITHIN_S
        calm_since = anyio.current_time()
        while anyio.current_time() - calm_since < CALM_FOR_S:
            await anyio.sleep(LOOK_EVERY_S)
            if left := await self._ending.unfinished():
                calm_since = anyio.current_time()
            if left and anyio.current_time() > deadline_s:
                self.checkers.violated(f"no rest after {after}: {'; '.join(left)}")
                await anyio.sleep_forever()
        self.story.tell("rest", f"after {after}")

    async def _keep_running(self) -> None:
        """Start the bot again whenever it has died or stopped."""
        async with anyio.create_task_group() as tasks:
            while True:
                life = self._process.new_life(
                    self._disturbances.dies_at(), self._disturbances.dies_streaming_at()
                )
                ended = anyio.Event()
                tasks.start_soon(self._run, life, ended)
                await life.ending.wait()
                with anyio.move_on_after(END_WITHIN_S) as waiting:
                    await ended.wait()
                if waiting.cancelled_caught:
                    self.checkers.violated("the process did not end in time")
                lost = await self._disturbances.damage_disk()
                pause_s = self._rng.uniform(0, AWAY_S) if self._disturbances.active else 0.0
                await anyio.sleep(pause_s + (LATE_S if lost else 0.0))

    async def _run(self, life: Life, ended: anyio.Event) -> None:
        await self._process.run(life)
        ended.set()


def main(arguments: list[str]) -> int:
    """Play the seeds given on the command line, and print their stories."""
    broken = 0
    for argument in arguments:
        before, _, seed = argument.rpartition(":")
        outcome = play(int(seed), "asyncio" if before == "asyncio" else "trio")
        sys.stdout.write(f"{outcome.story}\n")
        sys.stdout.write(f"seed {outcome.name}: {'; '.join(outcome.violations) or 'all is well'}\n")
        broken += bool(outcome.violations)
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
