"""Several processes of the bot on one database: what is done to them, and their present leader."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

import anyio

from actors.bounds import Bounds
from supervisor.lifecycle import State
from supervisor.serving.assembly import Bot
from supervisor.supervisor import Supervisor
from tests.simulation.checkers import Checkers
from tests.simulation.faults import Fault, Faults
from tests.simulation.member import AWAY_S, Member
from tests.simulation.plans import Plan, plan_for
from tests.simulation.platform import OUTAGES, Outage, PlatformFault, SimulatedPlatform
from tests.simulation.process import BOT
from tests.simulation.server import SimulatedServer
from tests.simulation.shared_store import SharedStore
from tests.simulation.story import Story

LOOK_S: Final = 0.5
"""How often a process that stands by looks at the lease; the product looks more often."""
VACANT_S: Final = LOOK_S + 0.5
"""A process that is well takes a lease that is over within this time, besides slow requests."""
LASTS_S: Final = (0.5, 3.0, 8.0, 25.0, 90.0)
"""How long a disturbance may last: less and more than a lease, and more than the unclear minute."""
COPIES: Final = 0.5
"""The probability that the database is copied at an action, as one that may take its place."""
LOST_S: Final = 10.0
"""A database that fails over loses the commits of this time, at most."""
OUTAGE_S: Final = 5.0
"""The longest time for which the database is away, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPlan:
    """The parameters of a simulation with several processes."""

    plan: Plan
    processes: int
    slow_lease_s: float
    """The longest way of a request about the lease, there and back."""
    slow_store_s: float
    """The longest way of any other request to the database, there and back."""
    skew_s: float
    """By how much the wall clocks of the processes differ, at most."""

    @property
    def bounds(self) -> Bounds:
        """The bounds of the product."""
        return replace(self.plan.bounds, look_at_lease_s=LOOK_S)


def cluster_plan_for(rng: Random, processes: int) -> ClusterPlan:
    """Draw a plan for so many processes.

    Requests have no duration of their own: one that is under way goes on while its sender is
    paused, as `Fault.LATE`. The platform always says something, because its own deadlines would
    come at the same time as those of a paused process.
    """
    plan = plan_for(rng)
    silent = {PlatformFault.HANG, PlatformFault.STALL}
    plan = replace(
        plan,
        slow_s=0.0,
        disturbances=rng.choice((0.2, 0.4)),
        dies_within=rng.choice((None, None, 120, 400)),
        fault_rates={**plan.fault_rates, Fault.LATE: rng.choice((0.0, 0.05, 0.2))},
        platform_rates={it: rate for it, rate in plan.platform_rates.items() if it not in silent},
    )
    return ClusterPlan(
        plan=plan,
        processes=processes,
        slow_lease_s=rng.choice((0.0, 0.0, 1.8)),
        slow_store_s=rng.choice((0.0, 0.3, 1.2)),
        skew_s=rng.choice((0.0, 30.0, 300.0)),
    )


class Cluster:
    """The processes as a whole. `supervisor` and `bot` are those of the leader."""

    def __init__(self, members: Sequence[Member], store: SharedStore) -> None:
        self.members = members
        self._store = store

    @property
    def disk(self) -> SharedStore:
        """The database of all of them."""
        return self._store

    @property
    def leader(self) -> Member | None:
        """The process that leads and is live."""
        for member in self.members:
            supervisor = member.supervisor
            if supervisor is not None and supervisor.state is State.LIVE and member.is_well:
                return member
        return None

    @property
    def supervisor(self) -> Supervisor | None:
        """The supervisor of the leader."""
        return self.leader.supervisor if self.leader is not None else None

    @property
    def bot(self) -> Bot | None:
        """The bot of the leader."""
        return self.leader.bot if self.leader is not None else None


class ClusterDisturbances:
    """`change` starts a disturbance, perhaps; each ends by itself. `end` ends all for good."""

    def __init__(
        self,
        *,
        plan: ClusterPlan,
        server: SimulatedServer,
        faults: Faults,
        platform: SimulatedPlatform,
        cluster: Cluster,
        checkers: Checkers,
        rng: Random,
        story: Story,
    ) -> None:
        self._rate = plan.plan.disturbances
        self._server = server
        self._faults = faults
        self._platform = platform
        self._cluster = cluster
        self._store = cluster.disk
        self._checkers = checkers
        self._rng = rng
        self._story = story
        self._begin(plan.plan)

    def _begin(self, plan: Plan) -> None:
        self._faults.rates = dict(plan.fault_rates)
        self._faults.lost_creations = plan.lost_creations
        self._faults.edits = plan.edit_faults
        self._faults.overlap, self._faults.shuffle = plan.overlap, plan.shuffle
        self._server.creation_limit, self._server.write_limit = (
            plan.creation_limit,
            plan.write_limit,
        )
        self._server.bundles = plan.bundles
        self._platform.rates, self._platform.slow_s = (
            dict(plan.platform_rates),
            plan.platform_slow_s,
        )
        self._platform.long_answers, self._platform.bit_s = plan.long_answers, plan.bit_s
        for member in self._cluster.members:
            member.dies_within(plan.dies_within)
            member.away_s = AWAY_S

    def change(self) -> None:
        """Start a disturbance, with the probability of the plan."""
        if self._rng.random() < COPIES:
            self._store.copy()
        if self._rng.random() >= self._rate:
            return
        member = self._victim()
        changes: list[Callable[[Member], object]] = [
            self._kill, self._kill, self._stop, self._pause, self._pause, self._pause,
            self._cut_from_store, self._cut_from_store, self._cut_from_homeserver,
            self._cut_from_both, self._restart_store, self._fail_over, self._fail_over,
            self._homeserver_outage, self._platform_outage, self._revoke,
        ]  # fmt: skip
        change = self._rng.choice(changes)
        self._story.tell("disturb", f"{change.__name__.strip('_')} process {member.name}")
        change(member)

    def _victim(self) -> Member:
        """Most disturbances are about the leader."""
        leader = self._cluster.leader
        if leader is not None and self._rng.random() < 0.7:
            return leader
        return self._rng.choice(self._cluster.members)

    def end(self) -> None:
        """End all disturbances and faults for good."""
        self._story.tell("disturb", "all disturbances end for good")
        self._rate = 0.0
        self._faults.healed()
        self._server.healed()
        self._platform.healed()
        self._store.start()
        for member in self._cluster.members:
            member.dies_within(None)
            member.away_s = 0.0
            member.machine.paused = False
            member.wire.cut_from_store = member.wire.cut_from_homeserver = False

    def _for_a_while(self, end: Callable[[], object]) -> None:
        self._server.later(self._rng.choice(LASTS_S) * self._rng.uniform(0.5, 1.0), end)

    def _kill(self, member: Member) -> None:
        member.kill()

    def _stop(self, member: Member) -> None:
        member.stop()

    def _pause(self, member: Member) -> None:
        member.machine.paused = True

        def resume() -> None:
            if member.machine.paused:
                self._story.tell("disturb", f"process {member.name} goes on")
            member.machine.paused = False

        self._for_a_while(resume)

    def _cut_from_store(self, member: Member) -> None:
        member.wire.cut_from_store = True

        def mend() -> None:
            member.wire.cut_from_store = False

        self._for_a_while(mend)

    def _cut_from_homeserver(self, member: Member) -> None:
        member.wire.cut_from_homeserver = True

        def mend() -> None:
            member.wire.cut_from_homeserver = False

        self._for_a_while(mend)

    def _cut_from_both(self, member: Member) -> None:
        self._cut_from_store(member)
        self._cut_from_homeserver(member)

    def _restart_store(self, _: Member) -> None:
        self._store.stop()
        self._server.later(self._rng.uniform(0, 2 * OUTAGE_S), self._store.start)

    def _fail_over(self, _: Member) -> None:
        """Another server takes the place of the database, without its newest commits."""
        if self._store.lose_newest(LOST_S):
            self._checkers.expect_loss()
            self._checkers.expect_any_chat_id()
            for member in self._cluster.members:
                member.checkers.store_lost_commits()
        self._restart_store(_)

    def _homeserver_outage(self, _: Member) -> None:
        self._server.down = True

        def mend() -> None:
            self._server.down = False

        self._for_a_while(mend)

    def _platform_outage(self, _: Member) -> None:
        self._platform.outage = self._rng.choice(tuple(OUTAGES))

        def mend() -> None:
            self._platform.outage = Outage.NONE

        self._for_a_while(mend)

    def _revoke(self, _: Member) -> None:
        self._server.revoke_tokens(BOT)


async def watch_leads(cluster: Cluster, checkers: Checkers, within_s: float) -> None:
    """Check without end who leads: one process at most, and one within this time.

    The bound is the time from the end of a lease to the next one, if a process is well. Together
    with the length of a lease, it bounds the silence after the end of a leader.
    """
    since = anyio.current_time()
    while True:
        await anyio.sleep(LOOK_S / 2)
        for member in cluster.members:
            member.check_lead()
        store = cluster.disk
        could = not store.down and any(member.is_well for member in cluster.members)
        if store.lease().left_s > 0 or not could:
            since = anyio.current_time()
        if anyio.current_time() - since > within_s:
            checkers.violated(f"no process leads for {within_s:g} s, and one could")
