"""Live edits that the homeserver handles only after the end of their answer."""

import pytest

from tests.simulation.faults import Fault
from tests.stepping.harness import World, quiet
from tests.stepping.test_after_a_loss import (
    cover,
    cut_off,
    home_of_alice,
    states,
    storyteller,
    txns,
    whole,
)

pytestmark = pytest.mark.anyio


async def test_the_end_that_a_late_edit_covers_is_sent_again_once() -> None:
    world = World()
    home = await home_of_alice(world)
    async with world.live(platform=storyteller()) as run:
        question = world.alice.say(home.chat, "story")
        await quiet(60)
        assert run.bot.activities.meter.finals_repeated == 0
        for _ in range(2):
            cover(world, home.chat, boot="boot-2")
            assert states(world, home.chat)[-1] == (question, "live")
            await quiet(5)
        assert run.bot.activities.meter.finals_repeated == 2
        ends = [txn for txn in txns(world, home.chat) if "final" in txn]
        assert ends == ["0.final", "0.final.2", "0.final.3"]
        assert states(world, home.chat)[-1] == (question, "done")
    assert world.alice.replies(home.chat)[:-1] == ("You said: first",)


async def test_an_edit_of_an_earlier_process_that_comes_after_the_end_is_repaired() -> None:
    world = World()
    home = await home_of_alice(world)
    async with world.live(platform=storyteller()):
        question = world.alice.say(home.chat, "story")
        await quiet(60)
    cover(world, home.chat, boot="boot-2")
    async with world.live():
        await quiet(5)
    assert world.alice.replies(home.chat) == ("You said: first", whole(20))
    assert states(world, home.chat)[-1] == (question, "done")


async def test_an_edit_that_was_on_its_way_when_the_bot_stopped_is_repaired() -> None:
    """The end was committed without waiting for it, and the next process has sent the end."""
    world = World()
    home = await home_of_alice(world)
    async with world.live(platform=storyteller()) as run:
        question = world.alice.say(home.chat, "story")
        await quiet(8)
        run.homeserver.faults.next("send", Fault.HANG_BEFORE, room_id=home.chat)
        await quiet(15)
        assert run.bot.services.replies.running(home.chat) == question
        assert await run.stop() == ()
    async with world.live():
        await quiet(5)
        assert states(world, home.chat)[-1] == (question, "done")
        cover(world, home.chat, boot="boot-2")
        assert states(world, home.chat)[-1] == (question, "live")
        await quiet(5)
    assert world.alice.replies(home.chat) == ("You said: first", whole(20))
    assert states(world, home.chat)[-1] == (question, "done")


@pytest.mark.parametrize("seconds", [8, 18.5, 19.9])
async def test_the_end_of_an_answer_is_sent_once_after_a_kill(seconds: float) -> None:
    """The edits of the killed process come with the first news of the next one."""
    world = World()
    home = await home_of_alice(world)
    await cut_off(world, home, seconds)
    async with world.live(platform=storyteller()) as run:
        await quiet(60)
        assert run.bot.activities.meter.finals_repeated == 0
    assert world.alice.replies(home.chat) == ("You said: first", whole(20))
    assert [txn for txn in txns(world, home.chat) if "final" in txn] == ["0.final"]
