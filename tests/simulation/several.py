"""Plays seeds with several processes on one database, each on a machine of its own."""

import math
from random import Random
from typing import Final

import anyio
from typing_extensions import override

from actors.model import UserId
from tests.simulation.cast import Cast
from tests.simulation.checkers import Checkers
from tests.simulation.cluster import (
    VACANT_S,
    Cluster,
    ClusterDisturbances,
    cluster_plan_for,
    watch_leads,
)
from tests.simulation.endings import Ending
from tests.simulation.faults import Faults
from tests.simulation.machines import Clock, Machine, run_machines
from tests.simulation.member import Member, Surroundings, WatchedSessions
from tests.simulation.next_start import NextStart
from tests.simulation.outcome import ASKS, WAIT_S, Outcome, until_calm
from tests.simulation.parts import formatter_for
from tests.simulation.past import Past
from tests.simulation.platform import SimulatedPlatform
from tests.simulation.process import BOT
from tests.simulation.server import SimulatedServer
from tests.simulation.shared_store import HANG_S, SharedStore
from tests.simulation.story import Story

LAST_STOPS: Final = 2
"""So many times the leader is asked to stop at the end, as in a rolling update."""
CHANGES: Final = 0.5
"""The probability that a message is redacted soon after it was written, at each action."""
HASTE_S: Final = 1.0
"""How soon, at least."""
LAST_CHANGES: Final = 6
"""So many messages are redacted soon when all disturbances are over."""


class WatchedServer(SimulatedServer):
    """A server on which the bot's device must never be logged out."""

    checkers: Checkers

    @override
    def log_out(self, user_id: UserId) -> None:
        self.checkers.violated(f"{user_id} is logged out")
        super().log_out(user_id)


def play_several(seed: int, processes: int) -> Outcome:
    """Play a seed with so many processes to its end, or to the first violation."""
    simulation = SeveralProcesses(seed, processes)
    with simulation.story.with_log():
        simulation.run()
    return Outcome(
        seed,
        tuple(simulation.checkers.violations),
        simulation.story.text(),
        simulation.clock.now_s,
        "asyncio",
        processes,
    )


class SeveralProcesses:
    """One world, on the first machine, and the processes of the bot on the others."""

    def __init__(self, seed: int, processes: int) -> None:
        # A seed plays the same only as long as the parts keep these names.
        def rng(part: str) -> Random:
            return Random(f"{seed}/{processes} processes/{part}")  # noqa: S311 - no secret

        self.plan = plan = cluster_plan_for(rng("plan"), processes)
        self.clock = Clock()
        self.story = Story(self.clock.now)
        self._rng = rng("simulation")
        self._turns = rng("turns")
        self._server = server = WatchedServer(
            rng("server"),
            room_version=plan.plan.room_version,
            timeline_limit=plan.plan.timeline_limit,
            clock=self.clock.now,
        )
        faults, platform = Faults(rng("faults")), SimulatedPlatform(rng("platform"))
        platform.held_up_s = math.inf
        store = SharedStore(rng("disk"), server.now)
        self.checkers = checkers = Checkers(server, BOT, self.story, plan.bounds)
        server.checkers = checkers
        store.on_violation = checkers.violated
        self._next_start = NextStart(server, store, checkers, rng("next start"))
        store.on_commit, store.on_end = self._next_start.committed, self._next_start.note
        server.sessions = WatchedSessions(rng("sessions"), store, checkers)
        server.on_event = checkers.seen
        platform.on_asked = checkers.asked
        platform.on_violation = checkers.violated
        platform.room_of = checkers.room_of
        platform.transcript = checkers.streaming.transcript
        around = Surroundings(
            server,
            store,
            platform,
            faults,
            checkers,
            self.story,
            plan.bounds,
            formatter_for(plan.plan.part_chars),
            plan.slow_lease_s,
            plan.slow_store_s,
        )
        self._world = Machine(self.clock)
        self._cluster = Cluster(
            [
                Member(name, Machine(self.clock), around, rng(f"process {name}"))
                for name in map(str, range(1, processes + 1))
            ],
            store,
        )
        for member in self._cluster.members:
            member.skew_s = self._rng.uniform(0, plan.skew_s)
        self._cast = Cast(server, rng("cast"), plan.plan.people, self.story)
        self._past = Past(server, store, rng("past"), checkers, self.story)
        self._disturbances = ClusterDisturbances(
            plan=plan,
            server=server,
            faults=faults,
            platform=platform,
            cluster=self._cluster,
            checkers=checkers,
            rng=rng("weather"),
            story=self.story,
        )
        self._ending = Ending(server, self._cluster, self._cast, checkers)

    def run(self) -> None:
        """Play until the end, or until the first violation."""
        members = self._cluster.members
        machines = [self._world, *(member.machine for member in members)]
        mains = [self._main, *(member.main for member in members)]
        run_machines(machines, mains, self.clock, self._turns, self._next_start.check)

    async def _main(self) -> None:
        self.story.tell("plan", repr(self.plan))
        legacy = self.plan.plan
        self._cast.inherited = await self._past.happen(
            self._cast.people[0], legacy.legacy, rows=legacy.legacy_rows
        )
        self._next_start.inherited = self._cast.inherited
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._server.run_postponed)
            tasks.start_soon(watch_leads, self._cluster, self.checkers, self._vacant_s)
            tasks.start_soon(self._play, tasks.cancel_scope)
            await self.checkers.broken.wait()
            tasks.cancel_scope.cancel()

    @property
    def _vacant_s(self) -> float:
        """How long a lease may be over. A look, and then taking it, may be slow."""
        return VACANT_S + 4 * (self.plan.slow_lease_s + HANG_S)

    async def _play(self, scope: anyio.CancelScope) -> None:
        plan = self.plan.plan
        for _ in range(plan.acts):
            await anyio.sleep(self._rng.expovariate(1 / plan.gap_s))
            self._cast.act()
            if self._rng.random() < CHANGES:
                self._change_a_mind()
            self._disturbances.change()
        for _ in range(plan.waits):
            await anyio.sleep(self._rng.expovariate(1 / WAIT_S))
            if self._rng.random() < ASKS:
                self._cast.ask()
            if self._rng.random() < CHANGES:
                self._change_a_mind()
            self._disturbances.change()
        self._disturbances.end()
        await self._rest("the disturbances")
        self._cast.settle_down()
        await self._rest("settling down")
        if self._cast.settle_down():
            await self._rest("settling down again")
            self._cast.settle_down()
        for _ in range(LAST_CHANGES):
            self._change_a_mind()
            await anyio.sleep(self._rng.expovariate(1 / HASTE_S))
        self._cast.write_once_more()
        await self._rest("the last messages")
        await self._check()
        for _ in range(LAST_STOPS):
            if self._cluster.leader is not None:
                self._cluster.leader.stop()
            await self._rest("a change of leaders")
        await self._check()
        await self._ending.check_pruned()
        scope.cancel()

    def _change_a_mind(self) -> None:
        """Let a person redact a message while it is handled, if the database is slow."""
        self._cast.change_ones_mind(max(2 * self.plan.slow_store_s, HASTE_S))

    async def _check(self) -> None:
        leader = self._cluster.leader
        if leader is not None:
            self.checkers.journal = leader.checkers.journal
        await self._ending.check()

    async def _rest(self, after: str) -> None:
        await until_calm(self._ending.unfinished, self.checkers)
        self.story.tell("rest", f"after {after}")
