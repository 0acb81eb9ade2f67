"""How an answer ends that was shown while it grew."""

from collections.abc import AsyncGenerator, Sequence

import anyio
import pytest
from typing_extensions import override

from actors.anchors import Anchor
from actors.messages import InboxWaiting
from actors.model import EventId, OutboundKind, OutboundMessage
from actors.platform import Ask, Attachment, Delta, Done, File, Text
from actors.port_errors import (
    HomeserverRefused,
    HomeserverUnavailable,
    PlatformFailed,
    PlatformRefused,
    RequestNotSent,
    StoreUnavailable,
)
from actors.texts import ENGLISH
from actors.writes import FinishMessage, OpenAnchor, RetryMessage, Write
from tests.simulation.faults import Fault
from tests.simulation.homeserver import SimulatedHomeserver
from tests.stepping.growing import Script, answer, assert_grown, free, steps, story, telling
from tests.stepping.harness import BOT, Home, Run, ScriptedPlatform, World, quiet
from tests.stepping.test_replies import saying

pytestmark = pytest.mark.anyio


def in_turn(*scripts: Script) -> Script:
    """A platform that answers each ask in another way."""
    left = list(scripts)

    async def answer_next(ask: Ask) -> AsyncGenerator[Delta, None]:
        async for delta in left.pop(0)(ask):
            yield delta

    return answer_next


async def growing(
    world: World, run: Run, platform: ScriptedPlatform, *scripts: Script
) -> tuple[Home, EventId]:
    """A question of Alice's whose answer has grown for ten seconds."""
    home = await run.settle_in(world.alice)
    platform.script["go"] = in_turn(*(scripts or (telling(story(25)),)))
    question = world.alice.say(home.chat, "go")
    await quiet(10)
    assert answer(world, home.chat, question)[0][0] == "live"
    return home, question


class HoldsSecondParts(SimulatedHomeserver):
    """A homeserver that does not take the anchor of a second part."""

    @override
    async def send(self, message: OutboundMessage) -> EventId:
        if message.kind is OutboundKind.ANCHOR and message.txn_id.endswith(".1"):
            await anyio.lowlevel.checkpoint()
            raise HomeserverUnavailable("no second parts here")
        return await super().send(message)


class RefusesEdits(SimulatedHomeserver):
    """A homeserver that refuses every edit."""

    @override
    async def send(self, message: OutboundMessage) -> EventId:
        if message.edits is not None and message.kind is not OutboundKind.REDACTION:
            await anyio.lowlevel.checkpoint()
            raise HomeserverRefused(403, "M_FORBIDDEN", "no edits here")
        return await super().send(message)


@pytest.mark.parametrize(
    ("script", "parts"), [(telling(story(25)), 1), (telling(story(800), chars_per_s=2000), 2)]
)
async def test_an_answer_is_a_new_message_where_edits_are_refused(
    script: Script, parts: int
) -> None:
    world, platform = free(), ScriptedPlatform()
    world.client = RefusesEdits
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, script)
        await quiet(100)
        told = steps(world, home.chat, question)
        assert [step.txn for step in told] == ["0.final", "1"][:parts]
        assert {step.state for step in told} == {"done"}
        assert len(answer(world, home.chat, question)) == parts
        assert not await world.store.unsent_counts()


# ------------------------------------------------------------ stopped, refused, failed


async def test_a_stopped_answer_ends_in_place_as_far_as_it_goes() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform)
        world.alice.say(home.chat, "!stop")
        await quiet()
        ((state, text),) = answer(world, home.chat, question)
        assert state == "stopped"
        assert story(25).startswith(text)
        assert len(text) >= 240
        assert steps(world, home.chat, question)[-1].txn == "0.final"
        assert world.alice.replies(home.chat)[-1] == "I have stopped."
        await quiet(100)
        assert answer(world, home.chat, question) == [("stopped", text)]


async def test_an_answer_that_is_stopped_before_its_next_attempt_keeps_what_was_shown() -> None:
    world, platform = free(), ScriptedPlatform()
    failing = telling(story(8), error=PlatformFailed("gone"))
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, failing, telling(story(25)))
        while not platform.asks[1:]:
            await quiet(0.1)
        ((_, shown),) = answer(world, home.chat, question)
        world.alice.say(home.chat, "!stop")
        await quiet(100)
        assert answer(world, home.chat, question) == [("stopped", shown)]


async def test_an_answer_that_is_stopped_does_not_mix_the_words_of_two_attempts() -> None:
    world, platform = free(), ScriptedPlatform()
    failing = telling(story(800), chars_per_s=5000, error=PlatformFailed("gone"))
    second = story(850).replace("the sea", "the sky")
    again = telling(second, chars_per_s=5000, error=PlatformFailed("gone"))
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, failing, again, telling(story(25)))
        while not platform.asks[2:]:
            await quiet(0.1)
        (_, first), (_, old) = answer(world, home.chat, question)
        assert second.startswith(first)
        assert "the sky" not in old
        world.alice.say(home.chat, "!stop")
        await quiet(100)
        ((state, said),) = answer(world, home.chat, question)
        assert (state, said.strip()) == ("stopped", first.strip())


async def test_nothing_more_is_shown_while_an_anchor_is_not_sent() -> None:
    world, platform = free(), ScriptedPlatform()
    world.client = HoldsSecondParts
    failing = telling(story(800), chars_per_s=5000, error=PlatformFailed("gone"))
    async with world.live(platform=platform) as run:
        going_on = telling(story(2000), chars_per_s=5000)
        home, question = await growing(world, run, platform, failing, going_on)
        before = steps(world, home.chat, question)
        assert [each.event_id is None for each in await world.store.anchors(question)] == [
            False,
            True,
        ]
        await quiet(15)
        assert len(platform.asks) == 2
        assert steps(world, home.chat, question) == before


@pytest.mark.parametrize("lost", [False, True])
async def test_an_answer_that_is_stopped_while_the_bot_is_away_keeps_what_was_shown(
    lost: bool,  # noqa: FBT001
) -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, *[telling(story(25))] * 2)
    ((_, shown),) = answer(world, home.chat, question)
    world.alice.say(home.chat, "!stop")
    if lost:
        world.lose_store()
    async with world.live(platform=platform):
        await quiet(100)
    assert answer(world, home.chat, question) == [("stopped", shown)]


async def test_a_second_attempt_goes_on_in_the_same_message_and_never_shows_less() -> None:
    world, platform = free(), ScriptedPlatform()
    failing = telling(story(8), error=PlatformFailed("gone"))
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, failing, telling(story(25)))
        await quiet(100)
        assert [ask.attempt for ask in platform.asks] == [1, 2]
        assert_grown(steps(world, home.chat, question), story(25))


async def test_a_second_attempt_shows_its_own_text_from_the_first_part_on() -> None:
    world, platform = free(), ScriptedPlatform()
    failing = telling(story(800), chars_per_s=5000, error=PlatformFailed("gone"))
    longer = telling(story(1000), chars_per_s=5000)
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, failing, longer)
        before = [step.txn for step in steps(world, home.chat, question)]
        assert before[-1] == "1"
        await quiet(100)
        edited = [step.txn[:2] for step in steps(world, home.chat, question)[len(before) :]]
        assert edited[0] == "0~"


async def test_an_answer_that_fails_for_good_keeps_what_was_shown_and_says_so() -> None:
    world, platform = free(), ScriptedPlatform()
    failing = [telling(story(8), error=PlatformFailed("gone"))] * 5
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, *failing)
        await quiet(300)
        ((state, text),) = answer(world, home.chat, question)
        assert state == "failed"
        assert story(8).startswith(text)
        assert len(text) > 300
        final, notice = steps(world, home.chat, question)[-2:]
        assert (final.txn, final.content["msgtype"]) == ("0.dead", "m.text")
        assert (notice.text, notice.content["msgtype"]) == (ENGLISH.gave_up, "m.text")


async def test_an_answer_that_fails_for_good_waits_until_the_room_can_be_read() -> None:
    world, platform = free(), ScriptedPlatform()
    failing = telling(story(8), error=PlatformRefused("Not about gardens."))
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, failing)
        ((_, before),) = answer(world, home.chat, question)
        run.bot.services.histories.drop(home.chat)
        run.homeserver.faults.next("history", Fault.SERVER_ERROR, times=3, room_id=home.chat)
        await quiet(300)
        ((state, text),) = answer(world, home.chat, question)
        assert state == "failed"
        assert text.startswith(before)
        assert world.alice.replies(home.chat)[-1] == "Not about gardens."


async def test_a_question_that_was_given_up_is_answered_in_the_same_message_later() -> None:
    world, platform = free(), ScriptedPlatform()
    failing = [telling(story(8), error=PlatformFailed("gone"))] * 5
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, *failing, telling(story(25)))
        await quiet(300)
        await world.store.commit([RetryMessage(question)])
        run.bot.services.tell_room(home.chat, InboxWaiting())
        await quiet(100)
        assert answer(world, home.chat, question) == [("done", story(25))]


async def test_a_part_that_was_taken_back_is_a_new_message_later() -> None:
    world, platform = free(), ScriptedPlatform()
    failing = [telling(story(800), chars_per_s=5000, error=PlatformFailed("gone"))] * 5
    whole = telling(story(800), chars_per_s=50_000)
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, *failing, whole)
        assert len(answer(world, home.chat, question)) == 2
        await quiet(300)
        assert {state for state, _ in answer(world, home.chat, question)} == {"failed"}
        await world.store.commit([RetryMessage(question)])
        run.bot.services.tell_room(home.chat, InboxWaiting())
        await quiet(100)
        said = answer(world, home.chat, question)
        assert " ".join(text.strip() for _, text in said) == story(800)
        assert [state for state, _ in said] == ["done", "done"]


async def test_an_answer_that_is_refused_says_so_in_its_message() -> None:
    world, platform = free(), ScriptedPlatform()
    refusing = telling(story(8), error=PlatformRefused("Not about gardens."))
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, refusing)
        await quiet(100)
        ((state, text),) = answer(world, home.chat, question)
        assert state == "failed"
        assert story(8).startswith(text)
        assert len(text) > 300
        assert world.alice.replies(home.chat)[-1] == "Not about gardens."


@pytest.mark.parametrize("lost", [False, True])
async def test_an_answer_goes_on_after_a_restart_in_a_chat_that_was_archived_meanwhile(
    lost: bool,  # noqa: FBT001
) -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, *[telling(story(25))] * 2)
        world.alice.say(home.chat, "!archive")
        await quiet(1)
        world.alice.say(home.chat, "!yes")
        await quiet(1)
        assert world.alice.replies(home.chat)[-1].startswith("Chat 1 is archived")
    if lost:
        world.lose_store()
    async with world.live(platform=platform):
        await quiet(100)
    assert answer(world, home.chat, question) == [("done", story(25))]


@pytest.mark.parametrize("how", ["a retry", "an edit"])
async def test_an_answer_that_was_asked_for_again_goes_on_after_a_restart_too(how: str) -> None:
    world, platform = free(), ScriptedPlatform()
    brief, long = saying(Text("Briefly."), Done()), telling(story(25))
    platform.script["go"] = platform.script["go on"] = in_turn(brief, long, long)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "!settings edits on")
        question = world.alice.say(home.chat, "go")
        await quiet()
        if how == "an edit":
            again = world.alice.edit(home.chat, question, "go on")
        else:
            again = world.alice.say(home.chat, "!retry")
        await quiet(10)
        for line in ("!settings edits off", "!archive", "!yes"):
            world.alice.say(home.chat, line)
            await quiet(1)
        assert answer(world, home.chat, again)[0][0] == "live"
    async with world.live(platform=platform):
        await quiet(100)
    assert answer(world, home.chat, again) == [("done", story(25))]


async def test_no_message_of_an_answer_begins_with_blank_lines() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["short"] = saying(Text("\n\n  "), Text("  pass"), Done())
    async with world.live(platform=platform) as run:
        blank = telling("\n" * 60 + " \n" * 60 + story(25))
        home, question = await growing(world, run, platform, blank)
        await quiet(100)
        assert_grown(steps(world, home.chat, question), story(25))
        short = world.alice.say(home.chat, "short")
        await quiet()
        assert answer(world, home.chat, short) == [("done", "    pass")]


# ------------------------------------------------------------ taken back


async def test_an_answer_that_is_forgotten_while_it_grows_is_said_to_be_taken_back() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform)
        world.alice.say(home.chat, "!forget")
        await quiet(2)
        assert answer(world, home.chat, question) == []
        texts = ENGLISH.commands
        assert world.alice.replies(home.chat)[-1] == f"{texts.forgotten} {texts.forgotten_in_work}"
        world.alice.say(home.chat, "!forget")
        await quiet(2)
        assert world.alice.replies(home.chat)[-1] == texts.forgotten


async def test_the_message_of_a_deleted_question_is_taken_back() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform)
        world.alice.redact(home.chat, question)
        await quiet(2)
        assert world.alice.replies(home.chat) == ()
        assert [step.txn for step in steps(world, home.chat, question) if not step.edits] == []
        assert await world.store.unsent_counts() == {}


async def test_an_answer_whose_end_was_deleted_is_taken_back() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform)
        await quiet(100)
        *grown, final = steps(world, home.chat, question)
        world.server.take_down(home.chat, grown[-1].event_id)
        await quiet()
        assert answer(world, home.chat, question) == [("done", story(25))]
        world.server.take_down(home.chat, final.event_id)
        await quiet()
        assert answer(world, home.chat, question) == []
        assert platform.asked[1:] == []


@pytest.mark.parametrize("is_fetched_later", [False, True])
@pytest.mark.parametrize("redacts", ["the question", "the answer"])
async def test_what_was_deleted_within_a_gap_counts(
    redacts: str, *, is_fetched_later: bool
) -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform)
        (anchor, *_) = steps(world, home.chat, question)
        world.go_down()
        await quiet()
        if redacts == "the question":
            world.alice.redact(home.chat, question)
        else:
            world.server.take_down(home.chat, anchor.event_id)
        for number in range(15):
            world.alice.say(home.chat, f"{number}")
        if is_fetched_later:
            run.homeserver.faults.next("messages_before", Fault.SERVER_ERROR, times=2)
        world.come_back()
        await quiet(100)
        whole = [("done", story(25))] if redacts == "the answer" else []
        assert answer(world, home.chat, question) == whole
        assert world.alice.replies(home.chat)[-1] == "You said: 14"


async def test_a_retry_of_the_question_in_work_takes_its_message_back() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        both = telling(story(25)), telling(story(25))
        home, question = await growing(world, run, platform, *both)
        again = world.alice.say(home.chat, "!retry")
        await quiet(100)
        assert answer(world, home.chat, question) == []
        assert answer(world, home.chat, again) == [("done", story(25))]


async def test_parts_that_the_second_attempt_does_not_need_are_taken_back() -> None:
    world, platform = free(), ScriptedPlatform()
    long = telling(story(1000), chars_per_s=5000, error=PlatformFailed("gone"))
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, long, telling(story(25)))
        assert len(answer(world, home.chat, question)) == 2
        await quiet(100)
        assert answer(world, home.chat, question) == [("done", story(25))]


async def test_a_part_that_has_become_a_file_is_a_message_of_its_own() -> None:
    world, platform = free(), ScriptedPlatform()
    drawing = Attachment(File("drawing.png", "image/png", b"png"))
    failing = telling(story(8), error=PlatformFailed("gone"))
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, failing, saying(drawing, Done()))
        await quiet(100)
        assert answer(world, home.chat, question) == [("done", "drawing.png")]
        (file,) = (it for it in steps(world, home.chat, question) if it.edits is None)
        assert file.txn == "0.final"


# ------------------------------------------------------------ settled first


@pytest.mark.parametrize(
    ("fault", "ends_at_s"),
    [(Fault.HANG_AFTER, 42), (Fault.HANG_BEFORE, 42), (Fault.AFTER_EFFECT, 30)],
)
async def test_the_end_waits_for_the_answer_to_a_live_edit(fault: Fault, ends_at_s: float) -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, telling(story(15)))
        run.homeserver.faults.next("send", fault, room_id=home.chat)
        await quiet(100)
        told = steps(world, home.chat, question)
        assert_grown(told, story(15))
        assert len({step.txn for step in told}) == len(told)
        assert told[-1].at_s == pytest.approx(ends_at_s, abs=3)


async def test_the_end_waits_no_longer_than_so_long() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, telling(story(15)))
        run.homeserver.faults.next("send", Fault.HANG_BEFORE, room_id=home.chat, times=2)
        await quiet(100)
        final = steps(world, home.chat, question)[-1]
        assert (final.txn, final.text) == ("0.final", story(15))
        assert final.at_s == pytest.approx(30 + world.bounds.settle_s, abs=1)


async def test_what_was_stopped_waits_for_the_answer_as_well() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform)
        run.homeserver.faults.next("send", Fault.HANG_AFTER, room_id=home.chat)
        await quiet(10)
        world.alice.say(home.chat, "!stop")
        await quiet(1)
        assert world.alice.replies(home.chat)[-1] == "I have stopped."
        assert answer(world, home.chat, question)[0][0] == "live"
        assert run.bot.services.replies.running(home.chat) == question
        world.alice.say(home.chat, "!stop")
        await quiet(40)
        assert world.alice.replies(home.chat)[-1] == ENGLISH.commands.nothing_to_stop
        ((state, text),) = answer(world, home.chat, question)
        assert state == "stopped"
        assert story(25).startswith(text)


async def test_a_question_that_is_deleted_meanwhile_has_no_end() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, telling(story(15)))
        run.homeserver.faults.next("send", Fault.HANG_BEFORE, room_id=home.chat)
        await quiet(25)
        assert run.bot.services.replies.running(home.chat) == question
        world.alice.redact(home.chat, question)
        await quiet(100)
        assert world.alice.replies(home.chat) == ()


async def test_a_question_that_was_asked_again_and_is_deleted_meanwhile_has_no_end() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = in_turn(saying(Text("Briefly."), Done()), telling(story(15)))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet()
        again = world.alice.say(home.chat, "!retry")
        await quiet(10)
        run.homeserver.faults.next("send", Fault.HANG_BEFORE, room_id=home.chat)
        await quiet(25)
        assert run.bot.services.replies.running(home.chat) == again
        world.alice.redact(home.chat, question)
        await quiet(100)
        assert answer(world, home.chat, again) == []
        assert world.alice.replies(home.chat) == ("Briefly.",)


@pytest.mark.parametrize("stopped_after_s", [15, 25])
async def test_a_complete_answer_waits_for_no_live_edit_while_the_bot_stops(
    stopped_after_s: float,
) -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, telling(story(15)))
        run.homeserver.faults.next("send", Fault.HANG_AFTER, room_id=home.chat)
        await quiet(stopped_after_s)
        assert run.bot.services.replies.running(home.chat) == question
        assert await run.stop() == ()
        assert await world.store.waiting_counts() == {}
    async with world.live(platform=platform):
        await quiet()
        assert answer(world, home.chat, question) == [("done", story(15))]
        assert len(platform.asks) == 1


async def test_a_live_edit_without_an_answer_ends_with_the_bot() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, _ = await growing(world, run, platform)
        run.homeserver.faults.next("send", Fault.HANG_AFTER, room_id=home.chat)
        await quiet(10)
        assert run.homeserver.faults.planned == 0
    assert run.bot.system.left_behind == ()


# ------------------------------------------------------------ the store


async def test_a_store_that_refuses_the_anchor_leaves_a_plain_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(25))
    commit = world.store.commit

    async def commit_no_anchor(writes: Sequence[Write]) -> None:
        if any(isinstance(write, OpenAnchor) for write in writes):
            raise StoreUnavailable("disk full")
        await commit(writes)

    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        monkeypatch.setattr(world.store, "commit", commit_no_anchor)
        question = world.alice.say(home.chat, "go")
        await quiet(100)
        assert [step.txn for step in steps(world, home.chat, question)] == ["0"]
        assert answer(world, home.chat, question) == [("done", story(25))]


async def test_a_store_that_fails_meanwhile_only_leaves_edits_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, platform = free(), ScriptedPlatform()

    async def no_anchors(_: EventId) -> tuple[Anchor, ...]:
        await anyio.lowlevel.checkpoint()
        raise StoreUnavailable("locked")

    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform)
        with monkeypatch.context() as patched:
            patched.setattr(world.store, "anchors", no_anchors)
            await quiet(10)
        await quiet(100)
        assert_grown(steps(world, home.chat, question), story(25))


async def test_a_commit_of_an_anchor_in_work_comes_before_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(3), chars_per_s=60)
    commit = world.store.commit
    order: list[type[Write]] = []

    async def slow_commit(writes: Sequence[Write]) -> None:
        if any(isinstance(write, OpenAnchor) for write in writes):
            await anyio.sleep(3)
        order.extend(type(write) for write in writes)
        await commit(writes)

    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        monkeypatch.setattr(world.store, "commit", slow_commit)
        question = world.alice.say(home.chat, "go")
        await quiet(100)
        assert order.index(OpenAnchor) < order.index(FinishMessage)
        assert answer(world, home.chat, question) == [("done", story(3))]
        assert steps(world, home.chat, question)[-1].txn == "0.final"


# ------------------------------------------------------------ the homeserver


async def test_an_answer_that_ends_in_an_outage_ends_in_place() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform)
        world.go_down()
        await quiet(120)
        assert await world.store.waiting_counts() == {}
        world.come_back()
        await quiet(90)
        assert_grown(steps(world, home.chat, question), story(25))


async def test_an_answer_grows_on_after_an_outage() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, telling(story(150)))
        world.go_down()
        await quiet(60)
        world.come_back()
        await quiet(60)
        grown = steps(world, home.chat, question)[-1]
        assert (grown.state, grown.at_s > 70) == ("live", True)
        await quiet(300)
        assert_grown(steps(world, home.chat, question), story(150))


class SendsNoEdits(SimulatedHomeserver):
    """A homeserver whose live edits stay unsent, as while the bot is not live."""

    @override
    async def send(self, message: OutboundMessage) -> EventId:
        if message.kind is OutboundKind.LIVE:
            await anyio.lowlevel.checkpoint()
            raise RequestNotSent("not live")
        return await super().send(message)


async def test_an_answer_does_not_wait_for_an_edit_that_was_not_sent() -> None:
    world, platform = free(), ScriptedPlatform()
    world.client = SendsNoEdits
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform, telling(story(25)))
        await quiet(len(story(25)) / 25 - 10)
        assert [step.txn for step in steps(world, home.chat, question)] == ["0"]
        await quiet(15)
        assert [step.txn for step in steps(world, home.chat, question)] == ["0", "0.final"]


async def test_a_room_that_the_bot_may_have_left_sees_nothing_before_that_is_known() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform)
        before, gaps = steps(world, home.chat, question), run.bot.services.registry.gaps
        gaps.extend(home.chat, "1", "2", in_doubt=True)
        await quiet(20)
        assert steps(world, home.chat, question) == before
        gaps.void(home.chat)
        await quiet(100)
        assert len(steps(world, home.chat, question)) > len(before) + 1
        assert_grown(steps(world, home.chat, question), story(25))


async def test_a_room_that_was_left_sees_its_answer_taken_back_when_the_bot_comes_back() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, question = await growing(world, run, platform)
        run.homeserver.faults.next("send", Fault.HANG_BEFORE, room_id=home.chat)
        await quiet(8)
        before = steps(world, home.chat, question)
        world.server.evict(home.chat, BOT)
        await quiet(2)
        world.alice.invite(home.chat, BOT)
        await quiet(100)
        assert world.server.room(home.chat).membership(BOT) == "join"
        assert steps(world, home.chat, question) == before[1:]
        assert run.bot.services.replies.of(home.chat) is None
