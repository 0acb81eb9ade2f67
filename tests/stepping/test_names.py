"""Display names in sentences, and Spaces that are named after their owners."""

import pytest

from actors.model import SETTINGS_TYPE
from actors.room.naming import mind_name
from actors.rows import room_key
from tests.simulation.faults import Fault
from tests.simulation.people import Person
from tests.simulation.reading import read_snapshot
from tests.stepping.harness import BOT, Home, World, quiet

pytestmark = pytest.mark.anyio


def name_of(world: World, home: Home) -> object:
    return world.server.room(home.space).content("m.room.name").get("name")


async def row_name(world: World, home: Home) -> object:
    row = await world.store.row(room_key(home.space))
    assert row is not None
    return row["display_name"]


async def test_a_space_is_named_after_the_display_name_of_its_owner() -> None:
    world = World()
    world.alice.call_oneself(" Alice\n Liddell ")
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        assert name_of(world, home) == await row_name(world, home) == "Chats of Alice Liddell"
        assert "Chats of Alice Liddell" in world.alice.replies(home.direct)[-1]


async def test_a_sentence_names_people_by_their_display_names() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.invite(home.chat, world.bob.user_id)
        world.bob.join(home.chat)
        world.bob.say(home.chat, "!chats")
        await quiet()
        world.alice.call_oneself("Alice")
        world.bob.say(home.chat, "!chats")
        await quiet()
        assert world.bob.replies(home.chat)[-2:] == (
            "Only alice can use commands in this chat.",
            "Only Alice can use commands in this chat.",
        )


async def test_a_name_that_cannot_be_read_is_that_of_the_user_id() -> None:
    world = World()
    world.alice.call_oneself("Alice")
    async with world.live() as run:
        run.homeserver.faults.next("name_of", Fault.SERVER_ERROR, times=2)
        home = await run.settle_in(world.alice)
        await quiet(60)
        assert name_of(world, home) == "Chats of Alice"  # it is put right once she has joined


@pytest.mark.parametrize("away", [False, True])
async def test_the_space_follows_a_new_display_name(*, away: bool) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        if not away:
            world.alice.call_oneself("Alice")
            await quiet()
            assert name_of(world, home) == await row_name(world, home) == "Chats of Alice"
    world.alice.call_oneself("Mrs Liddell")
    async with world.live():
        await quiet(60)
        assert name_of(world, home) == await row_name(world, home) == "Chats of Mrs Liddell"
        assert world.writes().count(("set_name", home.space)) == 2 - away


async def test_a_space_that_a_person_has_renamed_keeps_its_name() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.rename(home.space, "Mine")
        await quiet()
        world.alice.call_oneself("Alice")
        await quiet(60)
        assert name_of(world, home) == await row_name(world, home) == "Mine"
        world.alice.rename(home.space, "Chats of alice")
        world.alice.call_oneself("Alice Liddell")
        await quiet(60)
        assert name_of(world, home) == "Chats of alice"


async def test_a_space_of_an_earlier_version_is_not_renamed() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        bot = Person(world.server, BOT)
        world.server.set_state(bot.user_id, home.space, SETTINGS_TYPE, {}, BOT)
        await quiet()
        world.alice.call_oneself("Alice")
        await quiet(60)
        assert name_of(world, home) == "Chats of alice"
        world.alice.say(home.chat, "!language ru")
        await quiet(60)
        assert name_of(world, home) == "Chats of alice"


async def test_the_loss_of_all_files_renames_nothing_by_itself() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.call_oneself("Alice")
        await quiet()
    writes = len(world.writes())
    world.lose_store()
    async with world.live():
        await quiet(60)
        assert name_of(world, home) == "Chats of Alice"
        assert ("set_name", home.space) not in world.writes()[writes:]


async def test_a_refused_rename_is_left_at_that() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("set_name", Fault.REFUSED)
        world.alice.call_oneself("Alice")
        await quiet(60)
        assert name_of(world, home) == "Chats of alice"
        world.alice.say(home.chat, "hello")
        await quiet()
        assert world.alice.replies(home.chat)[-1] == "You said: hello"


async def test_a_bot_that_is_not_live_renames_later() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    world.alice.call_oneself("Alice")
    async with world.boot() as run:
        seen = read_snapshot(world.server.room(home.space), BOT)
        await mind_name(run.bot.services, seen, world.alice.user_id)
        assert home.space in run.bot.services.registry.unattended
        assert name_of(world, home) == "Chats of alice"
