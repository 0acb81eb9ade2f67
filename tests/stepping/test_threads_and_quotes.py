"""Questions in threads, replies to other messages, and the context that the platform gets."""

from dataclasses import replace

import pytest

from actors.bounds import Bounds
from actors.model import EventId, RoomId
from actors.port_errors import PlatformFailed
from actors.texts import ENGLISH
from tests.simulation.events import Content
from tests.simulation.faults import Fault
from tests.stepping.harness import BOT, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio


def in_thread(root: EventId, last: EventId) -> Content:
    """The relation that a client with threads gives to a message."""
    reply = {"m.in_reply_to": {"event_id": last}}
    return {"rel_type": "m.thread", "event_id": root, "is_falling_back": True, **reply}


def said(body: str, relation: Content, **content: object) -> Content:
    return {"msgtype": "m.text", "body": body, "m.relates_to": relation, **content}


def replied(body: str, to: EventId) -> Content:
    return said(body, {"m.in_reply_to": {"event_id": to}})


def answers(world: World, room_id: RoomId) -> list[tuple[str, object]]:
    """What the bot has said in a room, each with its relation."""
    return [
        (str(event.content["body"]), event.content.get("m.relates_to"))
        for event in world.server.room(room_id).timeline
        if event.type == "m.room.message" and event.sender == BOT
    ]


def last_message(world: World, room_id: RoomId) -> EventId:
    return world.server.room(room_id).timeline[-1].event_id


# ------------------------------------------------------------ threads


@pytest.mark.parametrize(
    ("content", "first"),
    [
        ({"body": "hello"}, "You said: hello"),
        ({"body": "!status"}, "This is Chat 1"),
        ({"body": "!frobnicate"}, "I don't know the command"),
        ({"body": "cat.png", "msgtype": "m.image"}, "I can't read messages of"),
        ({"body": "x" * 25_000}, "You said: xxx"),
    ],
)
async def test_a_question_in_a_thread_is_answered_there_in_every_part(
    content: Content, first: str
) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        root = world.alice.say(home.chat, "the root")
        await quiet()
        before = len(answers(world, home.chat))
        relation = in_thread(root, root)
        asked = world.alice.send_raw(home.chat, {**said("", relation), **content})
        await quiet()
        told = answers(world, home.chat)[before:]
        assert told[0][0].startswith(first)
        assert len(told) == (2 if len(str(content["body"])) > 10_000 else 1)
        assert {str(there) for _, there in told} == {str(in_thread(root, asked))}


async def test_a_question_outside_of_threads_is_answered_outside() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        event_id = world.alice.say(home.chat, "hello")
        world.alice.send_raw(home.chat, replied("a reply", event_id))
        world.alice.say(home.chat, "!status")
        await quiet()
        assert [relation for _, relation in answers(world, home.chat)] == [None] * 3


async def test_a_message_in_a_thread_that_is_given_up_is_told_there() -> None:
    world = World()
    platform = ScriptedPlatform()
    platform.fail("poison", *[PlatformFailed("no")] * 50)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        root = world.alice.say(home.chat, "the root")
        await quiet()
        asked = world.alice.send_raw(home.chat, said("poison", in_thread(root, root)))
        await quiet(600)
        assert answers(world, home.chat)[-1] == (ENGLISH.gave_up, in_thread(root, asked))


async def test_a_chat_that_was_wanted_in_a_thread_is_told_there() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        root = world.alice.say(home.chat, "the root")
        await quiet()
        world.alice.send_raw(home.chat, said("!new Trip", in_thread(root, root)))
        await quiet()
        told, relation = answers(world, home.chat)[-1]
        assert told.startswith("Trip (C2) is ready")
        assert relation == in_thread(root, root)


async def test_the_way_is_told_in_the_thread_of_a_direct_chat() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        root = last_message(world, home.direct)
        asked = world.alice.send_raw(home.direct, said("hello", in_thread(root, root)))
        await quiet()
        told, relation = answers(world, home.direct)[-1]
        assert "commands work only there" in told
        assert relation == in_thread(root, asked)


async def test_a_newcomer_who_writes_in_a_thread_is_welcomed_there() -> None:
    world = World()
    direct = world.alice.direct_chat_with(BOT)
    world.server.set_membership(BOT, direct, BOT, "join")
    async with world.live():
        await quiet()
        root = last_message(world, direct)
        world.alice.send_raw(direct, said("hello?", in_thread(root, root)))
        await quiet()
        ((told, relation),) = answers(world, direct)
        assert told.startswith("Hello!")
        assert relation == in_thread(root, root)


# ------------------------------------------------------------ replies


async def test_a_confirmation_that_replies_to_the_question_is_a_command() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "!archive")
        await quiet()
        (question, _), to = answers(world, home.chat)[-1], last_message(world, home.chat)
        world.alice.send_raw(home.chat, replied(f"> <{BOT}> {question}\n\n!yes", to))
        await quiet()
        assert answers(world, home.chat)[-1][0].startswith("Chat 1 is archived")


async def test_the_platform_gets_the_quote_apart_from_the_persons_text() -> None:
    world = World()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet()
        to = last_message(world, home.chat)
        world.alice.send_raw(home.chat, replied(f"> <{BOT}> You said: hello\n\nwhy?", to))
        await quiet()
        assert platform.prompts[-1] == ("why?", "You said: hello")
        assert answers(world, home.chat)[-1][0] == "You said: why?"


async def test_a_message_that_is_not_quoted_is_read_from_the_room_as_it_is_now() -> None:
    world = World()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        to = world.alice.say(home.chat, "helo")
        world.alice.edit(home.chat, to, "hello")
        world.alice.send_raw(home.chat, replied("that was me", to))
        await quiet()
        assert platform.prompts[-1] == ("that was me", "hello")


async def test_a_message_in_a_thread_replies_to_nothing_unless_it_says_so() -> None:
    world = World()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        root = world.alice.say(home.chat, "the root")
        world.alice.send_raw(home.chat, said("one", in_thread(root, root)))
        real = {**in_thread(root, root), "is_falling_back": False}
        world.alice.send_raw(home.chat, said("two", real))
        await quiet()
        assert platform.prompts[1:] == [("one", ""), ("two", "the root")]


async def test_a_message_of_another_room_is_never_quoted() -> None:
    world = World()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        secret = world.bob.say(of_bob.chat, "secret")
        world.alice.send_raw(of_alice.chat, replied("what is it?", secret))
        await quiet()
        assert platform.prompts[-1] == ("what is it?", "")


@pytest.mark.parametrize(
    "fault",
    [Fault.REFUSED, Fault.SERVER_ERROR, Fault.RATE_LIMITED, Fault.HANG_BEFORE, Fault.REVOKED],
)
async def test_a_quote_that_cannot_be_read_does_not_stop_the_answer(fault: Fault) -> None:
    world = World()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        to = world.alice.say(home.chat, "hello")
        await quiet()
        run.homeserver.faults.next("text_of", fault)
        world.alice.send_raw(home.chat, replied("and?", to))
        await quiet(Bounds().quote_within_s + 5)
        assert platform.prompts[-1] == ("and?", "")
        assert answers(world, home.chat)[-1][0] == "You said: and?"


async def test_a_long_quote_is_cut() -> None:
    world = World()
    world.bounds = replace(Bounds(), quote_chars=5)
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        to = world.alice.say(home.chat, "a long message")
        world.alice.send_raw(home.chat, replied("read", to))
        world.alice.send_raw(home.chat, replied("quoted", to))
        world.alice.send_raw(home.chat, replied("> <@a:x> another long one\n\nquoted", to))
        await quiet()
        assert [quoted for _, quoted in platform.prompts[1:]] == [
            "a lon",
            "a lon",
            "anoth",
        ]
