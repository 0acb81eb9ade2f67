"""Rooms that fail: one by one, together, or because they cannot be read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from actors.bounds import Bounds
from actors.chats import ChatManager
from actors.messages import (
    OwnerComplete,
    RoomChanged,
    RowsSettled,
    SnapshotTaken,
    owner_address,
    room_address,
)
from actors.model import RoomId
from actors.port_errors import HomeserverUnavailable, PlatformFailed
from actors.rules.room_states import RoomState
from actors.runtime.letters import Address, FailuresShared, Message
from actors.runtime.table import Transition
from actors.texts import ENGLISH
from actors.writes import DeleteRow, JsonObject
from supervisor.lifecycle import MACHINE, State, Trigger
from tests.simulation.faults import Fault
from tests.stepping.actors import ActorStage, actor_stage, pass_time
from tests.stepping.harness import ALICE, Home, Run, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio


def rooms(count: int) -> list[Address]:
    return [room_address(RoomId(f"!{number}:sim.test")) for number in range(count)]


async def let_fail(stage: ActorStage, failing: list[Address], error: Exception, times: int) -> None:
    for room in failing:
        stage.fail(room, *[error] * times)
        stage.system.tell(room, RoomChanged())
    await pass_time(20)


def failing_together(stage: ActorStage) -> list[FailuresShared]:
    return [report for report in stage.reports if isinstance(report, FailuresShared)]


async def test_many_rooms_that_fail_the_same_way_are_reported_and_none_is_charged() -> None:
    async with actor_stage() as stage:
        await let_fail(stage, rooms(8), HomeserverUnavailable("locked"), times=3)
        report, *_ = failing_together(stage)
        assert report == FailuresShared(5, "locked")
        assert all(stage.state_of(room_id) is RoomState.UNCHECKED for room_id in rooms(8))
        await pass_time(60)
        assert {address for address, _ in stage.finished} == set(rooms(8))


async def test_four_rooms_are_not_many() -> None:
    async with actor_stage() as stage:
        await let_fail(stage, rooms(4), HomeserverUnavailable("locked"), times=3)
        assert failing_together(stage) == []
        assert all(stage.state_of(room_id) is RoomState.QUARANTINED for room_id in rooms(4))


async def test_five_of_twenty_active_rooms_are_not_many() -> None:
    async with actor_stage() as stage:
        for room_id in rooms(20):
            stage.system.tell(room_id, RoomChanged())
        await pass_time()
        await let_fail(stage, rooms(5), HomeserverUnavailable("locked"), times=3)
        assert failing_together(stage) == []


async def test_rooms_that_fail_in_different_ways_are_each_their_own_matter() -> None:
    async with actor_stage() as stage:
        first, second = rooms(8)[:4], rooms(8)[4:]
        for room_id in second:
            stage.fail(room_id, *[ValueError("a bug")] * 3)
            stage.system.tell(room_id, RoomChanged())
        await let_fail(stage, first, HomeserverUnavailable("locked"), times=3)
        assert failing_together(stage) == []
        assert all(stage.state_of(room_id) is RoomState.QUARANTINED for room_id in rooms(8))


# ------------------------------------------------------------ the whole bot


async def six_rooms_that_fail(world: World, run: Run, times: int) -> Home:
    """Six of Alice's rooms that cannot be read so many times; where Bob is."""
    of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
    faults = run.homeserver.faults
    for room_id in await run.more_chats(world.alice, of_alice, 6):
        faults.next("read_room", Fault.SERVER_ERROR, room_id=room_id, times=times)
        world.alice.rename(room_id, "Garden")
    await quiet(0.5)
    assert run.state() is State.DEGRADED
    assert run.supervisor.current.reason.endswith(" rooms fail the same way: 502: Bad Gateway")
    return of_bob


async def test_many_rooms_that_fail_degrade_the_bot_until_they_recover() -> None:
    world = World()
    async with world.live() as run:
        await six_rooms_that_fail(world, run, times=4)
        await quiet(120)
        assert run.state() is State.LIVE
        rows = await world.store.rows("matrix_room:")
        assert [row["display_name"] for row in rows.values() if row].count("Garden") == 6
        assert not any(cell.quarantined for cell in run.bot.system.cells)


async def test_while_many_rooms_fail_the_others_are_answered() -> None:
    world = World()
    async with world.live() as run:
        of_bob = await six_rooms_that_fail(world, run, times=1000)
        world.bob.say(of_bob.chat, "hello")
        await quiet(0.4)
        assert run.state() is State.DEGRADED
        assert world.bob.replies(of_bob.chat) == ("You said: hello",)


async def test_a_room_that_cannot_be_read_at_the_start_holds_up_no_other() -> None:
    world = World()
    async with world.live() as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
    rows = await world.rows()
    world.lose_store()
    world.server.unreadable[of_alice.chat] = "502: Bad Gateway"
    async with world.live() as run:
        await quiet()
        assert run.bot.services.states.of(of_alice.chat) is RoomState.QUARANTINED
        world.bob.say(of_bob.chat, "hello")
        world.alice.say(of_alice.chat, "and I?")
        await quiet()
        assert world.bob.replies(of_bob.chat) == ("You said: hello",)
        assert world.alice.replies(of_alice.chat) == ()
        world.server.unreadable.clear()
        await quiet(120)
        assert world.alice.replies(of_alice.chat) == ("You said: and I?",)
        assert await world.rows() == rows


@pytest.mark.parametrize("message", [SnapshotTaken, RowsSettled])
async def test_a_room_that_fails_in_a_round_is_left_out_and_repaired_later(
    message: type[Message],
) -> None:
    world = World()
    async with world.live() as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
    rows = await world.rows()
    world.lose_store()
    async with world.boot() as run:
        run.let_crash(room_address(of_alice.chat), message, ValueError("a bug"))
        await run.go_live()
        report = run.bot.activities.report
        assert report is not None
        assert report["conflicts"] == [
            {"room_id": of_alice.chat, "reason": "failed", "detail": "a bug"}
        ]
        run.let_run()
        await quiet(0.1)
        world.bob.say(of_bob.chat, "hello")
        world.alice.say(of_alice.chat, "and I?")
        await quiet(60)
        assert world.bob.replies(of_bob.chat) == ("You said: hello",)
        assert world.alice.replies(of_alice.chat) == ("You said: and I?",)
        assert await world.rows() == rows


async def lose_all_rows(world: World) -> tuple[Home, dict[str, JsonObject | None]]:
    """Alice's home, and the rows of it that are gone since the bot was killed."""
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        rows = await world.rows()
        world.write_from_outside([DeleteRow(key) for key in rows])
    return home, rows


async def step_until_degraded(run: Run) -> Transition[State, Trigger]:
    """The step that leads there."""
    step = await run.step()
    while step.dst is not State.DEGRADED:
        step = await run.step()
    return step


async def test_a_round_in_which_an_owners_actor_fails_is_begun_anew() -> None:
    world = World()
    home, rows = await lose_all_rows(world)
    async with world.boot() as run:
        run.let_crash(owner_address(ALICE), OwnerComplete, ValueError("a bug"))
        step = await step_until_degraded(run)
        assert (step.trigger, step.reason) == (Trigger.ROOMS_FAILING, "a bug")
        world.alice.say(home.chat, "hello")
        for state in (State.HYDRATE, State.RECONCILE, State.LIVE):
            assert (await run.step()).dst is state
        assert world.alice.replies(home.chat) == ()
        run.let_run()
        await quiet(60)
        assert world.alice.replies(home.chat) == ("You said: hello",)
        assert await world.rows() == rows


async def test_a_round_in_which_a_room_never_answers_is_begun_anew() -> None:
    world = World()
    home, rows = await lose_all_rows(world)
    async with world.boot() as run:
        run.let_crash(room_address(home.chat), SnapshotTaken, Bounds().round_within_s + 1)
        step = await step_until_degraded(run)
        assert step.trigger is Trigger.ROOMS_FAILING
        assert step.reason == f"no answer within 120 s: {home.chat}"
        run.let_run()
        await quiet(60)
        assert run.state() is State.LIVE
        assert await world.rows() == rows
        assert run.bot.activities.meter.dead_letters == 1


async def test_an_owner_with_a_room_that_cannot_be_read_gets_no_new_one_before_it_can() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        second = await new_chat(world, home)
        world.server.unreadable[second] = "502: Bad Gateway"
        world.server.forget_positions()
        await quiet()
        assert run.bot.services.states.of(second) is RoomState.QUARANTINED
        world.alice.say(home.chat, "!new Garden")
        await quiet(20)
        assert world.creations() == 3
        (waits,) = world.alice.replies(home.chat)[1:]
        assert waits == ENGLISH.creation_waits
        world.server.unreadable.clear()
        await quiet(200)
        (made,) = world.alice.replies(home.chat)[2:]
        assert made.startswith("Garden (C3) is ready")


async def test_a_room_that_cannot_be_read_after_a_loss_of_the_store_keeps_its_number() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        second = await new_chat(world, home)
    world.server.unreadable[second] = "502: Bad Gateway"
    world.lose_store()
    async with world.live():
        world.alice.say(home.chat, "!new Garden")
        await quiet(20)
        world.server.unreadable.clear()
        await quiet(200)
        chats = await ChatManager(world.store).list_all(ALICE)
        assert [(chat.chat_id, chat.name) for chat in chats] == [
            ("C1", "Chat 1"), ("C2", "Holidays"), ("C3", "Garden"),
        ]  # fmt: skip


async def new_chat(world: World, home: Home) -> RoomId:
    world.alice.say(home.chat, "!new Holidays")
    await quiet()
    (invite,) = world.server.invites(ALICE)
    world.alice.join(invite.room_id)
    await quiet()
    return invite.room_id


async def test_a_homeserver_that_fails_only_for_writes_loses_no_promise() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        faults = run.homeserver.faults
        for action in ("write_marker", "link", "invite", "create_room"):
            faults.next(action, Fault.SERVER_ERROR, times=2)
        world.alice.say(home.chat, "!new Holidays")
        await quiet(300)
        assert faults.planned == 0
        assert world.creations() == 3
        assert world.alice.replies(home.chat)[-1].startswith("Holidays (C2) is ready")
        triggers = [row.trigger for row in world.journal.records if row.machine == MACHINE]
        assert triggers[-3:] == ["logged_in", "hydrated", "reconciled"]


async def test_an_error_that_a_room_met_before_an_outage_is_no_reason_to_wait_after_it() -> None:
    async with actor_stage() as stage:
        (room_id,) = rooms(1)
        stage.fail(room_id, *[HomeserverUnavailable("gone")] * 3)
        stage.system.tell(room_id, RoomChanged())
        await pass_time(10)
        assert stage.state_of(room_id) is RoomState.QUARANTINED
        stage.system.outage_is_over()
        await pass_time()
        assert stage.state_of(room_id) is RoomState.UNCHECKED
        assert stage.finished == [(room_id, RoomChanged())]


async def test_nothing_is_made_while_many_rooms_fail() -> None:
    world = World()
    async with world.live() as run:
        of_bob = await six_rooms_that_fail(world, run, times=1000)
        made = world.creations()
        world.bob.say(of_bob.chat, "!new Holidays")
        await quiet(0.4)
        assert run.state() is State.DEGRADED
        assert world.creations() == made


@dataclass(frozen=True)
class Outage:
    """The platform has just begun to fail on "poison", which was said in many of Alice's chats.

    Those are enough to count as a platform that is down.
    """

    world: World
    platform: ScriptedPlatform
    run: Run
    well: RoomId
    """A chat of Alice's in which nobody has said it."""
    poisoned: tuple[RoomId, ...]

    def last_replies(self) -> list[str]:
        """The last one in each of the poisoned rooms."""
        return [self.world.alice.replies(room_id)[-1] for room_id in self.poisoned]


@asynccontextmanager
async def outage_of_the_platform() -> AsyncIterator[Outage]:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        rooms = await run.more_chats(world.alice, home, 7)
        platform.fail("poison", *[PlatformFailed("down")] * 10_000)
        for room_id in rooms:
            world.alice.say(room_id, "poison")
        yield Outage(world, platform, run, home.chat, rooms)


async def test_an_outage_of_the_platform_costs_no_message_its_life() -> None:
    async with outage_of_the_platform() as outage:
        await quiet(900)
        outage.platform.errors.clear()
        await quiet(120)
        assert outage.last_replies() == ["You said: poison"] * 7
        assert outage.run.state() is State.LIVE


async def test_no_failure_of_the_platform_makes_the_bot_degraded() -> None:
    async with outage_of_the_platform() as outage:
        world, run = outage.world, outage.run
        made = world.creations()
        for _ in range(30):
            await quiet(1)
            assert run.state() is State.LIVE
        world.alice.say(outage.well, "!new Holidays")
        await quiet(10)
        assert world.creations() == made + 1
        assert not any(cell.quarantined for cell in run.bot.system.cells)


async def test_a_platform_that_answers_others_gives_a_question_up_after_its_attempts() -> None:
    async with outage_of_the_platform() as outage:
        alice = outage.world.alice
        for number in range(40):
            alice.say(outage.well, f"hello {number}")
            await quiet(20)
        assert outage.last_replies() == [ENGLISH.gave_up] * 7
        assert alice.replies(outage.well)[-40:] == tuple(
            f"You said: hello {number}" for number in range(40)
        )


async def test_a_room_that_changed_and_cannot_be_read_keeps_no_start_from_going_live() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        second = await new_chat(world, home)
        assert not await world.store.dirty()
    world.alice.rename(second, "Garden")
    world.server.unreadable[second] = "500: Internal server error"
    async with world.boot() as run:
        await run.go_live()
        assert run.bot.services.states.of(second) is RoomState.QUARANTINED
        run.let_run()
        world.alice.say(home.chat, "hello")
        await quiet(5)
        assert world.alice.replies(home.chat)[-1] == "You said: hello"
