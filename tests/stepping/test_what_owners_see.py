"""What the bot's own sentences are in a client: texts or notices, with names and links."""

from collections.abc import Mapping, Sequence

import pytest

from actors.model import RoomId
from actors.port_errors import PlatformFailed
from actors.texts import ENGLISH
from tests.stepping.harness import BOT, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio


def contents(world: World, room_id: RoomId) -> Sequence[Mapping[str, object]]:
    """The contents of the bot's messages in a room."""
    events = world.server.room(room_id).timeline
    return [it.content for it in events if it.sender == BOT and it.type == "m.room.message"]


async def test_a_greeting_notifies_and_what_answers_a_command_does_not() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        for line in ("!status", "!new Holidays", "!frobnicate"):
            world.alice.say(home.chat, line)
        await quiet()
        assert [it["msgtype"] for it in contents(world, home.direct)] == ["m.text"]
        assert [it["msgtype"] for it in contents(world, home.chat)] == ["m.notice"] * 3


async def test_a_message_that_is_given_up_notifies_and_is_no_answer() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.keeps_history = False
    platform.fail("bad", *[PlatformFailed("broken")] * 5)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "bad")
        await quiet(600)
        (given_up,) = contents(world, home.chat)
        assert (given_up["msgtype"], given_up["body"]) == ("m.text", ENGLISH.gave_up)
        world.alice.say(home.chat, "good")
        await quiet()
        assert [turn.text for turn in platform.asks[-1].turns] == ["good"]
