"""The whole bot over a simulated homeserver: everything real but the server and the clock."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from random import Random
from sqlite3 import Connection
from typing import Final

import anyio
from anyio.abc import TaskGroup

from actors.appearance import PLAIN
from actors.bounds import Bounds
from actors.leadership import NO_LEASE
from actors.model import ChatId, EventId, Nonce, PlatformChatId, RoomId, UserId
from actors.platform import Ask, Capabilities, Delta, Done, Platform, Text
from actors.rows import user_key
from actors.rules.answers import Answers
from actors.runtime.cells import Actor
from actors.runtime.letters import Address, Message
from actors.runtime.table import Transition
from actors.runtime.transition_log import TransitionLog
from actors.texts import ENGLISH, Texts
from actors.writes import JsonObject, NoteWholeRead, Write
from adapter.matrix.formatting import formatted_parts
from adapter.sql.statements import statement_for
from adapter.sql.store import SqlStore
from adapter.sqlite.inline import InlineStore, _Database
from supervisor.lifecycle import State, Trigger
from supervisor.serving.assembly import Bot, assemble
from supervisor.supervisor import Supervisor
from tests.simulation.homeserver import SimulatedHomeserver
from tests.simulation.leading import FencedDatabase, SharedLease, SimulatedLease, SoleLeader
from tests.simulation.people import Person
from tests.simulation.server import SimulatedServer
from tests.stepping.scripted import LONG_S, RecordingJournal

BOT: Final = UserId("@bot:sim.test")
ALICE: Final = UserId("@alice:sim.test")
BOB: Final = UserId("@bob:sim.test")
MALLORY: Final = UserId("@mallory:sim.test")


async def quiet(seconds: float = 1.0) -> None:
    """Let everything happen that can happen within a virtual second."""
    await anyio.sleep(seconds)


def connection_of(store: InlineStore) -> Connection:
    """The connection to the database of a store in memory."""
    database = store._database
    assert isinstance(database, _Database)
    return database._connection


class ScriptedPlatform:
    """Implements `actors.platform.Platform`: answers with what it was told, unless planned else.

    It keeps the history, unless `keeps_history` is False, and then gets all of it.
    """

    def __init__(self) -> None:
        self.asks: list[Ask] = []
        self.takes_s = 0.0
        self.errors: dict[str, deque[Exception]] = {}
        self.script: dict[str, Callable[[Ask], AsyncGenerator[Delta, None]]] = {}
        """What a text is answered with instead."""
        self.checks = 0
        self.check_fails: Exception | None = None
        self.keeps_history = True

    @property
    def capabilities(self) -> Capabilities:
        """It takes everything."""
        return Capabilities(keeps_history=self.keeps_history, accepts=("*/*",))

    @property
    def asked(self) -> list[tuple[PlatformChatId, str, EventId]]:
        """The conversation, the text and the key of each question."""
        return [(ask.chat, ask.question.text, ask.key) for ask in self.asks]

    @property
    def prompts(self) -> list[tuple[str, str]]:
        """The text of each question, and the text that it replies to."""
        return [(ask.question.text, ask.question.quoted) for ask in self.asks]

    def fail(self, text: str, *errors: Exception) -> None:
        """Let the next answers to a text fail, one with each of the errors."""
        self.errors.setdefault(text, deque()).extend(errors)

    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """`You said: …`."""
        text = ask.question.text
        self.asks.append(ask)
        await anyio.sleep(self.takes_s)
        if self.errors.get(text):
            # An error that is planned many times would drag along all its earlier tracebacks.
            raise self.errors[text].popleft().with_traceback(None)
        if text in self.script:
            async with aclosing(self.script[text](ask)) as scripted:
                async for delta in scripted:
                    yield delta
            return
        yield Text(f"You said: {text}")
        yield Done()

    async def check(self) -> None:
        """Well, unless planned else."""
        self.checks += 1
        await anyio.lowlevel.checkpoint()
        if self.check_fails is not None:
            raise self.check_fails.with_traceback(None)

    async def forget(self, chat: PlatformChatId) -> None:
        """Nothing to forget."""

    async def close(self) -> None:
        """Nothing to close."""


class SeededIds:
    """Implements `actors.ports.Ids`."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def nonce(self) -> Nonce:
        """Never the same twice."""
        return Nonce(f"{self._random.getrandbits(64):016x}")

    def platform_chat_id(self, owner: UserId, chat_id: ChatId) -> PlatformChatId:
        """Says nothing about the chat, as a platform's own ids."""
        return PlatformChatId(f"conversation-{self._random.getrandbits(64):016x}")


@dataclass(frozen=True, slots=True)
class CrashingActor:
    """An actor that raises what is planned before it does anything with a kind of message.

    For a number it does nothing for so many seconds.
    """

    actor: Actor
    over: type[Message]
    planned: deque[Exception | float]

    async def handle(self, message: Message) -> None:
        """Raise or rest, or let the actor handle it."""
        if self.planned and isinstance(message, self.over):
            planned = self.planned.popleft()
            if isinstance(planned, Exception):
                raise planned
            await anyio.sleep(planned)
        await self.actor.handle(message)

    async def crashed(self, error: Exception) -> None:
        """Tell the actor."""
        await self.actor.crashed(error)


@dataclass(frozen=True, slots=True)
class Home:
    """Where an owner's things are: the direct chat with the bot, their Space, their first chat."""

    direct: RoomId
    space: RoomId
    chat: RoomId


class World:
    """What outlives one run of the bot: the server, its people, and the bot's files."""

    def __init__(self) -> None:
        self.random = Random(1)  # noqa: S311 - no secret
        self.server = SimulatedServer(self.random)
        self.alice = Person(self.server, ALICE)
        self.bob = Person(self.server, BOB)
        self.mallory = Person(self.server, MALLORY)
        self.store = InlineStore(clock=self.server.now)
        self.journal = RecordingJournal([])
        self.token: str | None = None
        self.boots = 0
        self.bounds = Bounds()
        self.look = PLAIN
        """What the bot gives its account and its new rooms."""
        self.lease = SharedLease(self.server.now)
        self.client: Callable[..., SimulatedHomeserver] = SimulatedHomeserver
        """Makes the bot's connection to the server."""

    def go_down(self) -> None:
        """From now on nobody gets an answer from the server."""
        self.server.down = True

    def come_back(self) -> None:
        """The server answers again."""
        self.server.down = False

    def lose_store(self) -> None:
        """Begin with an empty database, as after a loss of the file."""
        self.store.close()
        self.store = InlineStore(clock=self.server.now)

    def copy_of_store(self) -> InlineStore:
        """A backup of the database."""
        copy = InlineStore(clock=self.server.now)
        connection_of(self.store).backup(connection_of(copy))
        return copy

    def write_from_outside(self, writes: Iterable[Write]) -> None:
        """Change rows in the database as another program would."""
        for write in writes:
            statement = statement_for(write, now=self.server.now())
            connection_of(self.store).execute(statement.sql, statement.params)

    async def distrust(self) -> None:
        """Let the next start read all rooms."""
        await self.store.commit([NoteWholeRead(None)])

    async def rows(self) -> dict[str, JsonObject | None]:
        """The cache."""
        return await self.store.rows("")

    def creations(self) -> int:
        """How many rooms the bot has created on the server."""
        return self.server.creations[BOT]

    def writes(self) -> list[tuple[str, RoomId | None]]:
        """What the bot has asked the server to change, and where."""
        return [(write.action, write.room_id) for write in self.server.writes]

    @asynccontextmanager
    async def boot(
        self,
        *,
        platform: Platform | None = None,
        texts: Texts = ENGLISH,
        allows: Callable[[UserId], bool] = lambda user: user != MALLORY,
        answers: Answers = Answers.MENTIONS,
        streams: bool = True,
        process: SimulatedLease | None = None,
    ) -> AsyncIterator["Run"]:
        """One run of the bot. Leaving it is a kill: whatever runs is cancelled where it is.

        With a `process`, it begins once that leads.
        """
        self.boots += 1
        homeserver = self.client(self.server, BOT, token=self.token)
        transitions = TransitionLog(self.journal, f"boot-{self.boots}", self.server.now)
        leadership = SoleLeader() if process is None else self.lease.leadership(process)
        supervisor = Supervisor(leadership, transitions, self.random, bounds=self.bounds)
        store: SqlStore = self.store
        epoch = NO_LEASE
        if process is not None:
            lead = await supervisor.stand_by()
            assert lead is not None
            store, epoch = self._fenced(process, lead.epoch), lead.epoch
        bot = assemble(
            homeserver,
            store,
            platform or ScriptedPlatform(),
            transitions,
            allows=allows,
            answers=answers,
            texts=texts,
            look=self.look,
            formatted=formatted_parts,
            ids=SeededIds(self.random),
            random=self.random,
            streams=streams,
            epoch=epoch,
            remaining_s=leadership.remaining_s,
            bounds=self.bounds,
        )
        supervisor.activities = bot.activities
        try:
            async with bot.system, anyio.create_task_group() as tasks:
                yield Run(self, bot, supervisor, homeserver, tasks)
                tasks.cancel_scope.cancel()
        finally:
            self.token = homeserver.connection.token

    def _fenced(self, process: SimulatedLease, epoch: int) -> SqlStore:
        """The database as a process sees it that leads in this epoch."""
        database = self.store._database
        assert isinstance(database, _Database)
        fenced = FencedDatabase(database, self.lease, process, epoch)
        return SqlStore(fenced, clock=self.server.now)

    @asynccontextmanager
    async def live(
        self, *, platform: Platform | None = None, texts: Texts = ENGLISH, streams: bool = True
    ) -> AsyncIterator["Run"]:
        """A run that is live, and left to itself."""
        async with self.boot(platform=platform, texts=texts, streams=streams) as run:
            await run.go_live()
            run.let_run()
            yield run


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the bot, driven a step at a time or left to itself."""

    world: World
    bot: Bot
    supervisor: Supervisor
    homeserver: SimulatedHomeserver
    _tasks: TaskGroup

    def state(self) -> State:
        """Where the bot is."""
        return self.supervisor.state

    async def step(self) -> Transition[State, Trigger]:
        """One step of the supervisor."""
        with anyio.fail_after(LONG_S):
            return await self.supervisor.step()

    async def step_while(self, act: Callable[[], object]) -> Transition[State, Trigger]:
        """One step, during which something happens after everything has become quiet."""

        async def act_later() -> None:
            await quiet()
            act()

        self._tasks.start_soon(act_later)
        return await self.step()

    async def go_live(self) -> None:
        """Step until live."""
        await self.go_to(State.LIVE)

    async def go_to(self, state: State) -> None:
        """Step until the bot is in a state."""
        while self.state() is not state:
            await self.step()

    def let_run(self) -> None:
        """Let the supervisor go on by itself, and keep its lead."""
        self._tasks.start_soon(self.supervisor.run)
        self._tasks.start_soon(self.supervisor.keep_lead)

    def let_postponed_run(self) -> None:
        """Let the server carry out what is postponed, when it is due."""
        self._tasks.start_soon(self.world.server.run_postponed)

    def let_crash(self, address: Address, over: type[Message], *errors: Exception | float) -> None:
        """Let the next handlers of an actor raise, or rest, that are given such a message."""
        handling = self.bot.system._handling
        planned, spawn = deque(errors), handling.spawn

        def spawn_crashing(asked: Address) -> Actor:
            actor = spawn(asked)
            return CrashingActor(actor, over, planned) if asked == address else actor

        handling.spawn = spawn_crashing

    async def stop(self) -> tuple[Address, ...]:
        """End it as SIGTERM does; the actors that did not come to their end."""
        self.supervisor.request_stop("SIGTERM")
        await quiet(0.001)
        return await self.bot.stop(10)

    async def settle_in(self, person: Person) -> Home:
        """Let a person invite the bot, be onboarded and accept the invites."""
        direct = person.direct_chat_with(BOT)
        await quiet()
        person.join_all()
        await quiet()
        return await self.home_of(person, direct)

    async def more_chats(self, person: Person, home: Home, count: int) -> tuple[RoomId, ...]:
        """Let a person make so many chats and join them; which those are."""
        for number in range(count):
            person.say(home.chat, f"!new {number}")
        await quiet(5)
        rooms = person.join_all()
        assert len(rooms) == count
        await quiet()
        return rooms

    async def home_of(self, person: Person, direct: RoomId) -> Home:
        """Look a person's Space and first chat up in the cache."""
        user = await self.world.store.row(user_key(person.user_id))
        chats = await self.world.store.rows(f"chat:{person.user_id}:C1")
        (chat,) = chats.values()
        assert user is not None
        assert chat is not None
        return Home(direct, RoomId(str(user["space_id"])), RoomId(str(chat["surface_ref"])))
