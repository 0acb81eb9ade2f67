"""When all questions wait for the platform, and when they do not."""

from collections.abc import AsyncGenerator
from typing import Final

import anyio
import pytest
from typing_extensions import override

from actors.bounds import Bounds
from actors.platform import Ask, Delta, Done, Text, Thinking
from actors.platform_state import PlatformState
from actors.port_errors import PlatformBusy, PlatformFailed
from tests.stepping.harness import ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio

CHECK_S: Final = Bounds().platform_check_s


class Slow(ScriptedPlatform):
    """A platform that takes minutes for a story, and meanwhile has no time for a check."""

    def __init__(self) -> None:
        super().__init__()
        self.script["story"] = self.story
        self.check_takes_s = 10 * CHECK_S

    async def story(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """A sign of life each second."""
        for _ in range(120):
            await anyio.sleep(1)
            yield Thinking()
        yield Text(f"Once there was a fox: {ask.key}")
        yield Done()

    @override
    async def check(self) -> None:
        await anyio.sleep(self.check_takes_s)
        await super().check()


@pytest.mark.parametrize("is_busy", [False, True])
async def test_a_platform_that_is_too_busy_for_a_check_is_not_down_while_it_answers(
    *, is_busy: bool
) -> None:
    world, platform = World(), Slow()
    if is_busy:
        platform.check_takes_s, platform.check_fails = 1.5, PlatformBusy(60.0)
    platform.fail("hello", PlatformFailed("it breaks off"))
    async with world.live(platform=platform) as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        world.alice.say(of_alice.chat, "story")
        await quiet(5)
        world.bob.say(of_bob.chat, "hello")
        await quiet(2 * CHECK_S)
        assert run.bot.services.platform_health.state is PlatformState.WELL
        assert world.bob.replies(of_bob.chat) == ("You said: hello",)
        await quiet(120)
        (story,) = world.alice.replies(of_alice.chat)
        assert story.startswith("Once there was a fox")


async def test_a_platform_that_has_no_time_for_a_check_and_does_not_answer_is_down() -> None:
    world, platform = World(), Slow()
    platform.fail("hello", PlatformFailed("it breaks off"))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.bob)
        world.bob.say(home.chat, "hello")
        await quiet(CHECK_S + 1)
        assert run.bot.services.platform_health.state is PlatformState.UNAVAILABLE
        platform.check_takes_s = 0.0
        await quiet(2 * CHECK_S)
        assert world.bob.replies(home.chat)[-1] == "You said: hello"


async def test_the_platform_is_busy_as_long_as_a_question_waits_for_it() -> None:
    world, platform = World(), ScriptedPlatform()
    for question in ("one", "two"):
        platform.fail(question, PlatformBusy(3600.0))
    async with world.live(platform=platform) as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        health = run.bot.services.platform_health
        world.alice.say(of_alice.chat, "one")
        world.bob.say(of_bob.chat, "two")
        await quiet(5)
        world.alice.say(of_alice.chat, "!stop")
        await quiet(5)
        assert health.state is PlatformState.BUSY
        world.bob.say(of_bob.chat, "!stop")
        await quiet(5)
        assert (health.state, health.reason) == (PlatformState.WELL, "")
