"""A platform's adapter that raises what no adapter may raise."""

import pytest
from structlog.testing import capture_logs

from actors.port_errors import PlatformFailed
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


async def test_each_failed_attempt_is_logged_with_its_reason_and_without_the_message() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.fail("my secret", PlatformFailed("502 from the server"), KeyError("answer"))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        with capture_logs() as logs:
            world.alice.say(home.chat, "my secret")
            await quiet(120)
        assert world.alice.replies(home.chat) == ("You said: my secret",)
        failures = [log for log in logs if log["event"] == "reply_failed"]
        assert [(log["attempt"], log["error"]) for log in failures] == [
            (1, "502 from the server"),
            (2, "KeyError: 'answer'"),
        ]
        assert all(log["room_id"] == home.chat for log in failures)
        assert "my secret" not in str(logs)
