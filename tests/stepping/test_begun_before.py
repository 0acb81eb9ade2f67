"""Answers that had begun to grow when their room changed: they end, and nothing of them is left."""

import pytest

from actors.model import EventId
from tests.simulation.events import Event
from tests.stepping.growing import answer, free, story, telling
from tests.stepping.harness import BOT, Home, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio


def storyteller() -> ScriptedPlatform:
    """A platform that answers the message "story" with a story."""
    platform = ScriptedPlatform()
    platform.script["go"] = telling(story(100))
    return platform


async def begun(world: World) -> tuple[Home, EventId]:
    """A question of Alice's whose answer was growing when the bot was killed."""
    async with world.live(platform=storyteller()) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(10)
    assert answer(world, home.chat, question)[0][0] == "live"
    return home, question


def own_messages(world: World, home: Home) -> list[Event]:
    timeline = world.server.room(home.chat).timeline
    return [it for it in timeline if it.sender == BOT and it.type == "m.room.message"]


async def test_in_a_chat_that_was_archived_meanwhile_it_goes_on_to_its_end() -> None:
    world = free()
    home, question = await begun(world)
    async with world.live(platform=storyteller()):
        await quiet(10)
        for command in ("!archive", "!yes"):
            world.alice.say(home.chat, command)
            await quiet(2)
        assert answer(world, home.chat, question)[0][0] == "live"
    async with world.live(platform=storyteller()):
        await quiet(400)
    assert answer(world, home.chat, question) == [("done", story(100))]


async def test_in_a_room_that_was_replaced_meanwhile_it_is_taken_back() -> None:
    world = free()
    home, question = await begun(world)
    (anchor, *_) = [it for it in own_messages(world, home) if it.txn_id == f"{question}.0"]
    world.server.grant(home.chat, world.alice.user_id, 100)
    replacement = world.alice.upgrade(home.chat)
    world.server.grant(replacement, BOT, 100)
    world.alice.invite(replacement, BOT)
    await world.distrust()
    async with world.live(platform=storyteller()):
        await quiet(60)
    (taken,) = [it for it in world.server.events if it.event_id == anchor.event_id]
    assert taken.redacted
    assert answer(world, home.chat, question) == []
