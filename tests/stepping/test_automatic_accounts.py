"""Accounts that no person uses get no Space, and an unnamed inviter is found out first."""

import pytest

from actors.model import RoomId, UserId
from tests.simulation.people import Person
from tests.stepping.harness import ALICE, BOT, World, quiet

pytestmark = pytest.mark.anyio

SERVER = UserId("@server:sim.test")


def notices_room(world: World) -> tuple[Person, RoomId]:
    """A room that the server has tagged, to which its account invites the bot."""
    server = Person(world.server, SERVER)
    room_id = server.create_room("Notices")
    world.server.notices_rooms.add(room_id)
    server.invite(room_id, BOT)
    return server, room_id


def is_in(world: World, room_id: RoomId) -> bool:
    return world.server.room(room_id).membership(BOT) == "join"


@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "not allowed"])
async def test_the_servers_own_account_is_joined_and_gets_nothing(*, allowed: bool) -> None:
    world = World()
    async with world.boot(allows=lambda _: allowed) as run:
        await run.go_live()
        run.let_run()
        server, room_id = notices_room(world)
        await quiet(5)
        server.say(room_id, "The disk is full")
        await quiet(5)
        assert is_in(world, room_id)
        assert world.creations() == 0
        assert server.messages(room_id)[-1] == (SERVER, "The disk is full")
        assert await world.store.waiting_counts() == {}


async def test_a_notice_in_a_room_that_the_server_has_joined_the_bot_to_makes_no_space() -> None:
    world = World()
    server, room_id = notices_room(world)
    Person(world.server, BOT).join(room_id)
    async with world.live():
        server.say(room_id, "The disk is full")
        await quiet(5)
        assert world.creations() == 0
        assert [sender for sender, _ in server.messages(room_id)] == [SERVER]


async def test_an_inviter_whom_the_sync_does_not_name_is_onboarded() -> None:
    world = World()
    world.server.unnamed_inviters = True
    async with world.live() as run:
        direct = world.alice.direct_chat_with(BOT)
        await quiet(5)
        world.server.unnamed_inviters = False
        world.alice.join_all()
        home = await run.home_of(world.alice, direct)
        world.alice.say(home.chat, "hello")
        await quiet()
        assert world.alice.replies(home.chat)[-1] == "You said: hello"


async def test_an_inviter_who_is_nowhere_named_is_the_only_other_member() -> None:
    world = World()
    world.server.unnamed_inviters = world.server.hides_inviters = True
    async with world.live():
        world.alice.direct_chat_with(BOT)
        await quiet(5)
        assert await world.store.row(f"matrix_user:{ALICE}") is not None


async def test_nobody_who_may_not_use_the_bot_gets_in_unnamed() -> None:
    world = World()
    world.server.unnamed_inviters = True
    async with world.live():
        room_id = world.alice.create_room("Group")
        world.alice.invite(room_id, world.mallory.user_id)
        world.mallory.join(room_id)
        world.mallory.invite(room_id, BOT)
        await quiet(5)
        assert not is_in(world, room_id)
        assert world.creations() == 0


async def test_a_group_with_an_inviter_nowhere_named_is_left() -> None:
    world = World()
    world.server.unnamed_inviters = world.server.hides_inviters = True
    async with world.live():
        room_id = world.alice.create_room("Group")
        world.alice.invite(room_id, world.bob.user_id)
        world.bob.join(room_id)
        world.alice.invite(room_id, BOT)
        await quiet(5)
        assert not is_in(world, room_id)
        assert world.creations() == 0


async def test_an_invite_back_into_a_chat_counts_without_a_name() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        made = world.creations()
        Person(world.server, BOT).leave(home.chat)
        await quiet(5)
        world.server.unnamed_inviters = True
        world.alice.invite(home.chat, BOT)
        await quiet(5)
        assert is_in(world, home.chat)
        world.alice.say(home.chat, "hello again")
        await quiet(5)
        assert world.alice.replies(home.chat)[-1] == "You said: hello again"
        assert world.creations() == made
