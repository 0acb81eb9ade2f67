"""When and how an answer is shown while it grows."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import anyio
import pytest

from actors.governor import Governor
from actors.model import HomeserverTraits
from actors.platform import Ask, Attachment, Delta, Done, File, Reason, Text, Thinking
from tests.simulation.faults import Fault
from tests.stepping.growing import answer, assert_grown, free, steps, story, telling
from tests.stepping.harness import BOT, ScriptedPlatform, quiet
from tests.stepping.test_replies import saying

pytestmark = pytest.mark.anyio

# ------------------------------------------------------------ when


async def test_an_answer_that_is_complete_within_the_threshold_is_one_plain_message() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(8), chars_per_s=300)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(60)
        (step,) = steps(world, home.chat, question)
        assert (step.txn, step.edits, step.text, step.state) == ("0", None, story(8), "done")
        assert 1.3 < step.at_s < 1.5


async def test_a_long_answer_grows_in_steps_that_become_rarer() -> None:
    world, platform = free(), ScriptedPlatform()
    whole = story(25)
    platform.script["go"] = telling(whole, chars_per_s=25)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(100)
        told = steps(world, home.chat, question)
        assert_grown(told, whole)
        assert told[0].text == story(2)
        at_s = [step.at_s - told[0].at_s for step in told]
        # With 25 characters a second, 40 more of them take at least 1.6 s.
        assert at_s[:7] == pytest.approx([0, 1.7, 3.9, 7, 12, 20, 30], abs=0.6)
        assert told[-1].at_s == pytest.approx(50, abs=0.3)
        assert [step.txn for step in told[:2]] == ["0", "0~boot-1.0"]
        assert told[-1].txn == "0.final"
        assert not any("…" in step.text for step in told)
        assert world.alice.replies(home.chat) == (whole,)


async def test_a_slow_answer_is_shown_after_some_seconds_whatever_it_says_by_then() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling("a few words, and no sentence", chars_per_s=2)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(60)
        first, final = steps(world, home.chat, question)
        assert (first.text, first.state) == ("a few", "live")
        assert first.at_s == pytest.approx(6, abs=0.1)
        assert (final.text, final.edits) == ("a few words, and no sentence", first.event_id)


async def test_a_platform_that_thinks_only_shows_the_typing_notice() -> None:
    world, platform = free(), ScriptedPlatform()

    async def thinks(_: Ask) -> AsyncGenerator[Delta, None]:
        for _n in range(50):
            await anyio.sleep(1)
            yield Thinking()
        for word in ("I ", "know."):
            await anyio.sleep(0.5)
            yield Text(word)
        yield Done(Reason.STOP)

    platform.script["go"] = thinks
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        for _n in range(4):
            await quiet(12)
            assert world.server.typing[home.chat] == {BOT}
        await quiet(10)
        assert [step.txn for step in steps(world, home.chat, question)] == ["0"]
        assert not world.server.typing[home.chat]


async def test_typing_is_shown_while_the_answer_grows() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "go")
        await quiet(45)
        assert world.server.typing[home.chat] == {BOT}
        await quiet(10)
        assert not world.server.typing[home.chat]


async def test_an_answer_is_edited_at_most_so_often_its_end_included() -> None:
    world, platform = free(), ScriptedPlatform()
    world.bounds = replace(world.bounds, edits=4)
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(100)
        told = steps(world, home.chat, question)
        assert [step.edits is None for step in told] == [True, False, False, False, False]
        assert_grown(told, story(25))


# ------------------------------------------------------------ who decides


async def test_a_governor_that_refuses_makes_it_a_plain_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        monkeypatch.setattr(Governor, "allows", lambda _: False)
        question = world.alice.say(home.chat, "go")
        await quiet(100)
        (step,) = steps(world, home.chat, question)
        assert (step.txn, step.edits, step.text) == ("0", None, story(25))
        assert step.at_s == pytest.approx(50, abs=0.3)


async def test_a_governor_that_refuses_for_a_while_leaves_edits_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(6)
        with monkeypatch.context() as patched:
            patched.setattr(Governor, "allows", lambda _: False)
            await quiet(30)
        await quiet(60)
        told = steps(world, home.chat, question)
        assert_grown(told, story(25))
        assert not [step for step in told if 6 < step.at_s < 36]
        assert [step for step in told[:-1] if step.at_s > 36]


async def test_nothing_is_streamed_in_a_chat_that_does_not_want_it() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "!settings stream off")
        await quiet()
        question = world.alice.say(home.chat, "go")
        await quiet(100)
        assert [step.txn for step in steps(world, home.chat, question)] == ["0"]


# ------------------------------------------------------------ the homeserver


@pytest.mark.parametrize("deduplicates", [True, False])
async def test_the_first_edit_finds_out_if_the_homeserver_deduplicates(
    *, deduplicates: bool
) -> None:
    world, platform = free(), ScriptedPlatform()
    world.server.traits[BOT] = HomeserverTraits(bundles=True)
    world.server.deduplicates = deduplicates
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(100)
        assert world.server.traits[BOT].deduplicates is deduplicates
        edits = [step.txn for step in steps(world, home.chat, question) if "~" in step.txn]
        assert edits.count("0~boot-1.0") == (1 if deduplicates else 2)
        assert edits.count("0~boot-1.1") == 1
        assert world.alice.replies(home.chat) == (story(25),)


async def test_nothing_is_streamed_by_a_homeserver_that_does_not_bundle() -> None:
    world, platform = free(), ScriptedPlatform()
    world.server.bundles = False
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        await run.bot.services.traits.note(bundles=False)
        question = world.alice.say(home.chat, "go")
        await quiet(100)
        assert [step.txn for step in steps(world, home.chat, question)] == ["0"]


async def test_a_homeserver_whose_traits_cannot_be_read_is_taken_for_a_usual_one() -> None:
    world, platform = free(), ScriptedPlatform()
    world.server.traits[BOT] = HomeserverTraits(bundles=True)
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("traits", Fault.SERVER_ERROR, times=3)
        question = world.alice.say(home.chat, "go")
        await quiet(100)
        assert_grown(steps(world, home.chat, question), story(25))


@pytest.mark.parametrize("fault", [Fault.RATE_LIMITED, Fault.REFUSED_FOR_NOW])
async def test_a_limited_edit_is_left_out(fault: Fault) -> None:
    world, platform = free(), ScriptedPlatform()
    world.bounds = replace(world.bounds, edits=3)
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(5)
        run.homeserver.faults.next("send", fault, room_id=home.chat)
        await quiet(100)
        assert run.homeserver.faults.fired == [("send", fault)]
        told = steps(world, home.chat, question)
        assert_grown(told, story(25))
        assert [step.txn for step in told] == ["0", "0~boot-1.1", "0.final"]
        assert told[-1].at_s == pytest.approx(50, abs=0.3)


async def test_an_edit_that_was_perhaps_made_is_repeated_although_the_account_is_limited() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(5)
        for fault in (Fault.AFTER_EFFECT, Fault.RATE_LIMITED):
            run.homeserver.faults.next("send", fault, room_id=home.chat)
        await quiet(100)
        assert run.homeserver.faults.planned == 0
        repeated = [it for it in world.server.writes if (it.action, it.events) == ("send", 0)]
        assert len(repeated) == 1
        assert_grown(steps(world, home.chat, question), story(25))


async def test_after_a_refused_edit_only_the_end_is_shown() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(5)
        run.homeserver.faults.next("send", Fault.REFUSED, room_id=home.chat)
        await quiet(100)
        assert run.homeserver.faults.fired == [("send", Fault.REFUSED)]
        told = steps(world, home.chat, question)
        assert [step.txn for step in told] == ["0", "0.final"]
        assert_grown(told, story(25))


async def test_a_refused_anchor_leaves_a_plain_message() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("send", Fault.REFUSED, room_id=home.chat)
        question = world.alice.say(home.chat, "go")
        await quiet(100)
        assert run.homeserver.faults.fired == [("send", Fault.REFUSED)]
        (step,) = steps(world, home.chat, question)
        assert (step.txn, step.edits, step.text) == ("0.final", None, story(25))


async def test_an_edit_without_an_answer_is_repeated_before_a_newer_one() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(50))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(5)
        run.homeserver.faults.next("send", Fault.HANG_BEFORE, room_id=home.chat)
        await quiet(28)
        assert [step.txn for step in steps(world, home.chat, question)] == ["0"]
        await quiet(200)
        told = steps(world, home.chat, question)
        assert_grown(told, story(50))
        # It took 30 s, and shows what it should have shown before.
        assert (told[1].txn, len(told[1].text) < 200) == ("0~boot-1.0", True)
        assert 35 < told[1].at_s < 38


# ------------------------------------------------------------ parts and files


async def test_each_part_grows_in_a_message_of_its_own() -> None:
    world, platform = free(), ScriptedPlatform()
    whole = story(1300)
    platform.script["go"] = telling(whole, chars_per_s=1000)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(100)
        told = steps(world, home.chat, question)
        anchors = [step.txn for step in told if step.edits is None]
        assert anchors == ["0", "1", "2"]
        said = answer(world, home.chat, question)
        assert [state for state, _ in said] == ["done"] * 3
        assert " ".join(text.strip() for _, text in said) == whole
        # A part that is full was shown to its end before the next one was opened.
        full = [step for step in told if step.txn.startswith("0~")][-1]
        assert full.text == said[0][1]
        assert [step.txn for step in told][-3:] == ["0.final", "1.final", "2.final"]
        assert sum(step.edits is not None for step in told) <= world.bounds.edits


async def test_only_the_text_before_the_first_file_is_streamed() -> None:
    world, platform = free(), ScriptedPlatform()
    drawing = Attachment(File("drawing.png", "image/png", b"png"))
    first, second = story(4), story(6)
    deltas = (Text(first), drawing, Text(second), Thinking(), Done())
    platform.script["go"] = saying(*deltas, pause_s=4)
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(60)
        told = steps(world, home.chat, question)
        ends = [step for step in told if step.state == "done"]
        assert [step.txn for step in ends] == ["0.final", "1", "2"]
        assert [step.text for step in ends] == [first, "drawing.png", second]
        assert all(first.startswith(step.text) for step in told if step not in ends)
