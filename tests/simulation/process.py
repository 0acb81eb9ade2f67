"""The bot's process: it can die at any moment, and starts again with the same files."""

from random import Random
from typing import Final

import anyio
from typing_extensions import override

from actors.bounds import Bounds
from actors.model import (
    ChatId,
    EventId,
    Nonce,
    OutboundKind,
    OutboundMessage,
    PlatformChatId,
    UserId,
)
from actors.port_errors import CredentialsRefused, PortError
from actors.rules.answers import Answers
from actors.rules.formatting import Formatter
from actors.runtime.cells import Actor
from actors.runtime.letters import Address, Message
from actors.runtime.transition_log import TransitionLog
from adapter.sql.store import SqlStore
from supervisor.serving.assembly import Bot, assemble
from supervisor.supervisor import Supervisor
from tests.simulation.checkers import Checkers
from tests.simulation.connection import Gate
from tests.simulation.disk import Disk, ReachedDatabase, ReachedJournal
from tests.simulation.faults import Faults
from tests.simulation.homeserver import SimulatedHomeserver
from tests.simulation.leading import SoleLeader
from tests.simulation.platform import PlatformLine, SimulatedPlatform
from tests.simulation.server import SimulatedServer
from tests.simulation.story import Story

BOT: Final = UserId("@bot:sim.test")
STRANGER: Final = "@mallory:"
"""The bot does not serve users with this prefix."""


class SeededIds:
    """Implements `actors.ports.Ids`."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def nonce(self) -> Nonce:
        """A nonce with 64 random bits of the seed."""
        return Nonce(f"n{self._rng.getrandbits(64):016x}")

    def platform_chat_id(self, owner: UserId, chat_id: ChatId) -> PlatformChatId:
        """A platform chat id with 64 random bits of the seed."""
        return PlatformChatId(f"p{self._rng.getrandbits(64):016x}")


class Life(Gate):
    """One run of the process. After its death, none of its requests or commits takes effect.

    The process dies by itself at the `dies_at`-th request, answer or commit, and at the
    `dies_streaming_at`-th time before or after a request or commit about an answer that grows.
    """

    def __init__(
        self, checkers: Checkers, dies_at: int | None, dies_streaming_at: int | None
    ) -> None:
        self.scope = anyio.CancelScope()
        self.dead = False
        self.ending = anyio.Event()
        """Set when the process has died, was asked to stop, or has ended by itself."""
        self.asked_to_stop = False
        self._checkers = checkers
        self._left = dies_at
        self._left_streaming = dies_streaming_at

    def die(self) -> None:
        """Kill the process."""
        self.dead = True
        self.ending.set()
        self.scope.cancel()

    @override
    async def before(self, method: str) -> None:
        """Let a request out, unless the process is dead."""
        await self._pass()
        self._checkers.request_started(method)

    @override
    async def after(self, method: str) -> None:
        """Let an answer in, unless the process is dead."""
        await self._pass()

    @override
    async def step(self) -> None:
        """Pass a step of an answer that grows, unless the process is dead."""
        if self._left_streaming is not None:
            self._left_streaming -= 1
            if self._left_streaming <= 0:
                self.die()
        await self._stop_if_dead()

    async def _pass(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.die()
        await self._stop_if_dead()

    async def _stop_if_dead(self) -> None:
        if self.dead:
            await anyio.sleep_forever()


class WatchedActor:
    """An actor whose handlers are reported to the checkers."""

    def __init__(self, actor: Actor, address: Address, boot: str, checkers: Checkers) -> None:
        self._actor = actor
        self._address = address
        self._boot = boot
        self._checkers = checkers

    async def handle(self, message: Message) -> None:
        """Handle one message."""
        with self._checkers.handling(self._boot, self._address):
            await self._actor.handle(message)

    async def crashed(self, error: Exception) -> None:
        """Pass the crash on to the actor."""
        await self._actor.crashed(error)


class Process:
    """Runs the bot, one run of the process after the other, on the same disk."""

    def __init__(
        self,
        *,
        server: SimulatedServer,
        disk: Disk,
        platform: SimulatedPlatform,
        faults: Faults,
        checkers: Checkers,
        story: Story,
        rng: Random,
        bounds: Bounds,
        formatted: Formatter,
    ) -> None:
        self._bounds = bounds
        self._formatted = formatted
        self.disk = disk
        self.life: Life | None = None
        self.supervisor: Supervisor | None = None
        self.bot: Bot | None = None
        self._server = server
        self._platform = platform
        self._faults = faults
        self._checkers = checkers
        self._story = story
        self._rng = rng
        self._ids = SeededIds(rng)
        self._boots = 0
        checkers.state = lambda: self.supervisor.state if self.supervisor else None
        checkers.creating = self._creating

    def _creating(self) -> int:
        return len(self.bot.services.registry.creations._under_way) if self.bot else 0

    def new_life(self, dies_at: int | None = None, dies_streaming_at: int | None = None) -> Life:
        """Prepare the next run of the process."""
        self.life = Life(self._checkers, dies_at, dies_streaming_at)
        return self.life

    def kill(self) -> None:
        """Kill the process, if it runs."""
        if self.life is not None:
            self.life.die()

    def stop(self) -> None:
        """Ask the process to stop, if it runs."""
        if self.life is not None and self.supervisor is not None:
            self.supervisor.request_stop("SIGTERM")
            self.life.asked_to_stop = True
            self.life.ending.set()

    async def run(self, life: Life) -> None:
        """Run the bot until it stops or dies."""
        self._boots += 1
        boot = f"boot{self._boots}"
        self._story.tell("process", f"{boot} begins")
        self._checkers.booted(boot)
        try:
            with life.scope:
                await self._live(life, boot)
        except Exception as error:  # noqa: BLE001  every error is a bug here
            self._checkers.violated(f"the process ended with {flat(error)}")
        self._story.tell("process", f"{boot} {'died' if life.dead else 'ended'}")
        life.ending.set()
        if self.life is life:
            self.life = self.supervisor = self.bot = None

    async def _live(self, life: Life, boot: str) -> None:
        disk, checkers = self.disk, self._checkers
        homeserver = RememberedSession(
            self._server, BOT, faults=self._faults, token=disk.token, gate=life
        )
        homeserver.disk, homeserver.life, homeserver.checkers = disk, life, checkers
        transitions = TransitionLog(ReachedJournal(disk, life, checkers), boot, self._server.now)
        random = Random(self._rng.getrandbits(64))  # noqa: S311 - no secret
        bot = assemble(
            homeserver,
            SqlStore(ReachedDatabase(disk, life, checkers), clock=self._server.now),
            PlatformLine(self._platform, life),
            transitions,
            allows=lambda user_id: not user_id.startswith(STRANGER),
            answers=Answers.EVERYONE,
            formatted=self._formatted,
            ids=self._ids,
            random=random,
            bounds=self._bounds,
        )
        handling = bot.system._handling
        spawn = handling.spawn
        handling.spawn = lambda address: WatchedActor(spawn(address), address, boot, checkers)
        async with bot.system:
            self.bot = bot
            checkers.is_well = bot.activities.backlog.is_well
            self.supervisor = Supervisor(SoleLeader(), transitions, random, bounds=self._bounds)
            self.supervisor.activities = bot.activities
            last = await self.supervisor.run()
            checkers.stopped(last, asked=life.asked_to_stop)
            stuck = await bot.stop(self._bounds.stop_within_s)
            if stuck:
                self._story.tell("process", f"stuck: {stuck}")


class RememberedSession(SimulatedHomeserver):
    """A homeserver client that keeps its session on the disk, and may die at each step."""

    disk: Disk
    life: Life
    checkers: Checkers

    @override
    async def log_in(self) -> str:
        """Resume the session if its token is valid, else log in."""
        try:
            how = await super().log_in()
        except CredentialsRefused:
            self.checkers.refused()
            raise
        self.checkers.logged_in(how)
        self.disk.token = self.connection.token
        return how

    @override
    async def send(self, message: OutboundMessage) -> EventId:
        """Send a message. The process may die before and after what is about a growing answer."""
        if message.kind is OutboundKind.MESSAGE:
            return await super().send(message)
        await self.life.step()
        if message.kind is OutboundKind.LIVE:
            self.faults.before_edit(message.room_id)
        try:
            with self.checkers.settling.sending(message):
                event_id = await super().send(message)
        except PortError:
            await self.life.step()
            raise
        await self.life.step()
        return event_id


def flat(error: BaseException) -> str:
    """An error in one line; the errors of a group are listed."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(flat(each) for each in error.exceptions)
    return repr(error)
