"""When the outbox tries again: not before the homeserver had a rest, at once when it answers."""

from random import Random

import anyio
import pytest
from typing_extensions import override

from actors.model import RoomId
from tests.simulation.faults import Fault
from tests.stepping.harness import ALICE, BOB, Run, World, quiet

pytestmark = pytest.mark.anyio


class Longest(Random):
    """Waits as long as it may."""

    @override
    def uniform(self, a: float, b: float) -> float:
        return b


async def let_sends_fail(run: Run, room_id: RoomId) -> None:
    """Let a reply fail in this room until its sender waits for a minute."""
    run.bot.activities.outbox._random = Longest()
    run.homeserver.faults.next("send", Fault.SERVER_ERROR, room_id=room_id, times=6)
    run.world.alice.say(room_id, "hello")
    await quiet(2 + 4 + 8 + 16 + 32 + 5)
    assert run.homeserver.faults.planned == 0


async def test_a_sender_waits_no_longer_once_another_room_was_answered() -> None:
    world = World()
    async with world.live() as run:
        alices, bobs = await run.settle_in(world.alice), await run.settle_in(world.bob)
        await let_sends_fail(run, alices.chat)
        await quiet(10)
        assert "You said: hello" not in world.alice.replies(alices.chat)
        world.bob.say(bobs.chat, "are you there?")
        await quiet()
        assert world.alice.replies(alices.chat)[-1] == "You said: hello"


async def test_a_sender_waits_no_longer_once_the_bot_is_live_again() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await let_sends_fail(run, home.chat)
        world.go_down()
        await quiet()
        world.come_back()
        with anyio.fail_after(5):
            while run.bot.services.gate.live is False:
                await quiet(0.1)
        await quiet()
        assert world.alice.replies(home.chat)[-1] == "You said: hello"


async def test_the_pauses_of_a_room_that_fails_alone_go_on_growing_after_an_outage() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await let_sends_fail(run, home.chat)
        run.homeserver.faults.next("send", Fault.SERVER_ERROR, room_id=home.chat, times=1000)
        world.go_down()
        await quiet(120)
        world.come_back()
        await quiet(120)
        assert run.bot.services.gate.live
        tried = 1000 - run.homeserver.faults.planned
        await quiet(600)
        assert 9 <= 1000 - run.homeserver.faults.planned - tried <= 11


async def test_a_room_that_fails_alone_is_not_tried_with_every_answer_elsewhere() -> None:
    world = World()
    async with world.live() as run:
        alices, bobs = await run.settle_in(world.alice), await run.settle_in(world.bob)
        await let_sends_fail(run, alices.chat)
        run.homeserver.faults.next("send", Fault.SERVER_ERROR, room_id=alices.chat, times=100)
        for _ in range(50):
            world.bob.say(bobs.chat, "are you there?")
            await quiet(0.1)
        assert 100 - run.homeserver.faults.planned <= 6


async def test_what_the_homeserver_asked_for_is_waited_out() -> None:
    world = World()
    async with world.live() as run:
        alices, bobs = await run.settle_in(world.alice), await run.settle_in(world.bob)
        run.homeserver.faults.retry_after_s = 30
        run.homeserver.faults.next("send", Fault.RATE_LIMITED, room_id=alices.chat)
        world.alice.say(alices.chat, "hello")
        await quiet()
        world.bob.say(bobs.chat, "are you there?")
        await quiet(20)
        assert world.server.rooms[alices.chat].timeline[-1].sender == ALICE
        assert world.server.rooms[bobs.chat].timeline[-1].sender != BOB
        await quiet(10)
        assert world.alice.replies(alices.chat)[-1] == "You said: hello"
