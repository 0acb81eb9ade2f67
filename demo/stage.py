"""The participants of the story: a homeserver, the bot, three people, and a model if asked."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from demo.bot import BotProcess
from demo.model_server import LlamaServer
from demo.narrator import Narrator
from demo.person import Person
from demo.synapse import ThrowawaySynapse, free_port

BOT_NAME = "surfaces"

_INSTRUCTIONS = "You are a friendly assistant. You answer in one short sentence."


@dataclass(frozen=True, slots=True)
class Stage:
    """A homeserver, the bot, two people, and an administrator, who counts rooms.

    With a `model`, the bot asks it; without one, the bot repeats what people say.
    """

    synapse: ThrowawaySynapse
    bot: BotProcess
    alice: Person
    bob: Person
    admin: Person
    password: str
    """The password of all accounts."""
    model: LlamaServer | None = None

    def keep(self) -> None:
        """Leave the homeserver, the bot and the model running after the story."""
        self.bot.keep()
        self.synapse.keep()
        if self.model is not None:
            self.model.keep()


SetUp: TypeAlias = Callable[[Narrator], AbstractAsyncContextManager[Stage]]
"""Makes a stage, and removes it on leaving the context unless `keep` was called."""


@asynccontextmanager
async def set_up(narrator: Narrator, *, with_model: bool = False) -> AsyncIterator[Stage]:
    """Start a homeserver and register all accounts. The bot is not started yet."""
    password = secrets.token_hex(4)
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(_model(narrator)) if with_model else None
        synapse = await stack.enter_async_context(_homeserver(narrator))
        bot_id = await synapse.register(BOT_NAME, password)
        people = [await _person(stack, synapse, name, password) for name in ("alice", "bob")]
        bot = BotProcess(
            homeserver_url=synapse.url,
            user_id=bot_id,
            password=password,
            folder=synapse.folder / "bot",
            environment={"STATUS_BIND": f"127.0.0.1:{free_port()}", **_platform(model)},
        )
        yield Stage(
            synapse=synapse,
            bot=await stack.enter_async_context(bot),
            alice=people[0],
            bob=people[1],
            admin=await _person(stack, synapse, "admin", password, admin=True),
            password=password,
            model=model,
        )


def _platform(model: LlamaServer | None) -> dict[str, str]:
    """The variables that choose the bot's platform."""
    if model is None:
        return {}
    return {
        **model.environment,
        "OPENAI_SYSTEM_PROMPT": _INSTRUCTIONS,
        "OPENAI_TEMPERATURE": "0",
        "OPENAI_MAX_TOKENS": "300",
    }


@asynccontextmanager
async def _model(narrator: Narrator) -> AsyncIterator[LlamaServer]:
    async with AsyncExitStack() as stack:
        with narrator.waiting("llama.cpp loads its model"):
            model = await stack.enter_async_context(LlamaServer())
        yield model


@asynccontextmanager
async def _homeserver(narrator: Narrator) -> AsyncIterator[ThrowawaySynapse]:
    async with AsyncExitStack() as stack:
        with narrator.waiting("Synapse is starting") as status:
            synapse = ThrowawaySynapse(on_progress=status.update)
            await stack.enter_async_context(synapse)
        yield synapse


async def _person(
    stack: AsyncExitStack,
    synapse: ThrowawaySynapse,
    name: str,
    password: str,
    *,
    admin: bool = False,
) -> Person:
    await synapse.register(name, password, admin=admin)
    return await stack.enter_async_context(Person.logged_in(synapse.url, name, password))
