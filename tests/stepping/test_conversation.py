"""What is said in a chat room, and what comes back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from typing_extensions import override

from actors.bounds import Bounds
from actors.messages import room_address
from actors.model import EventId, InboundMessage, RoomId
from actors.port_errors import PlatformFailed
from actors.rules.reply_mark import mark_in
from actors.said import ReplyMark
from actors.writes import AcceptMessage
from tests.simulation.connection import Gate
from tests.simulation.events import MALFORMED, Content
from tests.simulation.faults import Fault
from tests.stepping.harness import ALICE, BOB, BOT, Home, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio


async def test_text_is_answered_by_the_platform_once_and_in_order() -> None:
    world = World()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        events = [world.alice.say(home.chat, f"message {number}") for number in range(25)]
        await quiet(10)
        assert world.alice.replies(home.chat) == tuple(
            f"You said: message {number}" for number in range(25)
        )
        assert [key for _, _, key in platform.asked] == events
        assert len({chat for chat, _, _ in platform.asked}) == 1


def contents(world: World, room_id: RoomId) -> list[Content]:
    """The contents of the bot's answers in a room."""
    said = world.server.room(room_id).timeline
    texts = (it.content for it in said if it.type == "m.room.message" and it.sender == BOT)
    return [content for content in texts if content["msgtype"] == "m.text"]


def marks(world: World, room_id: RoomId) -> list[ReplyMark | None]:
    return [mark_in(content) for content in contents(world, room_id)]


@asynccontextmanager
async def two_homes(platform: ScriptedPlatform) -> AsyncIterator[tuple[World, Home, Home]]:
    """Alice's and Bob's, with a platform that takes ten seconds for an answer."""
    world = World()
    async with world.live(platform=platform) as run:
        homes = await run.settle_in(world.alice), await run.settle_in(world.bob)
        platform.takes_s = 10.0
        yield world, *homes


async def test_rooms_are_answered_side_by_side() -> None:
    platform = ScriptedPlatform()
    async with two_homes(platform) as (world, of_alice, of_bob):
        world.alice.say(of_alice.chat, "hello")
        world.bob.say(of_bob.chat, "hello")
        await quiet(11)
        assert world.alice.replies(of_alice.chat) == ("You said: hello",)
        assert world.bob.replies(of_bob.chat) == ("You said: hello",)
        assert len({chat for chat, _, _ in platform.asked}) == 2


async def test_a_message_is_marked_read_and_typing_is_shown_while_the_platform_works() -> None:
    world = World()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 45.0
        event_id = world.alice.say(home.chat, "think about it")
        await quiet(10)
        assert world.server.receipts[home.chat, BOT] == event_id
        assert world.server.typing[home.chat] == {BOT}
        await quiet(40)
        assert world.server.typing[home.chat] == set()
        assert world.alice.replies(home.chat) == ("You said: think about it",)


class Asked(Gate):
    """Remembers what the homeserver was asked for, in order."""

    def __init__(self) -> None:
        self.methods: list[str] = []

    @override
    async def before(self, method: str) -> None:
        self.methods.append(method)


@asynccontextmanager
async def overheard(
    platform: ScriptedPlatform | None = None,
) -> AsyncIterator[tuple[World, Home, Asked]]:
    """Alice's home, where nothing is to be done, and what is asked for from now on."""
    world = World()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        await quiet()
        run.homeserver.connection._gate = asked = Asked()
        yield world, home, asked


async def test_an_answer_that_comes_at_once_goes_before_everything_else() -> None:
    async with overheard() as (world, home, asked):
        world.alice.say(home.chat, "quick")
        await quiet()
        assert asked.methods == ["send", "sync", "sync", "mark_read"]


async def test_an_answer_goes_before_the_end_of_its_typing_notice() -> None:
    platform = ScriptedPlatform()
    async with overheard(platform) as (world, home, asked):
        platform.takes_s = 1.0
        world.alice.say(home.chat, "think about it")
        await quiet(5)
        written = [each for each in asked.methods if each in {"set_typing", "send"}]
        assert written == ["set_typing", "send", "set_typing"]
        assert world.server.typing[home.chat] == set()


async def test_an_answer_that_takes_its_time_does_not_keep_others_waiting() -> None:
    async with two_homes(ScriptedPlatform()) as (world, of_alice, of_bob):
        world.alice.say(of_alice.chat, "think about it")
        await quiet(2 * Bounds().answers_first_s)
        world.bob.say(of_bob.chat, "!status")
        await quiet()
        assert "You said: think about it" not in world.alice.replies(of_alice.chat)
        assert world.bob.replies(of_bob.chat)


async def test_messages_that_come_together_are_shown_as_read_by_one_receipt() -> None:
    async with overheard() as (world, home, asked):
        events = []
        for number in range(10):
            events.append(world.alice.say(home.chat, f"message {number}"))
            await quiet(0.01)
        await quiet()
        assert world.server.receipts[home.chat, BOT] == events[-1]
        assert asked.methods.count("mark_read") == 1


async def test_a_quick_exchange_has_one_receipt_a_second() -> None:
    async with overheard() as (world, home, asked):
        events = []
        for number in range(12):
            events.append(world.alice.say(home.chat, f"message {number}"))
            await quiet(0.25)
        await quiet(2)
        assert world.server.receipts[home.chat, BOT] == events[-1]
        assert asked.methods.count("mark_read") == 4


async def test_an_answer_that_comes_at_once_shows_no_typing() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "quick")
        await quiet()
        assert home.chat not in world.server.typing


async def test_notices_edits_and_empty_texts_are_not_answered() -> None:
    world = World()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        event_id = world.alice.say(home.chat, "helo")
        world.alice.edit(home.chat, event_id, "hello")
        world.alice.say(home.chat, "beep", msgtype="m.notice")
        world.alice.say(home.chat, "   ")
        await quiet()
        assert [text for _, text, _ in platform.asked] == ["helo"]
        assert world.alice.replies(home.chat) == ("You said: helo",)


async def test_what_is_not_text_gets_a_polite_line() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "cat.jpg", msgtype="m.image")
        await quiet()
        assert world.alice.replies(home.chat) == (
            "I can't read messages of this kind. Please write to me instead.",
        )


async def test_what_is_encrypted_gets_a_line_that_says_so_once_a_room() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        for _ in range(3):
            world.alice.say(home.chat, "", msgtype="m.room.encrypted")
            await quiet()
        (line,) = world.alice.replies(home.chat)
        assert line.startswith("I can't read encrypted messages")
        assert await world.store.waiting_counts() == {}
    async with world.live():
        world.alice.say(home.chat, "", msgtype="m.room.encrypted")
        await quiet()
        assert len(world.alice.replies(home.chat)) == 1


async def test_an_emote_goes_to_the_platform_even_when_it_looks_like_a_command() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "!help", msgtype="m.emote")
        await quiet()
        assert world.alice.replies(home.chat) == ("You said: !help",)


async def test_a_malformed_event_changes_nothing() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        rows, writes = await world.rows(), len(world.writes())
        world.alice.send_raw(home.chat, MALFORMED)
        await quiet()
        assert await world.rows() == rows
        assert len(world.writes()) == writes
        world.alice.say(home.chat, "still there?")
        await quiet()
        assert world.alice.replies(home.chat) == ("You said: still there?",)


async def test_a_guest_may_talk_and_may_not_command() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.invite(home.chat, BOB)
        world.bob.join(home.chat)
        world.bob.say(home.chat, f"{BOT} hello")
        world.bob.say(home.chat, "!archive")
        await quiet()
        assert [text for sender, text in world.bob.messages(home.chat) if sender == BOT] == [
            f"You said: {BOT} hello",
            "Only alice can use commands in this chat.",
        ]


# ------------------------------------------------------------ when something fails on the way


async def test_a_platform_that_fails_is_asked_again_under_the_same_key() -> None:
    world = World()
    platform = ScriptedPlatform()
    platform.fail("hard", PlatformFailed("overloaded"), PlatformFailed("overloaded"))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        event_id = world.alice.say(home.chat, "hard")
        world.alice.say(home.chat, "easy")
        await quiet(60)
        assert [key for _, text, key in platform.asked if text == "hard"] == [event_id] * 3
        assert world.alice.replies(home.chat) == ("You said: hard", "You said: easy")


async def test_a_message_that_failed_five_times_is_dead_and_its_sender_told_once() -> None:
    world = World()
    platform = ScriptedPlatform()
    platform.fail("poison", *[PlatformFailed("no")] * 50)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "poison")
        world.alice.say(home.chat, "and this?")
        await quiet(600)
        assert [text for _, text, _ in platform.asked] == [*["poison"] * 5, "and this?"]
        gave_up, answer = world.alice.replies(home.chat)
        assert gave_up.startswith("I could not answer this message")
        assert answer == "You said: and this?"


async def test_a_bug_on_the_way_of_one_message_kills_that_message_alone() -> None:
    world = World()
    platform = ScriptedPlatform()
    platform.fail("poison", *[ValueError("a bug")] * 50)
    async with world.live(platform=platform) as run:
        of_alice = await run.settle_in(world.alice)
        of_bob = await run.settle_in(world.bob)
        world.alice.say(of_alice.chat, "poison")
        world.alice.say(of_alice.chat, "and this?")
        world.bob.say(of_bob.chat, "hello")
        await quiet(10)
        assert world.bob.replies(of_bob.chat) == ("You said: hello",)
        await quiet(600)
        assert [text for _, text, _ in platform.asked].count("poison") == 5
        assert len(world.alice.replies(of_alice.chat)) == 2
        assert world.alice.replies(of_alice.chat)[1] == "You said: and this?"


async def test_a_send_whose_answer_was_lost_is_sent_once() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("send", Fault.AFTER_EFFECT, times=3)
        world.alice.say(home.chat, "one")
        world.alice.say(home.chat, "two")
        await quiet(60)
        assert world.alice.replies(home.chat) == ("You said: one", "You said: two")


async def test_a_rate_limited_send_waits_and_keeps_the_order() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("send", Fault.RATE_LIMITED, times=2)
        world.alice.say(home.chat, "one")
        world.alice.say(home.chat, "two")
        await quiet(4)
        assert world.alice.replies(home.chat) == ()
        await quiet(20)
        assert world.alice.replies(home.chat) == ("You said: one", "You said: two")


async def test_a_send_that_is_refused_for_good_holds_up_no_other() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("send", Fault.REFUSED)
        world.alice.say(home.chat, "one")
        world.alice.say(home.chat, "two")
        await quiet(20)
        assert world.alice.replies(home.chat) == ("You said: two",)


async def test_a_long_answer_comes_in_pieces_that_each_fit_an_event() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "ж" * 25_000)
        await quiet()
        pieces = world.alice.replies(home.chat)
        assert len(pieces) == 3
        assert "".join(pieces) == "You said: " + "ж" * 25_000
        assert [mark and (mark.part, mark.more) for mark in marks(world, home.chat)] == [
            (0, True),
            (1, True),
            (2, False),
        ]


async def test_an_answer_that_the_server_takes_only_cut_is_cut_and_holds_up_nothing() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "word " * 4_000)
        world.server.event_limit = 6_000
        world.alice.say(home.chat, "*b*")
        await quiet()
        first, second = contents(world, home.chat)
        assert str(first["body"]).startswith("You said: word word")
        assert str(first["body"]).endswith("word\n\n[…]")
        assert second["formatted_body"] == "You said: <em>b</em>"


async def test_an_answer_with_html_that_the_server_takes_only_plain_is_sent_plain() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "*b* " * 1_000)
        world.server.event_limit = 6_000
        await quiet()
        (sent,) = contents(world, home.chat)
        assert sent["body"] == "You said: " + ("*b* " * 1_000).strip()
        assert "formatted_body" not in sent


# ------------------------------------------------------------ across a restart


async def test_what_was_said_while_the_bot_was_down_is_answered_once() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    world.alice.say(home.chat, "are you there?")
    async with world.live():
        await quiet()
    async with world.live():
        await quiet()
        assert world.alice.replies(home.chat) == ("You said: are you there?",)


async def test_reading_pauses_while_too_much_waits() -> None:
    world = World()
    world.bounds = replace(Bounds(), inbox_limit=3)
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 10.0
        for number in range(6):
            world.alice.say(home.chat, str(number))
        await quiet()
        position = await world.store.position()
        world.alice.say(home.chat, "6")
        await quiet(5)
        assert await world.store.position() == position
        await quiet(100)
        assert world.alice.replies(home.chat) == tuple(f"You said: {number}" for number in range(7))


async def test_while_too_much_waits_a_start_reads_once_and_no_further() -> None:
    world = World()
    world.bounds = replace(Bounds(), inbox_limit=3)
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    for number in range(6):
        world.alice.say(home.chat, str(number))
    platform = ScriptedPlatform()
    platform.takes_s = 10.0
    async with world.live(platform=platform):
        await quiet()
    async with world.live(platform=platform):
        await quiet()
        position = await world.store.position()
        world.alice.say(home.chat, "6")
        await quiet(5)
        assert await world.store.position() == position
        await quiet(100)
        assert len(world.alice.replies(home.chat)) == 7


async def test_a_session_that_ends_while_reading_pauses_is_noticed() -> None:
    world = World()
    world.bounds = replace(Bounds(), inbox_limit=3)
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 10.0
        world.alice.say(home.chat, "hello")
        for number in range(5):
            world.alice.say(home.chat, f"!rename {number}")
        await quiet()
        world.server.revoke_tokens(BOT)
        await quiet(200)
        assert len(world.alice.replies(home.chat)) == 6


@pytest.mark.parametrize("killed_after_s", [number / 20 for number in range(1, 40, 2)])
async def test_a_kill_at_any_instant_loses_no_answer_and_gives_none_twice(
    killed_after_s: float,
) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    world.server.slow_s = 0.2
    async with world.live() as run:
        for number in range(3):
            world.alice.say(home.chat, str(number))
        await quiet(killed_after_s)
    async with world.live():
        await quiet(30)
        assert world.alice.replies(home.chat) == ("You said: 0", "You said: 1", "You said: 2")
        assert await world.store.waiting_counts() == {}
        assert await world.store.unsent_counts() == {}


async def test_a_stop_lets_the_answer_under_way_be_finished() -> None:
    world = World()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 5.0
        world.alice.say(home.chat, "one")
        world.alice.say(home.chat, "two")
        await quiet()
        assert await run.stop() == ()
    assert [text for _, text, _ in platform.asked] == ["one"]
    async with world.live(platform=platform):
        await quiet(30)
        assert [text for _, text, _ in platform.asked] == ["one", "two"]
        assert world.alice.replies(home.chat) == ("You said: one", "You said: two")


async def test_a_stop_names_the_room_whose_platform_hangs() -> None:
    world = World()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 3000.0
        world.alice.say(home.chat, "one")
        await quiet()
        assert await run.stop() == (room_address(home.chat),)


async def test_after_a_loss_of_the_store_old_messages_are_not_answered_again() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        asked: EventId = world.alice.say(home.chat, "hello")
        await quiet()
    world.lose_store()
    platform = ScriptedPlatform()
    async with world.live(platform=platform):
        await quiet(60)
        assert asked not in {key for _, _, key in platform.asked}
        world.alice.say(home.chat, "and now?")
        await quiet()
        assert world.alice.replies(home.chat) == ("You said: hello", "You said: and now?")


async def test_what_waits_untold_is_found_however_busy_the_homeserver_is() -> None:
    world = World()
    async with world.live() as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        waiting = InboundMessage(
            EventId("$untold"), of_alice.chat, ALICE, 0, msgtype="m.text", body="anybody?"
        )
        await world.store.commit([AcceptMessage(waiting)])
        for number in range(20):
            world.bob.say(of_bob.chat, str(number))
            await quiet(5)
        assert world.alice.replies(of_alice.chat) == ("You said: anybody?",)


async def test_a_limited_receipt_is_sent_when_the_homeserver_allows_it() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.retry_after_s = 30.0
        run.homeserver.faults.next("mark_read", Fault.RATE_LIMITED)
        event_id = world.alice.say(home.chat, "hello")
        await quiet(20)
        assert world.server.receipts.get((home.chat, BOT)) != event_id
        await quiet(20)
        assert world.server.receipts[home.chat, BOT] == event_id


async def test_a_limited_typing_notice_is_shown_when_the_homeserver_allows_it() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 60.0
        run.homeserver.faults.retry_after_s = 10.0
        run.homeserver.faults.next("set_typing", Fault.RATE_LIMITED)
        world.alice.say(home.chat, "hello")
        await quiet(5)
        assert world.server.typing.get(home.chat, set()) == set()
        await quiet(10)
        assert world.server.typing[home.chat] == {BOT}
