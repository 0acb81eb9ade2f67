"""A real Synapse for all tests here, and for each test its own bot account and people.

A session-wide fixture here is never async: anyio keeps the event loop of an async fixture as long
as the fixture, and runs every test meanwhile in that loop. `portal` serves them instead.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from textwrap import shorten
from typing import Protocol, TypeAlias

import pytest
from anyio.from_thread import BlockingPortal

from demo.bot import RUN, BotProcess
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.home import Home, move_in
from tests.synapse.proxy import FaultProxy

PASSWORD = "a password for one test"
HERE = Path(__file__).parent
LAST_LINES = 60
LINE_WIDTH = 400

MakePerson: TypeAlias = Callable[[str], Awaitable[Person]]
"""Registers somebody, whose user id begins with the given word, and logs them in."""


class MakeBot(Protocol):
    """Registers a bot account, and makes a bot in a folder of its own, not started yet."""

    async def __call__(
        self, *, homeserver_url: str = "", command: Sequence[str] = RUN, **environment: str
    ) -> BotProcess: ...


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a real homeserver is needed for takes long: only what is marked `quick` is not slow."""
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("quick") is None:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failed test, show how the logs of its bots end."""
    report = yield
    folder = item.funcargs.get("tmp_path")
    if report.failed and call.when == "call" and isinstance(folder, Path):
        for log in sorted(folder.rglob("run-*.log")):
            lines = log.read_text().splitlines()[-LAST_LINES:]
            shown = "\n".join(shorten(line, LINE_WIDTH) for line in lines)
            report.sections.append((f"{log.parent.name}/{log.name}", shown))
    return report


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def synapse(portal: BlockingPortal) -> Iterator[ThrowawaySynapse]:
    """Shared by all tests: one that stops or freezes its homeserver takes `own_synapse`."""
    with portal.wrap_async_context_manager(ThrowawaySynapse()) as homeserver:
        yield homeserver


@pytest.fixture(scope="session")
def synapse_of_version_10(portal: BlockingPortal) -> Iterator[ThrowawaySynapse]:
    """One whose rooms are of an older version than Synapse's default, 12."""
    older = ThrowawaySynapse(default_room_version="10")
    with portal.wrap_async_context_manager(older) as homeserver:
        yield homeserver


@pytest.fixture
async def own_synapse() -> AsyncIterator[ThrowawaySynapse]:
    async with ThrowawaySynapse() as homeserver:
        yield homeserver


@pytest.fixture
async def make_person(synapse: ThrowawaySynapse) -> AsyncIterator[MakePerson]:
    async with AsyncExitStack() as people:

        async def make(name: str) -> Person:
            return await newcomer(people, synapse, name)

        yield make


@pytest.fixture
async def alice(make_person: MakePerson) -> Person:
    return await make_person("alice")


@pytest.fixture
async def bob(make_person: MakePerson) -> Person:
    return await make_person("bob")


@pytest.fixture(scope="module")
async def admin(synapse: ThrowawaySynapse) -> AsyncIterator[Person]:
    """An administrator of the shared homeserver, who can count its rooms."""
    async with AsyncExitStack() as stack:
        yield await newcomer(stack, synapse, "admin", admin=True)


@pytest.fixture
async def make_bot(synapse: ThrowawaySynapse, tmp_path: Path) -> AsyncIterator[MakeBot]:
    async with AsyncExitStack() as bots:

        async def make(
            *, homeserver_url: str = "", command: Sequence[str] = RUN, **environment: str
        ) -> BotProcess:
            user_id = await synapse.register(unique("bot"), PASSWORD)
            made = BotProcess(
                homeserver_url=homeserver_url or synapse.url,
                user_id=user_id,
                password=PASSWORD,
                folder=tmp_path / user_id[1:].partition(":")[0],
                environment=environment,
                command=command,
            )
            return await bots.enter_async_context(made)

        yield make


@pytest.fixture
async def proxy(synapse: ThrowawaySynapse) -> AsyncIterator[FaultProxy]:
    """The shared homeserver, failing on demand: for a bot with the proxy's `homeserver_url`."""
    async with FaultProxy(synapse.url) as between:
        yield between


@pytest.fixture
async def bot(make_bot: MakeBot) -> BotProcess:
    """A bot with an account of its own, not started yet."""
    return await make_bot()


@pytest.fixture(scope="session")
def live_bot(
    portal: BlockingPortal, synapse: ThrowawaySynapse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BotProcess]:
    """A bot that runs as long as the tests do, for those that only talk to it."""
    user_id = portal.call(synapse.register, unique("bot"), PASSWORD)
    folder = tmp_path_factory.mktemp("live") / "bot"
    made = BotProcess(homeserver_url=synapse.url, user_id=user_id, password=PASSWORD, folder=folder)
    with portal.wrap_async_context_manager(made) as process:
        portal.call(process.start_and_go_live)
        yield process


@pytest.fixture
async def home(alice: Person, live_bot: BotProcess) -> Home:
    """Alice's, with the bot that all share."""
    return await move_in(alice, live_bot)


@pytest.fixture(scope="module")
async def commons(synapse: ThrowawaySynapse, live_bot: BotProcess) -> AsyncIterator[Home]:
    """A home that a module's tests share: they leave it with one chat, open and named Chat 1."""
    async with AsyncExitStack() as stack:
        yield await move_in(await newcomer(stack, synapse, "commons"), live_bot)


async def newcomer(
    stack: AsyncExitStack, homeserver: ThrowawaySynapse, name: str, *, admin: bool = False
) -> Person:
    """Register somebody, and log them in until the stack is left."""
    localpart = unique(name)
    await homeserver.register(localpart, PASSWORD, admin=admin)
    login = Person.logged_in(homeserver.url, localpart, PASSWORD)
    return await stack.enter_async_context(login)


def account_of(
    homeserver: ThrowawaySynapse, bot: BotProcess
) -> AbstractAsyncContextManager[Person]:
    """The bot's account, in another client and on a device of its own."""
    localpart = bot.user_id[1:].partition(":")[0]
    return Person.logged_in(homeserver.url, localpart, PASSWORD)


def unique(name: str) -> str:
    """Answer a localpart that no other test has."""
    return f"{name}-{uuid.uuid4().hex[:8]}"
