"""A Space that cannot be decided: whoever it may belong to waits, and nothing is written over."""

from dataclasses import dataclass

import pytest

from actors.messages import RoomChanged, room_address
from actors.model import MARKER_TYPE, RoomId, UserId
from actors.rows import room_key
from actors.texts import ENGLISH
from tests.simulation.events import Content
from tests.simulation.people import Person
from tests.stepping.harness import ALICE, BOT, World, quiet

pytestmark = pytest.mark.anyio

RESTS_S = 10.0
"""The Space's actor looks at its room so late: the homeserver is slow about it."""


async def only_bob_is_served(world: World) -> RoomId:
    """Both invite the bot, and Alice is told to wait in this room; Bob gets a Space and a chat."""
    direct = world.alice.direct_chat_with(BOT)
    world.bob.direct_chat_with(BOT)
    await quiet(60)
    assert world.alice.replies(direct) == (ENGLISH.creation_waits,)
    assert world.creations() == 2 + 2
    return direct


@pytest.mark.parametrize("lost", ["nothing", "all rows"])
async def test_an_owner_whose_space_cannot_be_decided_gets_no_other_one(lost: str) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        bot, rows = Person(world.server, BOT), await world.rows()
        marker = world.server.room(home.space).content(MARKER_TYPE, BOT)
    if lost == "all rows":
        world.lose_store()
    await world.distrust()
    bot.write_marker(home.space, {**marker, "version": 2})
    async with world.live():
        direct = await only_bob_is_served(world)
    async with world.live() as run:
        await quiet(60)
        assert world.creations() == 2 + 2
        assert home.space in run.bot.services.registry.dirty
        bot.write_marker(home.space, marker)
        await quiet(60)
        assert world.creations() == 2 + 2
        assert world.alice.replies(direct)[-1].startswith("Welcome back!")
    of_alice = {key: row for key, row in (await world.rows()).items() if key in rows}
    assert of_alice == rows


async def test_a_marker_that_cannot_be_read_is_not_written_over() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        marker = world.server.room(home.space).content(MARKER_TYPE, BOT)
        newer = {**marker, "version": 2}
        Person(world.server, BOT).write_marker(home.space, newer)
        world.alice.say(home.chat, "!new Garden")
        await quiet(60)
        assert world.server.room(home.space).content(MARKER_TYPE, BOT) == newer
        assert world.creations() == 2
        assert world.alice.replies(home.chat)[-1] == ENGLISH.creation_waits
        world.alice.say(home.chat, "hello")
        await quiet()
        assert world.alice.replies(home.chat)[-1] == "You said: hello"


async def test_a_space_that_is_decided_in_an_outage_lets_its_chats_look_again() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        bot = Person(world.server, BOT)
        marker = world.server.room(home.space).content(MARKER_TYPE, BOT)
        bot.write_marker(home.space, {**marker, "version": 2})
        await quiet()
        world.alice.rename(home.chat, "Garden")
        await quiet()
        assert home.chat in run.bot.services.registry.undecided
        world.go_down()
        await quiet(60)
        bot.write_marker(home.space, marker)
        world.come_back()
        await quiet(120)
        assert not list(run.bot.services.registry.undecided)
        assert not await world.store.dirty()
        row = await world.store.row(room_key(home.chat))
        assert row is not None
        assert row["display_name"] == "Garden"


async def test_a_message_after_the_mending_of_the_space_is_answered() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    bot = Person(world.server, BOT)
    marker = world.server.room(home.space).content(MARKER_TYPE, BOT)
    bot.write_marker(home.space, {**marker, "version": 2})
    world.lose_store()
    async with world.boot() as run:
        run.let_crash(room_address(home.space), RoomChanged, RESTS_S)
        await run.go_live()
        run.let_run()
        world.alice.say(home.chat, "before")
        await quiet()
        bot.write_marker(home.space, marker)
        await quiet()
        world.alice.say(home.chat, "after")
        await quiet(2 * RESTS_S)
        assert world.alice.replies(home.chat) == ("You said: after",)


async def test_a_message_after_the_linking_of_a_room_is_answered() -> None:
    world = World()
    bot = Person(world.server, BOT)
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    room = bot.direct_chat_with(ALICE)
    world.alice.join(room)
    async with world.boot() as run:
        run.let_crash(room_address(home.space), RoomChanged, RESTS_S)
        await run.go_live()
        run.let_run()
        bot.set_child(home.space, room)
        await quiet()
        world.alice.say(room, "after")
        await quiet(2 * RESTS_S)
        assert world.alice.replies(room) == ("You said: after",)


@dataclass(frozen=True)
class Undecided:
    """How a Space of Alice's came to be one that nobody can say whose it is."""

    marker: Content
    crowd: int = 0
    left: bool = False
    chat_marked: bool = True


UNDECIDED = {
    "no marker, Alice is one of many": Undecided({}, crowd=8, chat_marked=False),
    "a marker that names nobody, Alice is one of many": Undecided({"version": 2}, crowd=8),
    "a marker that names nobody, Alice has left": Undecided({"version": 2}, left=True),
    "no marker, Alice is in the chat alone": Undecided({}, left=True, chat_marked=False),
}


@pytest.mark.parametrize("case", UNDECIDED.values(), ids=UNDECIDED)
async def test_whoever_an_undecided_space_may_belong_to_gets_no_other_one(case: Undecided) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    bot = Person(world.server, BOT)
    for number in range(case.crowd):
        other = Person(world.server, UserId(f"@{number}:sim.test"))
        bot.invite(home.space, other.user_id)
        other.join(home.space)
    if case.crowd:
        world.alice.leave(home.space)
        bot.invite(home.space, ALICE)
        world.alice.join(home.space)
    if case.left:
        world.alice.leave(home.space)
    bot.write_marker(home.space, case.marker)
    if not case.chat_marked:
        bot.write_marker(home.chat, {})
    world.lose_store()
    async with world.live():
        await only_bob_is_served(world)
