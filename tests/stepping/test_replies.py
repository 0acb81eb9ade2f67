"""What follows each error of the platform, and what a reply survives."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

import anyio
import pytest
from structlog.testing import capture_logs

from actors.bounds import Bounds
from actors.messages import InboxWaiting, ReplyDone, ReplyFailed, RoomChanged, room_address
from actors.model import RoomId
from actors.platform import Ask, Attachment, Delta, Done, File, Reason, Text, Thinking, Usage
from actors.platform_state import PlatformState
from actors.port_errors import (
    ContextTooLong,
    ConversationLost,
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformRefused,
    PlatformUnreachable,
    StoreUnavailable,
    Unsupported,
)
from actors.ports import RoomDelta, SyncDelta
from actors.rules.room_states import RoomState
from actors.rules.wording import worded
from actors.said import Redacted
from actors.texts import ENGLISH
from supervisor.lifecycle import State
from tests.simulation.faults import Fault
from tests.stepping.harness import ALICE, BOT, Home, Run, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio

SAYS = ENGLISH.replies
Script = Callable[[Ask], AsyncGenerator[Delta, None]]


def saying(*deltas: Delta, pause_s: float = 0.0) -> Script:
    """A platform that says these, one after the other."""

    async def answer(_: Ask) -> AsyncGenerator[Delta, None]:
        for delta in deltas:
            await anyio.sleep(pause_s)
            yield delta

    return answer


def notices(world: World, room_id: RoomId) -> list[str]:
    """What the bot has said in a room as a notice."""
    return [
        str(event.content["body"])
        for event in world.server.room(room_id).timeline
        if event.sender == BOT and event.content.get("msgtype") == "m.notice"
    ]


def attempts(platform: ScriptedPlatform, text: str) -> list[int]:
    """The numbers of the attempts at a text."""
    return [ask.attempt for ask in platform.asks if ask.question.text == text]


def platform_state(run: Run) -> PlatformState:
    """What the bot thinks of the platform."""
    return run.bot.services.platform_health.state


def meter_of(run: Run) -> dict[str, int]:
    """The ended replies."""
    return dict(run.bot.activities.meter.replies)


# ------------------------------------------------------------ the table of errors


async def test_failed_attempts_are_counted_and_the_last_one_gives_the_question_up() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.fail("poison", *[PlatformFailed("no")] * 50)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "poison")
        await quiet(300)
        assert attempts(platform, "poison") == [1, 2, 3, 4, 5]
        assert meter_of(run) == {"retried": 4, "failed": 1}
        assert world.alice.replies(home.chat) == (ENGLISH.gave_up,)


async def test_a_platform_that_is_down_is_one_notice_a_room_and_a_queue() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        platform.fail("one", *[PlatformUnreachable("refused")] * 1000)
        platform.fail("two", *[PlatformUnreachable("refused")] * 1000)
        platform.check_fails = PlatformUnreachable("refused")
        with capture_logs() as logs:
            for text in ("one", "two", "three"):
                world.alice.say(of_alice.chat, text)
            world.bob.say(of_bob.chat, "two")
            await quiet(3600)
            assert notices(world, of_alice.chat) == [SAYS.platform_unavailable]
            assert notices(world, of_bob.chat) == [SAYS.platform_unavailable]
            assert run.bot.services.platform_health.state is PlatformState.UNAVAILABLE
            assert run.state() is State.LIVE
            assert len(platform.asks) == 2
            world.alice.say(of_alice.chat, "!status")
            await quiet()
            assert notices(world, of_alice.chat)[1].startswith("This is ")
            platform.check_fails = None
            platform.errors.clear()
            await quiet(61)
        assert world.alice.replies(of_alice.chat)[2:] == tuple(
            f"You said: {text}" for text in ("one", "two", "three")
        )
        assert world.bob.replies(of_bob.chat)[1:] == ("You said: two",)
        assert [log["event"] for log in logs if log["event"].startswith("platform_")] == [
            "platform_down",
            "platform_back",
        ]
        assert all(number == 1 for number in attempts(platform, "one"))


async def test_a_short_outage_of_the_platform_is_told_to_nobody() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.fail("hello", PlatformUnreachable("refused"))
        platform.check_fails = PlatformUnreachable("refused")
        world.alice.say(home.chat, "hello")
        await quiet(0.5)
        platform.check_fails = None
        await quiet(9)
        assert world.alice.replies(home.chat) == ("You said: hello",)


async def test_no_failure_is_charged_while_the_check_fails_too() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        platform.takes_s = 2.0
        for _ in range(7):
            platform.check_fails = PlatformFailed("502")
            platform.fail("hello", PlatformFailed("502"))
            await quiet(90)
            platform.check_fails = None
            await quiet(61)
            assert not platform.errors["hello"]
            world.alice.say(home.chat, "hello")
        await quiet(60)
        assert set(attempts(platform, "hello")) == {1}
        assert world.alice.replies(home.chat).count("You said: hello") == 8


async def test_an_unreachable_platform_that_is_well_at_once_charges_nobody() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.fail("hello", *[PlatformUnreachable("refused")] * 12)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet(60)
        assert attempts(platform, "hello") == [1] * 13
        assert world.alice.replies(home.chat) == ("You said: hello",)


@pytest.mark.parametrize("retry_after_s", [3.0, 25.0])
async def test_a_busy_platform_is_waited_for_as_it_asks(retry_after_s: float) -> None:
    world, platform = World(), ScriptedPlatform()
    platform.fail("hello", *[PlatformBusy(retry_after_s)] * 3)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet(3 * retry_after_s - 1)
        assert len(platform.asks) == 3
        assert platform_state(run) is PlatformState.BUSY
        assert home.chat not in world.server.typing or not world.server.typing[home.chat]
        await quiet(3)
        assert attempts(platform, "hello") == [1] * 4
        told = [SAYS.platform_busy] if 3 * retry_after_s > 10 else []
        assert world.alice.replies(home.chat) == (*told, "You said: hello")
        assert platform_state(run) is PlatformState.WELL


async def test_a_context_that_is_too_long_is_cut_twice_at_most_and_ends_no_chat() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.keeps_history = False
    platform.fail("long", *[ContextTooLong(100, 150)] * 9)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "before")
        await quiet()
        world.alice.say(home.chat, "long")
        world.alice.say(home.chat, "after")
        await quiet(5)
        assert 1 <= len(attempts(platform, "long")) <= 3
        assert set(attempts(platform, "long")) == {1}
        _, too_long, after = world.alice.replies(home.chat)
        assert too_long == SAYS.question_too_long
        assert after.endswith("after")
        assert meter_of(run)["refused"] == 1


async def test_instructions_that_are_too_long_for_the_platform_are_told_as_such() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.keeps_history = False
    platform.fail("hello", *[ContextTooLong(100, 150)] * 9)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "!system " + "Be brief. " * 200)
        await quiet()
        world.alice.say(home.chat, "hello")
        await quiet(5)
        assert world.alice.replies(home.chat)[1:] == (worded(SAYS.instructions_too_long).body,)


async def test_what_the_platform_refuses_is_said_and_finished() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.fail("bad", PlatformRefused("I don't talk about that."))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "bad")
        world.alice.say(home.chat, "good")
        await quiet(5)
        assert world.alice.replies(home.chat) == ("I don't talk about that.", "You said: good")
        assert not notices(world, home.chat)
        assert len(platform.asks) == 2


async def test_attachments_that_are_refused_without_any_are_a_failed_attempt() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.fail("hello", Unsupported(("image/png",)))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet(10)
        assert attempts(platform, "hello") == [1, 2]
        assert world.alice.replies(home.chat) == ("You said: hello",)


async def test_a_lost_conversation_is_asked_again_with_all_of_it() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.fail("hello", ConversationLost("gone"))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet(5)
        assert [(ask.fresh, ask.attempt) for ask in platform.asks] == [(False, 1), (True, 1)]
        assert world.alice.replies(home.chat) == ("You said: hello",)


async def test_a_conversation_that_is_lost_again_and_again_is_a_failed_attempt() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.fail("hello", *[ConversationLost("gone")] * 50)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet(300)
        assert len(platform.asks) == 10
        assert world.alice.replies(home.chat) == (ENGLISH.gave_up,)


async def test_a_misconfigured_platform_makes_all_wait_and_is_checked_every_minute() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        wrong = PlatformMisconfigured("the key is refused: correct OPENAI_API_KEY")
        platform.fail("hello", *[wrong] * 100)
        platform.check_fails = wrong
        world.alice.say(home.chat, "hello")
        world.alice.say(home.chat, "and?")
        await quiet(2)
        assert notices(world, home.chat) == [SAYS.platform_misconfigured]
        health, checks = run.bot.services.platform_health, platform.checks
        assert (health.state, health.reason) == (PlatformState.MISCONFIGURED, wrong.say)
        await quiet(600)
        assert 9 <= platform.checks - checks <= 11
        platform.check_fails = None
        platform.errors.clear()
        await quiet(61)
        assert world.alice.replies(home.chat)[1:] == ("You said: hello", "You said: and?")
        assert set(attempts(platform, "hello")) == {1}


async def test_a_misconfiguration_that_no_check_finds_lets_one_question_a_minute_try() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.fail("hello", *[PlatformMisconfigured("no such model")] * 5)
        world.alice.say(home.chat, "hello")
        await quiet(200)
        assert len(platform.asks) == 4
        assert notices(world, home.chat) == [SAYS.platform_misconfigured]
        await quiet(150)
        assert world.alice.replies(home.chat)[1:] == ("You said: hello",)
        assert platform_state(run) is PlatformState.WELL


# ------------------------------------------------------------ answers


async def test_an_answer_at_the_limit_has_a_line_that_says_so() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.script["long"] = saying(Text("as far as"), Done(Reason.LENGTH))
    platform.script["filtered"] = saying(Text("well"), Done(Reason.FILTER))
    platform.script["nothing"] = saying(Done(Reason.FILTER))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        for text in ("long", "filtered", "nothing"):
            world.alice.say(home.chat, text)
            await quiet(3)
        assert world.alice.replies(home.chat) == (
            "as far as",
            SAYS.answer_cut,
            "well",
            SAYS.answer_filtered,
            SAYS.answer_filtered,
        )
        assert len(platform.asks) == 3


async def test_files_of_an_answer_come_in_their_place_and_once() -> None:
    world, platform = World(), ScriptedPlatform()
    picture = Attachment(File("cat.png", "image/png", b"\x89PNG\r\n\x1a\n"))
    platform.script["draw"] = saying(Text("Here"), picture, Text("it is."), Done())
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("upload", Fault.AFTER_EFFECT)
        world.alice.say(home.chat, "draw")
        await quiet(60)
        assert world.alice.replies(home.chat) == ("Here", "cat.png", "it is.")
        assert len(platform.asks) == 1


async def test_tokens_are_counted_with_the_answer() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.script["hello"] = saying(Text("hi"), Usage(7, 3), Usage(12, 5), Done())
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet()
        assert dict(run.bot.activities.meter.tokens) == {"prompt": 12, "completion": 5}
        assert sum(run.bot.activities.meter.first_token.counts) == 1


# ------------------------------------------------------------ limits of time


@pytest.mark.parametrize(
    ("script", "within_s", "asked"),
    [
        (saying(Text("never"), Done(), pause_s=301), 320, 2),
        (saying(Thinking(), Text("slow"), Done(), pause_s=121), 250, 2),
        (saying(*[Thinking()] * 40, Text("slow"), Done(), pause_s=110), 3_620, 2),
    ],
)
async def test_a_platform_that_takes_too_long_has_failed(
    script: Script, within_s: float, asked: int
) -> None:
    world, platform = World(), ScriptedPlatform()
    platform.script["hello"] = script
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet(within_s)
        assert len(platform.asks) == asked


async def test_a_platform_that_thinks_for_long_is_waited_for() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.script["hello"] = saying(*[Thinking()] * 25, Text("42"), Done(), pause_s=119)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet(3_400)
        assert world.alice.replies(home.chat) == ("42",)
        assert len(platform.asks) == 1


# ------------------------------------------------------------ beside the actor


async def slow_question(world: World, run: Run, platform: ScriptedPlatform) -> Home:
    """Alice's question that the platform works on for ten seconds."""
    home = await run.settle_in(world.alice)
    platform.script["slow"] = saying(Text("half "), Text("of it"), Done(), pause_s=4)
    world.alice.say(home.chat, "slow")
    await quiet(5)
    return home


async def test_a_reply_that_is_stopped_is_said_as_far_as_it_goes() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await slow_question(world, run, platform)
        replies = run.bot.services.replies
        assert replies.running(home.chat) == platform.asks[0].key
        assert replies.stop(home.chat)
        assert not replies.stop(home.chat)
        world.alice.say(home.chat, "next")
        await quiet()
        assert world.alice.replies(home.chat) == ("half", "You said: next")
        assert meter_of(run) == {"stopped": 1, "done": 1}


async def test_a_reply_that_is_stopped_silently_says_nothing() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await slow_question(world, run, platform)
        assert run.bot.services.replies.stop(home.chat, silently=True)
        world.alice.say(home.chat, "next")
        await quiet()
        assert world.alice.replies(home.chat) == ("You said: next",)
        assert await world.store.waiting_counts() == {}
        assert meter_of(run) == {"dropped": 1, "done": 1}


async def test_only_replies_that_have_just_begun_are_waited_for() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        await slow_question(world, run, platform)
        replies, now = run.bot.services.replies, anyio.current_time()
        await replies.new_ended(1)
        assert anyio.current_time() == now
        with anyio.move_on_after(1) as wait:
            await replies.new_ended(10)
        assert wait.cancelled_caught


async def test_leaving_a_room_ends_its_reply() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await slow_question(world, run, platform)
        world.server.evict(home.chat, BOT)
        await quiet()
        assert run.bot.services.replies.of(home.chat) is None
        await quiet(60)
        assert len(platform.asks) == 1


async def test_changes_of_a_room_get_through_while_its_reply_is_in_work() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await slow_question(world, run, platform)
        world.alice.rename(home.chat, "Garden")
        await quiet(1)
        rows = await world.store.rows("matrix_room:")
        assert "Garden" in [row["display_name"] for row in rows.values() if row]
        await quiet(10)
        assert world.alice.replies(home.chat) == ("half of it",)


async def test_an_outage_of_the_homeserver_throws_no_answer_away() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await slow_question(world, run, platform)
        world.go_down()
        await quiet(120)
        assert run.state() is State.DEGRADED
        assert await world.store.waiting_counts() == {}
        world.come_back()
        await quiet(90)
        assert world.alice.replies(home.chat) == ("half of it",)
        assert len(platform.asks) == 1


async def test_one_owners_chats_leave_places_for_others() -> None:
    world, platform = World(), ScriptedPlatform()
    world.bounds = replace(Bounds(), platform_slots=3)
    async with world.live(platform=platform) as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        rooms = await run.more_chats(world.alice, of_alice, 5)
        platform.takes_s = 50.0
        for room_id in rooms:
            world.alice.say(room_id, "hello")
        await quiet()
        assert len(platform.asks) == 2
        world.bob.say(of_bob.chat, "hello")
        await quiet()
        assert len(platform.asks) == 3
        await quiet(160)
        assert [world.alice.replies(room_id)[-1] for room_id in rooms] == ["You said: hello"] * 5


async def test_a_room_that_is_upgraded_meanwhile_gets_its_reply_still() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.server.grant(home.chat, ALICE, 100)
        platform.takes_s = 60.0
        world.alice.say(home.chat, "hello")
        await quiet()
        replacement = world.alice.upgrade(home.chat)
        world.alice.invite(replacement, BOT)
        await quiet(120)
        assert world.alice.replies(home.chat)[-1:] == ("You said: hello",)
        assert len(platform.asks) == 1
        world.alice.say(replacement, "again")
        await quiet(90)
        assert world.alice.replies(replacement) == ("You said: again",)


async def test_what_is_deleted_while_a_question_waits_for_its_turn_is_not_sent() -> None:
    world, platform = World(), ScriptedPlatform()
    world.bounds = replace(Bounds(), platform_slots=1)
    platform.keeps_history = False
    async with world.live(platform=platform) as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        secret = world.alice.say(of_alice.chat, "a secret")
        await quiet()
        platform.takes_s = 50.0
        world.bob.say(of_bob.chat, "hello")
        await quiet()
        world.alice.say(of_alice.chat, "what did I say?")
        await quiet()
        world.alice.redact(of_alice.chat, secret)
        await quiet(60)
        assert [turn.text for turn in platform.asks[-1].turns] == ["what did I say?"]


# ------------------------------------------------------------ ways of dying


@pytest.mark.parametrize("message", [ReplyDone, ReplyFailed, InboxWaiting, RoomChanged])
async def test_an_actor_that_crashes_loses_and_doubles_no_reply(message: type) -> None:
    world, platform = World(), ScriptedPlatform()
    platform.fail("hello", PlatformFailed("no"))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        address = room_address(home.chat)
        run.bot.system.cells.of(address).actor = None
        run.let_crash(address, message, *[StoreUnavailable("locked")] * 2)
        world.alice.say(home.chat, "hello")
        world.alice.rename(home.chat, "Garden")
        await quiet(60)
        assert world.alice.replies(home.chat) == ("You said: hello",)
        assert len(platform.asks) == 2


@pytest.mark.parametrize("answered", [False, True])
async def test_a_quarantine_loses_and_doubles_no_reply(*, answered: bool) -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await slow_question(world, run, platform)
        await quiet(3 if answered else 0)
        run.bot.system.set_aside(room_address(home.chat), ValueError("a bug"))
        await quiet(10)
        assert run.bot.services.states.of(home.chat) is RoomState.QUARANTINED
        assert world.alice.replies(home.chat) == ("half",)
        await quiet(120)
        assert world.alice.replies(home.chat) == ("half of it",)
        assert len(platform.asks) == 1


async def test_an_actor_that_leaves_memory_meanwhile_gets_the_reply() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await slow_question(world, run, platform)
        run.bot.system.cells.of(room_address(home.chat)).actor = None
        await quiet(10)
        assert world.alice.replies(home.chat) == ("half of it",)
        assert len(platform.asks) == 1


@pytest.mark.parametrize("killed_after_s", [0.0, 3.9, 4.1, 11.9, 12.0, 12.1])
async def test_a_kill_asks_the_question_again_and_answers_it_once(killed_after_s: float) -> None:
    world, platform = World(), ScriptedPlatform()
    platform.script["slow"] = saying(Text("half "), Text("of it"), Done(), pause_s=4)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "slow")
        await quiet(killed_after_s)
    async with world.live(platform=platform):
        await quiet(60)
        assert world.alice.replies(home.chat) == ("half of it",)
        assert len({ask.key for ask in platform.asks}) == 1


async def test_a_store_that_fails_keeps_the_answer() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await slow_question(world, run, platform)
        address = room_address(home.chat)
        run.bot.system.cells.of(address).actor = None
        run.let_crash(address, ReplyDone, *[StoreUnavailable("disk full")] * 5)
        await quiet(600)
        assert world.alice.replies(home.chat) == ("half of it",)
        assert len(platform.asks) == 1


async def test_a_redaction_ends_the_reply_in_work_and_what_waits_is_never_asked() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await slow_question(world, run, platform)
        waiting = world.alice.say(home.chat, "waits")
        await quiet(1)
        position = await world.store.position()
        assert position is not None
        redacted = (Redacted(waiting), Redacted(platform.asks[0].key))
        news = SyncDelta(position, rooms=(RoomDelta(home.chat, said=redacted),))
        await run.bot.activities._pump().accept(news, position)
        await quiet(60)
        assert world.alice.replies(home.chat) == ()
        assert len(platform.asks) == 1
        assert await world.store.waiting_counts() == {}
        assert meter_of(run) == {"dropped": 1}


async def test_a_question_whose_conversation_may_not_be_read_is_asked_again() -> None:
    """No attempt is counted, so the question is never given up."""
    world, platform = World(), ScriptedPlatform()
    platform.keeps_history = False
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("history", Fault.REFUSED, times=10)
        question = world.alice.say(home.chat, "hello")
        await quiet(5)
        (waiting,) = await world.store.waiting(home.chat, 9)
        assert (waiting.message.event_id, waiting.attempts) == (question, 0)
        await quiet(600)
        assert run.homeserver.faults.planned == 0
        assert world.alice.replies(home.chat) == ("You said: hello",)
