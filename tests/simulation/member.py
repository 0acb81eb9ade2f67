"""One of several processes of the bot: it stands by, leads, loses the lead, and stands by again."""

from dataclasses import dataclass
from random import Random
from typing import Final

import anyio
from typing_extensions import override

from actors.bounds import Bounds
from actors.leadership import Lead
from actors.model import UserId
from actors.port_errors import CredentialsRefused, HomeserverUnavailable
from actors.rules.answers import Answers
from actors.rules.formatting import Formatter
from actors.runtime.transition_log import TransitionLog
from adapter.sql.lease import LeaseLeadership
from adapter.sql.store import SqlStore
from supervisor.current import Stopped
from supervisor.lifecycle import Trigger
from supervisor.serving.assembly import Bot, assemble
from supervisor.supervisor import Supervisor
from tests.simulation.checkers import WRITES, Checkers
from tests.simulation.connection import Gate
from tests.simulation.faults import Faults
from tests.simulation.machines import Machine
from tests.simulation.platform import PlatformLine, SimulatedPlatform
from tests.simulation.process import (
    BOT,
    STRANGER,
    Life,
    RememberedSession,
    SeededIds,
    WatchedActor,
    flat,
)
from tests.simulation.server import SimulatedServer
from tests.simulation.sessions import Sessions
from tests.simulation.shared_store import (
    LeaseInStore,
    Link,
    SharedDatabase,
    SharedJournal,
    SharedStore,
    Wire,
)
from tests.simulation.story import Story

DEVICE: Final = "SURFACESBOT"
PASSING_WRITES: Final = frozenset({"set_typing", "mark_read"})
"""Requests that change something, but nothing lasting."""
ROUNDING_S: Final = 1e-3
"""The database's clock counts from long ago, so it is less exact."""
AWAY_S: Final = 20.0
"""The longest time between the end of a process and its next start."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all processes of the bot have in common."""

    server: SimulatedServer
    store: SharedStore
    platform: SimulatedPlatform
    faults: Faults
    checkers: Checkers
    story: Story
    bounds: Bounds
    formatted: Formatter
    slow_lease_s: float
    slow_store_s: float


class MemberCheckers(Checkers):
    """The rules for one process; what concerns all of them is passed on to the checkers of all."""

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around.server, BOT, around.story, around.bounds)
        self.waiting = around.store.waiting
        self.epoch = 0
        """The epoch under which the process was elected last."""
        self._all = around.checkers
        self._store = around.store
        self._in_doubt_until = 0.0

    @override
    def violated(self, what: str) -> None:
        self._all.violated(what)

    @override
    def position_saved(self, token: str) -> None:
        self._all.position_saved(token)

    @override
    def request_started(self, method: str) -> None:
        """Check that only the leader writes, by the clock of the database."""
        super().request_started(method)
        if method in PASSING_WRITES or method in WRITES:
            self.check_lease(method)

    def check_lease(self, method: str) -> None:
        """Check that the process leads, by the clock of the database."""
        lease = self._store.lease()
        is_over = lease.epoch != self.epoch or lease.left_s <= 0
        if is_over and not self.is_lease_in_doubt:
            self.violated(f"{method} in epoch {self.epoch}, but {lease} is in force")

    @override
    def stopped(self, last: Stopped, *, asked: bool) -> None:
        begins_anew = last.start_again and self._store.losses > 0
        super().stopped(last, asked=asked or begins_anew or last.cause is Trigger.LEASE_LOST)

    @property
    def is_lease_in_doubt(self) -> bool:
        """Whether the database may have lost a lease that its process still counts on."""
        return self._store.clock() <= self._in_doubt_until

    def store_lost_commits(self) -> None:
        """Expect that the database has lost its newest commits, and perhaps the lease in them."""
        self._in_doubt_until = self._store.clock() + self._bounds.lease_s
        self._next_index.clear()


class WatchedSessions(Sessions):
    """Sessions that check who logs in: only a bot whose stored session is over, as its device."""

    def __init__(self, rng: Random, store: SharedStore, checkers: Checkers) -> None:
        super().__init__(rng)
        self._store = store
        self._checkers = checkers

    @override
    def log_in(self, user_id: UserId, device_id: str) -> str:
        if user_id == BOT and device_id != DEVICE:
            self._checkers.violated(f"logs in as the device {device_id}")
        if self.is_good(user_id, device_id, self._store.session()):
            self._checkers.violated("logs in although the stored session is good")
        return super().log_in(user_id, device_id)


class _WiredGate(Gate):
    """The gate of one run's requests to the homeserver."""

    def __init__(self, life: Life, wire: Wire) -> None:
        self._life = life
        self._wire = wire

    @override
    async def before(self, method: str) -> None:
        await self._life.before(method)
        self._check()

    @override
    async def after(self, method: str) -> None:
        self._check()
        await self._life.after(method)

    def _check(self) -> None:
        if self._wire.cut_from_homeserver:
            raise HomeserverUnavailable("The homeserver does not answer.")


class SharedSession(RememberedSession):
    """A homeserver client whose session is in the database."""

    rows: SqlStore

    @override
    async def log_in(self) -> str:
        """Resume the stored session if its token is valid, else log in, and store the session."""
        self.connection.token = await self.rows.session.read()
        try:
            how = await self.connection.log_in()
        except CredentialsRefused:
            self.checkers.refused()
            raise
        self.checkers.logged_in(how)
        if how == "password":
            await self.rows.session.keep(self.session)
        return how


class Member:
    """One process on a machine of its own, started again whenever it has ended."""

    def __init__(self, name: str, machine: Machine, around: Surroundings, rng: Random) -> None:
        self.name = name
        self.machine = machine
        self.around = around
        self.checkers = MemberCheckers(around)
        self.wire = Wire(rng, around.slow_store_s)
        self.skew_s = 0.0
        """How much the wall clock of the machine is ahead."""
        self.leadership: LeaseLeadership | None = None
        self.life: Life | None = None
        self.supervisor: Supervisor | None = None
        self.bot: Bot | None = None
        self.away_s = 0.0
        """The longest time that the process stays away after its end."""
        self._dies_within: int | None = None
        self._rng = rng
        self._ids = SeededIds(rng)
        self._runs = 0
        self.checkers.state = lambda: self.supervisor.state if self.supervisor else None
        self.checkers.creating = self._creating

    def _creating(self) -> int:
        return len(self.bot.services.registry.creations._under_way) if self.bot else 0

    def _tell(self, text: str) -> None:
        self.around.story.tell(f"process {self.name}", text)

    # ------------------------------------------------------------ from outside

    def dies_within(self, passages: int | None) -> None:
        """Let each run from the next on die within so many passages, see `Life`."""
        self._dies_within = passages

    def kill(self) -> None:
        """Kill the process, if it runs, also while it is paused."""
        life = self.life
        if life is not None:
            life.dead = True
            self.machine.paused = False
            self.machine.call_soon(life.die)

    def stop(self) -> None:
        """Ask the process to stop, if it runs."""
        if self.life is not None:
            self.machine.call_soon(self._stop, self.life)

    def _stop(self, life: Life) -> None:
        if self.supervisor is not None and self.life is life:
            life.asked_to_stop = True
            self.supervisor.request_stop("SIGTERM")

    @property
    def is_well(self) -> bool:
        """Whether the process runs and reaches the database."""
        is_running = self.life is not None and not self.life.dead
        return is_running and not self.machine.paused and not self.wire.cut_from_store

    def check_lead(self) -> None:
        """Check that the process believes that it leads only while its lease is in force."""
        lease = self.around.store.lease()
        if self.leadership is None or self.checkers.is_lease_in_doubt:
            return
        left_s = lease.left_s if lease.epoch == self.leadership.standing.epoch else 0.0
        believed_s = self.leadership.remaining_s()
        if believed_s > max(left_s, 0.0) + ROUNDING_S:
            self.checkers.violated(f"believes in {believed_s:.3f} s more, but has {left_s:.3f} s")

    # ------------------------------------------------------------ the process

    async def main(self) -> None:
        """Run one process after the other, without end."""
        while True:
            within = self._dies_within
            dies_at = self._rng.randint(1, within) if within else None
            self.life = life = Life(self.checkers, dies_at, None)
            try:
                with life.scope:
                    await self._run(life)
            except Exception as error:  # noqa: BLE001  every error is a bug here
                self.checkers.violated(f"the process ended with {flat(error)}")
            self._tell("died" if life.dead else "ended")
            self.around.store.on_end()
            self.life = self.supervisor = self.bot = self.leadership = None
            await anyio.sleep(self._rng.uniform(0, self.away_s))

    async def _run(self, life: Life) -> None:
        """One process: one run after the other, while it only loses the lead, or commits."""
        holder = f"process {self.name}, run {self._runs + 1}"
        link = Link(self.around.store, self.wire, self.around.slow_lease_s)
        self.leadership = leadership = LeaseLeadership(
            LeaseInStore(self.around.store, link, holder, lambda: life.dead),
            ttl_s=self.around.bounds.lease_s,
            look_s=self.around.bounds.look_at_lease_s,
            clock=self.machine.time,
        )
        while (await self._run_once(life, leadership)).start_again:
            pass

    async def _run_once(self, life: Life, leadership: LeaseLeadership) -> Stopped:
        self._runs += 1
        boot = f"boot{self.name}{self._runs:03}"
        self._tell(f"{boot} begins")
        self.checkers.booted(boot)
        transitions = TransitionLog(None, boot, self._wall_clock)
        random = Random(self._rng.getrandbits(64))  # noqa: S311 - no secret
        self.supervisor = Supervisor(leadership, transitions, random, bounds=self.around.bounds)
        if life.asked_to_stop:
            self.supervisor.request_stop("SIGTERM")
        lead = await self.supervisor.stand_by()
        if lead is not None:
            async with anyio.create_task_group() as watchers:
                watchers.start_soon(self.supervisor.keep_lead)
                await self._lead(life, leadership, lead, transitions)
                watchers.cancel_scope.cancel()
        last = await self.supervisor.run()
        self.checkers.stopped(last, asked=life.asked_to_stop)
        return last

    async def _lead(
        self, life: Life, leadership: LeaseLeadership, lead: Lead, transitions: TransitionLog
    ) -> None:
        around, checkers, supervisor = self.around, self.checkers, self.supervisor
        checkers.epoch = lead.epoch
        try:
            journal = SharedJournal(around.store, self.wire, life, checkers)
            await transitions.journal_to(journal)
            bot = self._bot(life, leadership, lead, transitions)
            async with bot.system:
                self.bot = bot
                checkers.is_well = bot.activities.backlog.is_well
                if supervisor is not None:
                    supervisor.activities = bot.activities
                    await supervisor.run()
                checkers.settling.stopped()
                within_s = min(around.bounds.hand_over_within_s, leadership.remaining_s())
                if stuck := await bot.stop(within_s):
                    self._tell(f"stuck: {stuck}")
                await transitions.flush()
        finally:
            self.bot = None
            await leadership.resign()

    def _bot(
        self, life: Life, leadership: LeaseLeadership, lead: Lead, transitions: TransitionLog
    ) -> Bot:
        around, checkers = self.around, self.checkers
        database = SharedDatabase(around.store, self.wire, lead.epoch, life, checkers)
        store = SqlStore(database, clock=self._wall_clock)
        homeserver = SharedSession(
            around.server,
            BOT,
            DEVICE,
            faults=around.faults,
            gate=_WiredGate(life, self.wire),
        )
        homeserver.rows, homeserver.life, homeserver.checkers = store, life, checkers

        def before_password() -> None:
            if leadership.remaining_s() <= 0:
                raise HomeserverUnavailable("this process may lead no longer")
            checkers.check_lease("log_in")

        homeserver.connection.before_password = before_password
        bot = assemble(
            homeserver,
            store,
            PlatformLine(around.platform, life),
            transitions,
            allows=lambda user_id: not user_id.startswith(STRANGER),
            answers=Answers.EVERYONE,
            formatted=around.formatted,
            ids=self._ids,
            random=Random(self._rng.getrandbits(64)),  # noqa: S311 - no secret
            clock=self.machine.time,
            epoch=lead.epoch,
            remaining_s=leadership.remaining_s,
            bounds=around.bounds,
        )
        handling = bot.system._handling
        spawn, boot = handling.spawn, transitions.boot
        handling.spawn = lambda address: WatchedActor(spawn(address), address, boot, checkers)
        return bot

    def _wall_clock(self) -> float:
        return self.around.server.now() + self.skew_s
