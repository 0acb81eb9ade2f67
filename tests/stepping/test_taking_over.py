"""Several processes of one bot on one database: which one may do what, and when."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest
from structlog.testing import capture_logs

from actors.bounds import Bounds
from actors.model import OutboundMessage
from actors.port_errors import LeaseLost
from actors.writes import DropMessage, FinishMessage, PutRow, Write
from supervisor.current import Stopped
from supervisor.lifecycle import Trigger
from supervisor.serving.live_only import NotLive
from tests.simulation.faults import Fault
from tests.simulation.leading import SimulatedLease
from tests.stepping.harness import Run, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio

LEASE_S = 6.0
UNCLEAR_FOR_S = Bounds().unclear_for_s


def two(world: World) -> tuple[SimulatedLease, SimulatedLease]:
    """Two processes."""
    return SimulatedLease(world.lease, "one"), SimulatedLease(world.lease, "two")


async def test_the_second_answers_what_the_first_has_begun_and_each_message_once() -> None:
    world = World()
    one, other = two(world)
    platform = ScriptedPlatform()
    async with world.boot(process=one, platform=platform) as first:
        await first.go_live()
        first.let_run()
        home = await first.settle_in(world.alice)
        platform.takes_s = 60.0
        world.alice.say(home.chat, "slow")
        await quiet()
        one.cut = True
        platform.takes_s = 0.0
        began = anyio.current_time()
        async with world.boot(process=other) as second:
            await second.go_live()
            second.let_run()
            assert anyio.current_time() - began <= LEASE_S + 1
            await quiet()
            assert world.alice.replies(home.chat) == ("You said: slow",)
            await quiet(120)
            assert world.alice.replies(home.chat) == ("You said: slow",)
        last = first.supervisor.current
        assert isinstance(last, Stopped)
        assert (last.cause, last.start_again) == (Trigger.LEASE_LOST, True)
        assert "cut off" in last.reason


async def test_a_process_that_was_paused_writes_nothing_once_it_was_replaced() -> None:
    world = World()
    one, other = two(world)
    async with world.boot(process=one) as first:
        await first.go_live()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first.supervisor.run)
            home = await first.settle_in(world.alice)
            tasks.cancel_scope.cancel()
        await anyio.sleep(LEASE_S + 0.1)  # its loop stood still: nothing was renewed
        async with world.boot(process=other) as second:
            await second.go_live()
            writes = world.writes()
            with pytest.raises(NotLive):
                await first.bot.services.homeserver.send(
                    OutboundMessage("t1", home.chat, "too late")
                )
            with pytest.raises(NotLive):
                await first.bot.services.homeserver.set_typing(home.chat, typing=True)
            with pytest.raises(NotLive):
                await first.bot.services.homeserver.log_in()
            with pytest.raises(LeaseLost):
                await first.bot.services.store.commit([PutRow("k", {})])
            assert world.writes() == writes


async def test_one_that_resigns_is_followed_at_once() -> None:
    world = World()
    one, other = two(world)
    async with world.boot(process=one) as first:
        await first.go_live()
        first.let_run()
        assert first.supervisor.lead is not None
        await first.stop()
        await first.supervisor._leadership.resign()
        began = anyio.current_time()
        async with world.boot(process=other) as second:
            assert anyio.current_time() - began < 0.2
            assert second.supervisor.lead is not None
            assert second.supervisor.lead.epoch > first.supervisor.lead.epoch


@asynccontextmanager
async def led_after_an_unclear_creation() -> AsyncIterator[tuple[World, Run, int]]:
    """A second process leads; the room that the first one asked for was not made.

    Yields the rooms made so far as well.
    """
    world = World()
    one, other = two(world)
    async with world.boot(process=one) as first:
        await first.go_live()
        first.let_run()
        home = await first.settle_in(world.alice)
        first.homeserver.faults.next("create_room", Fault.REFUSE_BEFORE)
        world.alice.say(home.chat, "!new")
        await quiet(0.5)
        one.cut = True
        rooms = world.creations()
        async with world.boot(process=other) as second:
            await second.go_live()
            second.let_run()
            yield world, second, rooms


async def test_a_room_that_a_former_lead_asked_for_is_asked_for_again_a_minute_later() -> None:
    async with led_after_an_unclear_creation() as (world, _, rooms):
        await quiet(UNCLEAR_FOR_S - 2)
        assert world.creations() == rooms
        await quiet(4)
        assert world.creations() == rooms + 1


async def test_a_room_of_a_former_lead_waits_no_second_minute_for_a_look_that_fails() -> None:
    async with led_after_an_unclear_creation() as (world, second, rooms):
        await quiet(UNCLEAR_FOR_S - 2)
        second.homeserver.faults.next("joined_rooms", Fault.REFUSE_BEFORE)
        await quiet(UNCLEAR_FOR_S / 2)
        assert second.homeserver.faults.planned == 0
        assert world.creations() == rooms + 1


async def test_an_answer_to_a_message_that_ended_otherwise_is_not_sent() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        commit = world.store.commit

        async def ended_meanwhile(writes: Sequence[Write]) -> None:
            for write in writes:
                if isinstance(write, FinishMessage):
                    world.store.commit = commit  # type: ignore[method-assign]
                    await commit([DropMessage(write.event_id)])
            await commit(writes)

        world.store.commit = ended_meanwhile  # type: ignore[method-assign]
        with capture_logs() as logs:
            world.alice.say(home.chat, "ended otherwise")
            await quiet()
            world.alice.say(home.chat, "!status")
            world.alice.say(home.chat, "next")
            await quiet()
        assert "ended_otherwise" in {entry["event"] for entry in logs}
        assert world.alice.replies(home.chat)[-1] == "You said: next"
        assert "You said: ended otherwise" not in world.alice.replies(home.chat)
