"""A person with a real client in a headless Chromium, a real Synapse, and the real bot.

The screenshots of each step lie in the folder that WALK_PICTURES names, or in that of the test.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from playwright.async_api import Browser, ViewportSize

from demo.bot import BotProcess
from demo.synapse import ThrowawaySynapse
from tests.browser.conftest import browser  # noqa: F401  a fixture
from tests.chat_server import ChatServer
from tests.client.bundle import ESBUILD, HOW_TO_INSTALL, served_client
from tests.client.person import Client
from tests.synapse.conftest import PASSWORD, MakeBot, make_bot, synapse, unique  # noqa: F401
from tests.synapse.streams import LIVELY

DESK = ViewportSize(width=1100, height=760)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def client_page() -> Iterator[str]:
    """The address of the client."""
    if not ESBUILD.exists():
        pytest.skip(HOW_TO_INSTALL)
    with served_client() as address:
        yield address


@pytest.fixture
async def model() -> AsyncIterator[ChatServer]:
    """The model behind the bot. The test says what it answers."""
    async with ChatServer() as server:
        yield server


class LogIn(Protocol):
    async def __call__(self, name: str = "alice", viewport: ViewportSize = DESK) -> Client: ...


@pytest.fixture
async def log_in(
    browser: Browser,  # noqa: F811
    synapse: ThrowawaySynapse,  # noqa: F811
    client_page: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> AsyncIterator[LogIn]:
    """Registers a person, and logs them in at a client."""
    folder = Path(os.environ.get("WALK_PICTURES", tmp_path)) / request.node.name
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:

        async def make(name: str = "alice", viewport: ViewportSize = DESK) -> Client:
            user = unique(name)
            await synapse.register(user, PASSWORD)
            context = await stack.enter_async_context(
                await browser.new_context(viewport=viewport, reduced_motion="reduce")
            )
            client = Client(await context.new_page(), folder)
            client.listen()
            await client.log_in(client_page, synapse.url, user, PASSWORD)
            return client

        yield make


@dataclass(frozen=True, slots=True)
class Household:
    """A person at their client, who has a Space and a first chat, and looks at the chat."""

    alice: Client
    bot: BotProcess
    model: ChatServer


@pytest.fixture
async def bot(make_bot: MakeBot, model: ChatServer) -> BotProcess:  # noqa: F811
    """A live bot that asks the model."""
    made = await make_bot(BOT_PLATFORM="openai", OPENAI_BASE_URL=f"{model.url}/v1")
    await made.start_and_go_live()
    return made


@pytest.fixture
async def lively_bot(make_bot: MakeBot, model: ChatServer) -> BotProcess:  # noqa: F811
    """The same on a homeserver without limits: its answers grow from the first one on."""
    url = f"{model.url}/v1"
    made = await make_bot(command=LIVELY, BOT_PLATFORM="openai", OPENAI_BASE_URL=url)
    await made.start_and_go_live()
    return made


@pytest.fixture
async def household(log_in: LogIn, bot: BotProcess, model: ChatServer) -> Household:
    alice = await log_in()
    await move_in(alice, bot)
    return Household(alice, bot, model)


async def move_in(person: Client, bot: BotProcess) -> None:
    """Start a direct chat with the bot, accept both invites, and look at the chat."""
    await person.start_chat(bot.user_id)
    await person.sees("Hello! Your Space is ready")
    await person.accept("Chats of")
    await person.accept("Chat 1")
