"""A start reads what has changed: whatever was under way is found again, however the bot ended."""

from collections.abc import Sequence
from dataclasses import replace

import anyio
import pytest

from actors.messages import RoomChanged, RoomReported, owner_address, room_address
from actors.model import InboundMessage, RoomId
from actors.rows import room_key, user_key
from actors.writes import AcceptMessage, ClearDirty, PutRow, Write
from supervisor.lifecycle import State
from tests.simulation.faults import Fault
from tests.stepping.harness import ALICE, BOT, Home, Run, World, quiet

pytestmark = pytest.mark.anyio

NEVER_S = 1e6
"""An actor that rests for so long is killed before it goes on."""


async def name_of(world: World, room_id: RoomId) -> object:
    row = await world.store.row(room_key(room_id))
    return row and row["display_name"]


async def settled(world: World) -> tuple[Home, RoomId]:
    """Alice's rooms: a Space and two chats. Nothing is dirty."""
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        (second,) = await run.more_chats(world.alice, home, 1)
        await quiet(5)
        assert await world.store.dirty() == {}
    return home, second


def has_read_all(run: Run) -> bool:
    assert run.bot.activities.report is not None
    return not run.bot.activities.partly


async def test_a_start_after_a_kill_reads_only_rooms_that_have_changed() -> None:
    world = World()
    _, second = await settled(world)
    world.alice.rename(second, "Garden")
    async with world.live() as run:
        assert not has_read_all(run)
        report = run.bot.activities.report
        assert report is not None
        assert report["joined_rooms"] == 1
        assert await name_of(world, second) == "Garden"
        assert await world.store.dirty() == {}


async def test_a_command_that_waits_again_makes_no_second_chat() -> None:
    """As after a loss of the database, and a kill before the command was carried out once more."""
    world = World()
    home, _ = await settled(world)
    rooms = world.server.room(home.chat).timeline
    (command,) = [it for it in rooms if it.content.get("body") == "!new 0"]
    world.lose_store()
    async with world.live():
        await quiet(10)
    waiting = InboundMessage(command.event_id, home.chat, ALICE, 0, "m.text", "!new 0")
    await world.store.commit([AcceptMessage(waiting, again=True)])
    before = list(world.server.rooms_of(BOT, "join"))
    async with world.live() as run:
        assert not has_read_all(run)
        await quiet(10)
        assert not await world.store.open_intents(ALICE)
    assert list(world.server.rooms_of(BOT, "join")) == before


@pytest.mark.parametrize("rests", ["the room", "the owner"])
async def test_a_change_that_was_accepted_and_not_handled_is_found_after_a_kill(rests: str) -> None:
    world = World()
    _, second = await settled(world)
    async with world.live() as run:
        if rests == "the room":
            run.let_crash(room_address(second), RoomChanged, NEVER_S)
        else:
            run.let_crash(owner_address(ALICE), RoomReported, NEVER_S)
        await quiet()
        world.alice.rename(second, "Garden")
        await quiet(5)
        assert await world.store.position() == world.server.token()
        assert set(await world.store.dirty()) == {second}
    async with world.live() as run:
        assert not has_read_all(run)
        assert await name_of(world, second) == "Garden"
        assert await world.store.dirty() == {}


async def test_a_change_that_comes_during_the_rooms_own_commit_stays_marked() -> None:
    world = World()
    _, second = await settled(world)
    commit = world.store.commit
    async with world.live():
        done = anyio.Event()

        async def commit_late(writes: Sequence[Write]) -> None:
            is_own = any(isinstance(it, ClearDirty) and it.room_id == second for it in writes)
            if is_own and not done.is_set():
                world.alice.rename(second, "Orchard")
                await quiet()
                await commit(writes)
                done.set()
                await anyio.sleep(NEVER_S)
            await commit(writes)

        world.store.commit = commit_late  # type: ignore[method-assign]
        world.alice.rename(second, "Garden")
        await done.wait()
        assert await name_of(world, second) == "Garden"
        assert set(await world.store.dirty()) == {second}
    world.store.commit = commit  # type: ignore[method-assign]
    async with world.live() as run:
        assert not has_read_all(run)
        assert await name_of(world, second) == "Orchard"


async def test_a_room_that_another_room_affects_is_marked_before_that_one_is_done() -> None:
    world = World()
    home, second = await settled(world)
    async with world.live() as run:
        run.let_crash(room_address(second), RoomChanged, NEVER_S)
        await quiet()
        world.server.set_state(BOT, home.space, "m.space.child", {}, second)
        await quiet(5)
        assert set(await world.store.dirty()) == {second}
    async with world.live() as run:
        await quiet(60)
        assert world.server.room(home.space).content("m.space.child", second)
        assert await world.store.dirty() == {}


async def test_a_room_that_lacks_a_link_stays_dirty_until_upkeep_has_written_it() -> None:
    world = World()
    home, second = await settled(world)
    async with world.live() as run:
        await quiet()
        for _ in range(world.bounds.upkeep_refusals):
            run.homeserver.faults.next("link", Fault.REFUSED)
        world.server.set_state(BOT, home.space, "m.space.child", {}, second)
        await quiet(120)
        assert set(await world.store.dirty()) == {second}
    async with world.live() as run:
        assert not has_read_all(run)
        await quiet(60)
        assert world.server.room(home.space).content("m.space.child", second)
        assert await world.store.dirty() == {}


async def test_a_start_that_was_killed_before_its_rows_were_written_is_begun_anew() -> None:
    world = World()
    home, _ = await settled(world)
    rows = await world.rows()
    world.lose_store()
    async with world.boot() as run:
        await run.go_to(State.RECONCILE)
        assert await world.store.position() is not None
    async with world.live() as run:
        assert has_read_all(run)
        assert await world.rows() == rows
        assert (await world.store.row(user_key(ALICE)) or {})["space_id"] == home.space


async def test_too_many_dirty_rooms_are_read_with_all_others_at_once() -> None:
    world = World()
    _, second = await settled(world)
    world.bounds = replace(world.bounds, changed_rooms=0)
    world.alice.rename(second, "Garden")
    async with world.live() as run:
        assert has_read_all(run)
        assert await name_of(world, second) == "Garden"


async def test_a_dirty_room_that_the_bot_is_not_in_any_more_is_done() -> None:
    world = World()
    _, second = await settled(world)
    async with world.live() as run:
        run.let_crash(room_address(second), RoomChanged, NEVER_S)
        await quiet()
        world.alice.rename(second, "Garden")
        await quiet(5)
    world.server.purge(second)
    async with world.live() as run:
        assert not has_read_all(run)
        assert await world.store.dirty() == {}


async def test_spaces_that_list_themselves_and_each_other_come_to_rest() -> None:
    world = World()
    async with world.live() as run:
        homes = await run.settle_in(world.alice), await run.settle_in(world.bob)
        for home in homes:
            for other in homes:
                world.server.set_state(
                    BOT, home.space, "m.space.child", {"via": ["x"]}, other.space
                )
        with anyio.fail_after(60):
            await quiet(30)
        assert await world.store.dirty() == {}


async def test_once_a_day_all_rooms_are_read_again() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await quiet(5)
        at = await world.store.whole_read_at()
        assert at is not None
        state = world.server.room(home.chat).state
        name = ("m.room.name", "")
        state[name] = replace(state[name], content={"name": "Unnoticed"})
        await quiet(world.bounds.reread_s / 2)
        assert await name_of(world, home.chat) == "Chat 1"
        await quiet(world.bounds.reread_s / 2 + 60)
        assert await name_of(world, home.chat) == "Unnoticed"
        assert await world.store.dirty() == {}
        again = await world.store.whole_read_at()
        assert again is not None
        assert again - at == pytest.approx(world.bounds.reread_s, abs=60)


async def test_a_row_that_another_program_has_changed_lets_the_next_start_read_all_rooms() -> None:
    world = World()
    _, second = await settled(world)
    rows = await world.rows()
    row = rows[room_key(second)]
    assert row is not None
    world.write_from_outside([PutRow(room_key(second), {**row, "display_name": "Chat 3"})])
    async with world.live() as run:
        assert has_read_all(run)
        assert await world.rows() == rows


@pytest.mark.parametrize("left", ["while down", "while up"])
async def test_a_replacement_that_is_left_leaves_the_chat_to_the_room_before_it(left: str) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.grant(home.chat, ALICE, 100)
        replacement = world.alice.upgrade(home.chat)
        world.server.grant(replacement, BOT, 100)
        world.alice.invite(replacement, BOT)
        await quiet(30)
        assert await name_of(world, home.chat) is None
        assert await world.store.dirty() == {}
    if left == "while down":
        world.server.evict(replacement, BOT)
    async with world.live() as run:
        assert not has_read_all(run)
        if left == "while up":
            world.server.evict(replacement, BOT)
        await quiet(5)
        assert await name_of(world, home.chat) == "Chat 1"
