"""What the bot's own sentences are in a client: texts or notices, with names and links."""

from collections.abc import Mapping, Sequence

import pytest

from actors.model import RoomId
from actors.port_errors import PlatformFailed
from actors.texts import ENGLISH
from tests.simulation.people import Person
from tests.stepping.harness import BOT, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio


def contents(world: World, room_id: RoomId) -> Sequence[Mapping[str, object]]:
    """The contents of the bot's messages in a room."""
    events = world.server.room(room_id).timeline
    return [it.content for it in events if it.sender == BOT and it.type == "m.room.message"]


def link_in(world: World, space_id: RoomId, room_id: RoomId) -> Mapping[str, object]:
    """The link to a room in a Space."""
    return world.server.room(space_id).content("m.space.child", room_id)


async def test_a_greeting_notifies_and_what_answers_a_command_does_not() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        for line in ("!status", "!new Holidays", "!frobnicate"):
            world.alice.say(home.chat, line)
        await quiet()
        assert [it["msgtype"] for it in contents(world, home.direct)] == ["m.text"]
        assert [it["msgtype"] for it in contents(world, home.chat)] == ["m.notice"] * 3


async def test_a_message_that_is_given_up_notifies_and_is_no_answer() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.keeps_history = False
    platform.fail("bad", *[PlatformFailed("broken")] * 5)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "bad")
        await quiet(600)
        (given_up,) = contents(world, home.chat)
        assert (given_up["msgtype"], given_up["body"]) == ("m.text", ENGLISH.gave_up)
        world.alice.say(home.chat, "good")
        await quiet()
        assert [turn.text for turn in platform.asks[-1].turns] == ["good"]


async def test_the_greeting_names_the_next_step_and_links_the_space_and_the_chat() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        (hello,) = contents(world, home.direct)
        link = "https://matrix.to/#/{}?via=sim.test"
        for room_id, name in ((home.space, "Chats of alice"), (home.chat, "Chat 1")):
            assert f"{name}: {link.format(room_id)}" in str(hello["body"])
            assert f'<a href="{link.format(room_id)}">{name}</a>' in str(hello["formatted_body"])
        assert "Accept both invites" in str(hello["body"])
        assert "<strong>!help</strong>" in str(hello["formatted_body"])


async def test_the_list_of_chats_has_a_link_under_each_name() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        (second,) = await run.more_chats(world.alice, home, 1)
        world.alice.rename(second, "<Plans>")
        await quiet()
        world.alice.say(home.chat, "!chats")
        await quiet()
        listed = contents(world, home.chat)[-1]
        assert listed["body"] == "Your chats:\nC1: Chat 1\nC2: <Plans>"
        assert listed["formatted_body"] == (
            f'Your chats:<br>C1: <a href="https://matrix.to/#/{home.chat}?via=sim.test">Chat 1</a>'
            f'<br>C2: <a href="https://matrix.to/#/{second}?via=sim.test">&lt;Plans&gt;</a>'
        )


async def test_a_name_of_several_chats_is_answered_with_their_numbers() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        for line in ("!new Plans", "!new plans", "!open PLANS"):
            world.alice.say(home.chat, line)
            await quiet()
        assert world.alice.replies(home.chat)[-1] == (
            "Several of your chats are called “PLANS”. Tell me the number of one: C2, C3."
        )


async def test_a_question_that_a_restart_has_lost_is_told_as_such() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "!archive")
        await quiet()
    async with world.live():
        world.alice.say(home.chat, "!yes")
        await quiet()
        told = world.alice.replies(home.chat)[-1]
        assert told.endswith("if I did ask you, please give the command again.")


async def test_the_topic_of_a_chat_says_its_number_and_survives_a_new_name() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        for line in ("!new Plans", "!new"):
            world.alice.say(home.chat, line)
        await quiet()
        (second, third) = world.alice.join_all()
        world.alice.say(second, "!rename Holidays")
        await quiet()
        for room_id, chat_id in ((home.chat, "C1"), (second, "C2"), (third, "C3")):
            topic = str(world.server.room(room_id).content("m.room.topic")["topic"])
            assert topic.startswith(f"Chat {chat_id}. ")
            assert "Write here" not in topic, "it is not so in an archived chat"


async def test_links_in_a_space_are_suggested_in_the_order_of_the_chats() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        (second,) = await run.more_chats(world.alice, home, 1)
        links = [link_in(world, home.space, room_id) for room_id in (home.chat, second)]
        assert [link["order"] for link in links] == ["000001", "000002"]
        assert all(link["suggested"] is True for link in links)


async def test_a_link_that_is_written_again_keeps_its_place() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await run.more_chats(world.alice, home, 1)
        before = link_in(world, home.space, home.chat)
    await world.distrust()
    Person(world.server, BOT).unset_child(home.space, home.chat)
    async with world.live():
        await quiet(60)
        assert link_in(world, home.space, home.chat) == before


async def test_a_space_whose_links_say_no_place_keeps_the_order_of_their_making() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        Person(world.server, BOT).set_child(home.space, home.chat)
        await quiet()
        (second,) = await run.more_chats(world.alice, home, 1)
        assert "order" not in link_in(world, home.space, second)
