"""A platform's adapter that raises what no adapter may raise."""

import pytest

from actors.rules.room_states import RoomState
from actors.texts import ENGLISH
from supervisor.lifecycle import State
from tests.stepping.harness import ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio


async def test_a_platform_that_raises_anything_costs_its_message_alone() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.fail("poison", *[KeyError("answer")] * 50)
    async with world.live(platform=platform) as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        world.alice.say(of_alice.chat, "poison")
        world.bob.say(of_bob.chat, "hello")
        await quiet(10)
        assert run.bot.services.states.of(of_alice.chat) is RoomState.READY
        assert world.bob.replies(of_bob.chat) == ("You said: hello",)
        world.alice.say(of_alice.chat, "and this?")
        await quiet(600)
        assert world.alice.replies(of_alice.chat) == (ENGLISH.gave_up, "You said: and this?")
        assert run.state() is State.LIVE
