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


async def cut_off(world: World, fault: Fault) -> tuple[RoomId, float]:
    """A reply whose only attempt failed before a stop; its room, and when it was tried."""
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("send", fault, room_id=home.chat)
        world.alice.say(home.chat, "hello")
        await quiet(0.1)
    (message,) = await world.store.unsent(home.chat, 9)
    assert message.tried is not None
    return home.chat, message.tried.at


@pytest.mark.parametrize("fault", [Fault.AFTER_EFFECT, Fault.SERVER_ERROR])
async def test_after_a_day_a_reply_is_looked_for_before_it_is_sent_again(fault: Fault) -> None:
    world = World()
    room_id, _ = await cut_off(world, fault)
    world.server.forget_transactions()
    world.server.skip(world.bounds.resend_s + 1)
    async with world.live():
        await quiet()
    assert world.alice.replies(room_id) == ("You said: hello",)
    assert sum((await world.store.unsent_counts()).values()) == 0


async def test_with_another_session_a_reply_is_looked_for_before_it_is_sent_again() -> None:
    world = World()
    room_id, _ = await cut_off(world, Fault.AFTER_EFFECT)
    world.server.forget_transactions()
    world.store._database._connection.execute("UPDATE outbox SET tried_by = 'another'")  # type: ignore[attr-defined]
    async with world.live():
        await quiet()
    assert world.alice.replies(room_id) == ("You said: hello",)


CANT_LOOK = [Fault.SERVER_ERROR, Fault.RATE_LIMITED, Fault.REFUSED_UNCLEARLY, Fault.REFUSED]


@pytest.mark.parametrize("fault", CANT_LOOK)
async def test_a_reply_that_can_t_be_looked_for_waits(fault: Fault) -> None:
    world = World()
    room_id, _ = await cut_off(world, Fault.AFTER_EFFECT)
    world.server.forget_transactions()
    world.server.skip(world.bounds.resend_s + 1)
    async with world.boot() as run:
        run.homeserver.faults.next("find_sent", fault, times=4)
        await run.go_live()
        run.let_run()
        await quiet(120)
        assert run.homeserver.faults.planned == 0
    assert world.alice.replies(room_id) == ("You said: hello",)
    assert sum((await world.store.unsent_counts()).values()) == 0


async def test_a_reply_that_was_tried_lately_is_sent_again_without_a_look() -> None:
    world = World()
    room_id, tried_at = await cut_off(world, Fault.AFTER_EFFECT)
    async with world.boot() as run:
        run.homeserver.faults.next("find_sent", Fault.SERVER_ERROR)
        await run.go_live()
        run.let_run()
        await quiet()
        assert run.homeserver.faults.planned == 1
    assert world.alice.replies(room_id) == ("You said: hello",)
    (found,) = world.store._database._connection.execute(  # type: ignore[attr-defined]
        "SELECT tried_at FROM outbox WHERE room_id = ?", (room_id,)
    )
    assert found == (tried_at,)
