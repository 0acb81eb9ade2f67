"""An owner who writes in a direct chat is told the way to their chats, now and then."""

import pytest

from actors.texts import RUSSIAN
from actors.writes import JsonObject
from tests.stepping.harness import ALICE, BOB, BOT, World, quiet

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("text", ["!help", "hello", "!new"])
async def test_an_owner_is_told_the_way(text: str) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        (second,) = await run.more_chats(world.alice, home, 1)
        world.alice.say(home.direct, text)
        await quiet()
        told = world.alice.replies(home.direct)[-1]
        assert "commands work only there" in told
        assert f"https://matrix.to/#/{home.space}?via=sim.test" in told
        assert f"0 (C2): https://matrix.to/#/{second}?via=sim.test" in told
        assert world.creations() == 3


async def test_the_way_is_told_once_in_an_hour() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        before = len(world.alice.replies(home.direct))
        for _ in range(20):
            world.alice.say(home.direct, "hello")
            await quiet(60)
        assert len(world.alice.replies(home.direct)) == before + 1
        await quiet(3600)
        world.alice.say(home.direct, "hello")
        await quiet()
        assert len(world.alice.replies(home.direct)) == before + 2


async def test_an_encrypted_direct_chat_is_told_the_way_as_well() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.direct, "", msgtype="m.room.encrypted")
        await quiet()
        assert home.space in world.alice.replies(home.direct)[-1]


async def test_a_message_that_is_handled_again_after_a_kill_is_answered_once() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        before = len(world.alice.replies(home.direct))
        world.alice.say(home.direct, "hello")
        await quiet()
    async with world.live():
        await quiet(60)
        assert len(world.alice.replies(home.direct)) == before + 1


async def test_notices_and_group_rooms_get_no_answer() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        before = world.alice.replies(home.direct)
        world.alice.say(home.direct, "hello", msgtype="m.notice")
        group = world.alice.create_room()
        world.alice.invite(group, BOB)
        world.bob.join(group)
        world.alice.invite(group, BOT)
        await quiet()
        greeted = world.alice.replies(group)
        world.alice.say(group, "!help")
        world.bob.say(group, "!help")
        await quiet()
        assert world.alice.replies(home.direct) == before
        assert [text for text in world.alice.replies(group) if text != "!help"] == list(greeted)


async def test_a_person_who_is_not_allowed_and_has_no_space_gets_no_answer() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.leave(home.direct)
        room_id = world.mallory.create_room()
        world.server.set_membership(world.mallory.user_id, room_id, BOT, "invite")
        world.server.set_membership(BOT, room_id, BOT, "join")
        await quiet()
        world.mallory.say(room_id, "!help")
        await quiet()
        assert world.mallory.replies(room_id) == ()


async def test_a_room_that_an_earlier_release_left_behind_is_told_the_way() -> None:
    world = World()
    old = world.server.create_room(BOT, name="Old")
    world.server.set_membership(BOT, old, ALICE, "invite")
    world.alice.join(old)
    async with world.live(texts=RUSSIAN) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(old, "hello")
        await quiet()
        assert home.chat in world.alice.replies(old)[-1]
        assert "Ваше пространство" in world.alice.replies(old)[-1]


async def test_an_owner_who_is_in_no_chat_is_invited_back_instead() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.leave(home.chat)
        world.alice.leave(home.space)
        world.alice.say(home.direct, "hello")
        await quiet()
        assert world.alice.replies(home.direct)[-1].startswith("Welcome back!")
        assert len(world.server.invites(ALICE)) == 2


async def test_a_message_in_a_thread_is_told_the_way_there() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        root = world.alice.say(home.direct, "hello")
        await quiet(3600)
        thread: JsonObject = {"rel_type": "m.thread", "event_id": root}
        content: JsonObject = {"msgtype": "m.text", "body": "and here?", "m.relates_to": thread}
        world.alice.send_raw(home.direct, content)
        await quiet()
        told = world.server.rooms[home.direct].timeline[-1]
        assert "commands work only there" in str(told.content["body"])
        relation = told.content["m.relates_to"]
        assert isinstance(relation, dict)
        assert (relation["rel_type"], relation["event_id"]) == ("m.thread", root)
