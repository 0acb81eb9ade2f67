"""A real Synapse for all tests here, and for each test its own bot account and people."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeAlias

import pytest

from supervisor.demo.bot import BotProcess
from supervisor.demo.person import Person
from supervisor.demo.synapse import ThrowawaySynapse

PASSWORD = "a password for one test"

MakePerson: TypeAlias = Callable[[str], Awaitable[Person]]
"""Registers somebody, whose user id begins with the given word, and logs them in."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def synapse() -> AsyncIterator[ThrowawaySynapse]:
    """Shared by all tests: one that stops or freezes its homeserver takes `own_synapse`."""
    async with ThrowawaySynapse() as homeserver:
        yield homeserver


@pytest.fixture
async def own_synapse() -> AsyncIterator[ThrowawaySynapse]:
    async with ThrowawaySynapse() as homeserver:
        yield homeserver


@pytest.fixture
async def make_person(synapse: ThrowawaySynapse) -> AsyncIterator[MakePerson]:
    async with AsyncExitStack() as people:

        async def make(name: str) -> Person:
            localpart = unique(name)
            await synapse.register(localpart, PASSWORD)
            login = Person.logged_in(synapse.url, localpart, PASSWORD)
            return await people.enter_async_context(login)

        yield make


@pytest.fixture
async def alice(make_person: MakePerson) -> Person:
    return await make_person("alice")


@pytest.fixture
async def bob(make_person: MakePerson) -> Person:
    return await make_person("bob")


@pytest.fixture
async def bot(synapse: ThrowawaySynapse, tmp_path: Path) -> AsyncIterator[BotProcess]:
    """A bot with an account of its own, not started yet."""
    user_id = await synapse.register(unique("bot"), PASSWORD)
    async with BotProcess(
        homeserver_url=synapse.url, user_id=user_id, password=PASSWORD, folder=tmp_path / "bot"
    ) as process:
        yield process


def unique(name: str) -> str:
    """Answer a localpart that no other test has."""
    return f"{name}-{uuid.uuid4().hex[:8]}"
