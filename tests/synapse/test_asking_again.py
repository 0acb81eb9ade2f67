"""Answers of a real model on a real homeserver: stopped, asked for again, forgotten."""

import anyio
import pytest

from demo.model_server import LlamaServer
from demo.person import Event, Person
from tests.synapse.conftest import MakeBot
from tests.synapse.home import Home, move_in

pytestmark = pytest.mark.anyio

SETTINGS = "io.surfaces.settings"


async def at_home(make_bot: MakeBot, alice: Person, llama: LlamaServer) -> Home:
    bot = await make_bot(**llama.environment)
    await bot.start_and_go_live()
    return await move_in(alice, bot)


async def next_of_bot(home: Home) -> Event:
    """The next message of the bot."""
    me = home.bot.user_id
    return await home.owner.wait_for(lambda it: bool(it.body) and it.sender == me, timeout_s=90)


async def reply_to(home: Home, text: str) -> Event:
    """Say something, and take the next message of the bot."""
    await home.owner.discard_events()
    await home.owner.say(home.chat, text)
    return await next_of_bot(home)


async def test_a_stopped_answer_ends_on_the_server_of_the_model_too(
    make_bot: MakeBot, alice: Person, llama: LlamaServer
) -> None:
    home = await at_home(make_bot, alice, llama)
    cancelled = llama.log().count("cancel task")
    await alice.say(home.chat, "Write a very long story about a dragon.")
    await alice.wait_for(lambda it: it.type == "m.typing" and bool(it.content["user_ids"]))
    said = await reply_to(home, "!stop")
    while said.body != "I have stopped.":
        assert said.content["io.surfaces.reply"]["state"] == "stopped"
        said = await next_of_bot(home)
    with anyio.fail_after(20):
        while llama.log().count("cancel task") == cancelled:
            await anyio.sleep(0.1)


async def test_settings_and_what_was_forgotten_outlive_every_file(
    make_bot: MakeBot, alice: Person, llama: LlamaServer
) -> None:
    home = await at_home(make_bot, alice, llama)
    await home.ask("!settings temperature 0")
    await home.ask("!system Answer briefly.")
    await home.ask("!forget")
    answer = await reply_to(home, "What is the capital of France?")
    settings = await home.ask("!settings")
    await home.bot.kill()
    home.bot.wipe()
    await home.bot.start_and_go_live()
    assert await home.ask("!settings") == settings
    assert "temperature: 0" in settings
    again = await reply_to(home, "!retry")
    assert again.body == answer.body
    assert again.content["io.surfaces.usage"] == answer.content["io.surfaces.usage"]
    assert await alice.state_of(home.chat, SETTINGS, home.bot.user_id) == {
        "version": 1, "system": "Answer briefly.", "temperature": "0.0",
    }  # fmt: skip
