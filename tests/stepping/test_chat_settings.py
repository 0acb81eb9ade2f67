"""The settings of a chat are what its room says, whatever happens to the bot and to the room."""

from dataclasses import replace

import pytest

from actors.bounds import Bounds
from actors.model import SETTINGS_TYPE, ChatSettings, RoomId
from tests.simulation.faults import Fault
from tests.stepping.harness import ALICE, BOT, Home, Run, World, quiet

pytestmark = pytest.mark.anyio

SETTINGS = ChatSettings(model="small", temperature=0.3)


async def settings_in(run: Run, room_id: RoomId) -> ChatSettings:
    """The settings that the bot goes by."""
    return await run.bot.services.settings_of_chats.of(room_id)


async def with_settings(world: World, run: Run) -> Home:
    home = await run.settle_in(world.alice)
    await run.bot.services.settings_of_chats.write(home.chat, SETTINGS)
    await quiet()
    return home


async def test_settings_survive_the_loss_of_every_file() -> None:
    world = World()
    async with world.live() as run:
        home = await with_settings(world, run)
    world.lose_store()
    async with world.live() as run:
        assert await settings_in(run, home.chat) == SETTINGS


async def test_settings_that_change_on_the_homeserver_are_noticed() -> None:
    world = World()
    async with world.live() as run:
        home = await with_settings(world, run)
        world.server.set_state(BOT, home.chat, SETTINGS_TYPE, {"temperature": "2"}, BOT)
        await quiet()
        assert await settings_in(run, home.chat) == ChatSettings(temperature=2.0)


async def test_settings_in_memory_cost_no_request() -> None:
    world = World()
    async with world.live() as run:
        home = await with_settings(world, run)
        run.homeserver.faults.next("settings_of", Fault.SERVER_ERROR)
        assert await settings_in(run, home.chat) == SETTINGS
        assert run.homeserver.faults.planned == 1


async def test_settings_that_left_memory_are_read_from_the_room() -> None:
    world = World()
    world.bounds = replace(Bounds(), settings_rooms=1)
    async with world.live() as run:
        home = await with_settings(world, run)
        run.bot.services.settings_of_chats.note(RoomId("!another"), ChatSettings())
        assert await settings_in(run, home.chat) == SETTINGS


async def test_the_same_settings_are_not_written_again() -> None:
    world = World()
    async with world.live() as run:
        home = await with_settings(world, run)
        before = len(world.server.writes)
        await run.bot.services.settings_of_chats.write(home.chat, SETTINGS)
        assert len(world.server.writes) == before


@pytest.mark.parametrize("lost", ["nothing", "every file"])
@pytest.mark.parametrize("fault", [None, Fault.AFTER_EFFECT, Fault.SERVER_ERROR])
async def test_an_upgrade_moves_the_settings_to_the_replacement(
    lost: str, fault: Fault | None
) -> None:
    world = World()
    async with world.live() as run:
        home = await with_settings(world, run)
        world.server.grant(home.chat, ALICE, 100)
        replacement = world.alice.upgrade(home.chat)
        world.server.grant(replacement, BOT, 100)
        if fault is not None:
            run.homeserver.faults.next("write_settings", fault)
        world.alice.invite(replacement, BOT)
        await quiet(60)
        assert await settings_in(run, replacement) == SETTINGS
    written = world.server.room(replacement).state[SETTINGS_TYPE, BOT]
    if lost == "every file":
        world.lose_store()
    async with world.live() as run:
        await quiet(60)
        assert await settings_in(run, replacement) == SETTINGS
    assert world.server.room(replacement).state[SETTINGS_TYPE, BOT] is written


async def test_a_replacement_in_which_the_bot_may_not_write_has_the_settings_all_the_same() -> None:
    world = World()
    async with world.live() as run:
        home = await with_settings(world, run)
        world.server.grant(home.chat, ALICE, 100)
        replacement = world.alice.upgrade(home.chat)
        world.server.grant(replacement, BOT, 0)
        world.alice.invite(replacement, BOT)
        await quiet(60)
        assert await settings_in(run, replacement) == SETTINGS
        assert (SETTINGS_TYPE, BOT) not in world.server.room(replacement).state


async def test_settings_of_another_account_count_for_nothing() -> None:
    world = World()
    async with world.live() as run:
        home = await with_settings(world, run)
        world.server.grant(home.chat, ALICE, 100)
        world.server.set_state(ALICE, home.chat, SETTINGS_TYPE, {"model": "forged"}, ALICE)
        await quiet()
        assert await settings_in(run, home.chat) == SETTINGS
