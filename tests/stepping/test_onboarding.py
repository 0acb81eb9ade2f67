"""Invites, and what an owner gets for one."""

import pytest

from actors.model import Marker, RoomId, RoomKind
from actors.rows import user_key
from actors.texts import RUSSIAN
from tests.simulation.faults import Fault
from tests.simulation.reading import read_snapshot
from tests.stepping.harness import ALICE, BOB, BOT, World, quiet

pytestmark = pytest.mark.anyio


async def test_an_invite_gives_its_sender_a_space_and_a_first_chat() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        space = read_snapshot(world.server.room(home.space), BOT)
        chat = read_snapshot(world.server.room(home.chat), BOT)
        assert (space.name, space.is_space) == ("Chats of alice", True)
        assert space.children == {home.chat}
        assert (chat.name, chat.is_space, chat.parents) == (
            "Chat 1",
            False,
            frozenset({home.space}),
        )
        assert space.marker is not None
        assert (space.marker.kind, space.marker.owner) == (RoomKind.SPACE, ALICE)
        assert space.marker.next_chat_index == 2
        assert chat.marker is not None
        assert (chat.marker.chat_id, chat.marker.space_id) == ("C1", home.space)
        assert space.others == chat.others == (ALICE,)
        (hello,) = world.alice.replies(home.direct)
        assert f"https://matrix.to/#/{home.chat}?via=sim.test" in hello
        assert world.creations() == 2


async def test_the_rows_say_what_the_rooms_say() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        marker = read_snapshot(world.server.room(home.chat), BOT).marker
        assert isinstance(marker, Marker)
        assert await world.rows() == {
            f"matrix_user:{ALICE}": {"space_id": home.space, "next_chat_index": 2},
            f"matrix_room:{home.space}": {
                "room_type": "space",
                "chat_id": None,
                "display_name": "Chats of alice",
                "matrix_user_id": ALICE,
                "space_id": home.space,
                "platform_chat_id": None,
            },
            f"matrix_room:{home.chat}": {
                "room_type": "chat",
                "chat_id": "C1",
                "display_name": "Chat 1",
                "matrix_user_id": ALICE,
                "space_id": home.space,
                "platform_chat_id": marker.platform_chat_id,
            },
            f"chat:{ALICE}:C1": {
                "user_id": ALICE,
                "chat_id": "C1",
                "platform": "matrix",
                "surface_ref": home.chat,
                "name": "Chat 1",
                "is_archived": False,
            },
        }


async def test_an_invite_that_waited_for_the_bot_is_answered() -> None:
    world = World()
    direct = world.alice.direct_chat_with(BOT)
    async with world.live():
        await quiet()
        assert len(world.server.invites(ALICE)) == 2
        assert len(world.alice.replies(direct)) == 1


async def test_an_invite_from_somebody_who_is_not_allowed_is_rejected() -> None:
    world = World()
    async with world.live():
        direct = world.mallory.direct_chat_with(BOT)
        await quiet()
        assert world.server.room(direct).membership(BOT) == "leave"
        assert world.mallory.replies(direct) == ()
        assert world.creations() == 0
        assert await world.rows() == {}


async def test_a_second_invite_invites_back_and_makes_no_second_space() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.leave(home.chat)
        world.alice.leave(home.space)
        second = world.alice.direct_chat_with(BOT)
        await quiet()
        assert {invite.room_id for invite in world.server.invites(ALICE)} == {home.space, home.chat}
        (welcome,) = world.alice.replies(second)
        assert welcome.startswith("Welcome back!")
        assert "Accept the invites that you see" in welcome
        assert home.space in welcome
        assert world.creations() == 2


async def test_an_owner_who_never_left_is_told_that_the_second_room_is_not_needed() -> None:
    world = World()
    async with world.live() as run:
        await run.settle_in(world.alice)
        second = world.alice.direct_chat_with(BOT)
        await quiet()
        (welcome,) = world.alice.replies(second)
        assert "You are in both: write in the chat, and I answer there, not here." in welcome
        assert world.server.invites(ALICE) == ()


async def test_two_invites_at_once_make_one_space() -> None:
    world = World()
    async with world.live():
        world.alice.direct_chat_with(BOT)
        world.alice.direct_chat_with(BOT)
        await quiet()
        assert world.creations() == 2


async def test_each_owner_gets_a_space_of_their_own() -> None:
    world = World()
    async with world.live() as run:
        of_alice = await run.settle_in(world.alice)
        of_bob = await run.settle_in(world.bob)
        assert of_alice.space != of_bob.space
        assert world.creations() == 4
        assert await world.store.row(user_key(BOB)) == {
            "space_id": of_bob.space,
            "next_chat_index": 2,
        }


async def test_a_message_in_a_direct_chat_onboards_its_sender() -> None:
    world = World()
    direct = world.alice.direct_chat_with(BOT)
    world.server.set_membership(BOT, direct, BOT, "join")
    async with world.live():
        await quiet()
        assert world.creations() == 0
        world.alice.say(direct, "hello?")
        world.alice.say(direct, "anybody there?")
        await quiet()
        assert world.creations() == 2
        (hello,) = world.alice.replies(direct)
        assert hello.startswith("Hello!")


async def test_a_message_in_a_direct_chat_of_an_owner_makes_nothing() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.direct, "hello?")
        await quiet()
        assert world.creations() == 2


async def test_a_message_in_a_direct_chat_of_somebody_not_allowed_makes_nothing() -> None:
    world = World()
    direct = world.mallory.direct_chat_with(BOT)
    world.server.set_membership(BOT, direct, BOT, "join")
    async with world.live():
        world.mallory.say(direct, "hello?")
        await quiet()
        assert world.creations() == 0
        assert world.mallory.replies(direct) == ()


async def test_a_message_in_a_room_with_others_makes_nothing() -> None:
    world = World()
    room = world.alice.create_room("Garden club")
    world.alice.invite(room, BOB)
    world.bob.join(room)
    world.alice.invite(room, BOT)
    world.server.set_membership(BOT, room, BOT, "join")
    async with world.live():
        world.bob.say(room, "hello?")
        await quiet()
        assert world.creations() == 0
        assert world.bob.replies(room) == ()


async def test_who_invites_the_bot_to_a_space_is_greeted_in_the_first_chat() -> None:
    world = World()
    async with world.live() as run:
        garden = world.alice.create_room("Garden club", is_space=True)
        world.alice.invite(garden, BOT)
        await quiet()
        world.alice.join_all()
        home = await run.home_of(world.alice, garden)
        (hello,) = world.alice.replies(home.chat)
        assert hello.startswith("Hello! This is Chat 1, a chat in your own Space.")
        world.alice.leave(home.chat)
        world.alice.invite(world.alice.create_room("Pond club", is_space=True), BOT)
        await quiet()
        assert [invite.room_id for invite in world.server.invites(ALICE)] == [home.chat]
        elsewhere = world.server.rooms.keys() - {home.chat}
        assert all(world.alice.replies(room_id) == () for room_id in elsewhere)


async def test_an_invite_that_is_taken_back_is_forgotten() -> None:
    world = World()
    direct = world.alice.direct_chat_with(BOT)
    async with world.boot() as run:
        await run.step()
        await run.step()
        await run.step()
        world.alice.kick(direct, BOT)
        run.let_run()
        await quiet()
        assert world.creations() == 0
        home = await run.settle_in(world.alice)
        assert world.server.room(home.chat).membership(ALICE) == "join"


async def test_an_owner_who_cannot_be_invited_holds_nobody_up() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("invite", Fault.REFUSED, room_id=home.space)
        world.alice.leave(home.space)
        second = world.alice.direct_chat_with(BOT)
        await quiet()
        assert len(world.alice.replies(second)) == 1


async def test_a_bot_that_speaks_russian_names_things_in_russian() -> None:
    world = World()
    async with world.live(texts=RUSSIAN) as run:
        home = await run.settle_in(world.alice)
        assert read_snapshot(world.server.room(home.chat), BOT).name == "Чат 1"
        (hello,) = world.alice.replies(RoomId(home.direct))
        assert hello.startswith("Здравствуйте!")


async def test_an_owner_whose_space_the_bot_was_removed_from_gets_another_by_an_invite() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.evict(home.space, BOT)
        await quiet()
        assert await world.store.row(user_key(ALICE)) is None
        second = await run.settle_in(world.alice)
        assert second.space != home.space
        assert (await world.store.row(user_key(ALICE))) == {
            "space_id": second.space,
            "next_chat_index": 3,
        }


@pytest.mark.parametrize("away", ["live", "down", "down, and all rows are lost"])
@pytest.mark.parametrize("which", ["space", "chat"])
async def test_who_asks_us_back_in_and_knocks_as_well_gets_nothing_new(
    which: str, away: str
) -> None:
    world = World()

    async def ask_twice(room_id: RoomId) -> None:
        world.server.reading_s = 0.3
        world.alice.direct_chat_with(BOT)
        world.alice.invite(room_id, BOT)
        await quiet(60)

    async with world.live() as run:
        home = await run.settle_in(world.alice)
        room_id = home.space if which == "space" else home.chat
        world.server.evict(room_id, BOT)
        await quiet()
        if away == "live":
            await ask_twice(room_id)
    if away != "live":
        if "lost" in away:
            world.lose_store()
        async with world.live():
            await ask_twice(room_id)
    assert world.creations() == 2
    assert await run.home_of(world.alice, home.direct) == home
