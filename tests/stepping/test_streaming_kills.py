"""An answer is one message for each part, wherever the bot is killed while it grows."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import anyio
import pytest
from typing_extensions import override

from actors.model import EventId, OutboundKind, OutboundMessage
from actors.port_errors import HomeserverUnavailable, PlatformFailed
from actors.ports import SyncDelta
from actors.writes import RetryMessage, Write
from tests.simulation.connection import Gate
from tests.simulation.faults import Fault
from tests.simulation.homeserver import SimulatedHomeserver
from tests.stepping.growing import answer, assert_grown, free, steps, story, telling
from tests.stepping.harness import Home, Run, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio


class Killer(Gate):
    """Counts the steps of the bot, and kills it at one of them: nothing gets beyond it."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.reached = anyio.Event()
        self.armed = False

    async def pass_step(self) -> None:
        """Make a step, or die at it."""
        if self.armed:
            self.left -= 1
        if self.armed and self.left < 0:
            self.reached.set()
            await anyio.sleep_forever()

    @override
    async def before(self, method: str) -> None:
        if method == "send" or self.reached.is_set():
            await self.pass_step()

    @override
    async def after(self, method: str) -> None:
        if method == "send" or self.reached.is_set():
            await self.pass_step()


def let_die(world: World, killer: Killer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the steps of a bot be sending and committing, before and after each."""
    world.client = partial(SimulatedHomeserver, gate=killer)
    commit = world.store.commit

    async def commit_unless_killed(writes: Sequence[Write]) -> None:
        await killer.pass_step()
        await commit(writes)
        await killer.pass_step()

    monkeypatch.setattr(world.store, "commit", commit_unless_killed)


async def killed_at(
    step: int, platform: ScriptedPlatform, monkeypatch: pytest.MonkeyPatch
) -> tuple[World, Home, EventId, bool]:
    """A bot that is killed at a step while it answers, and starts again; whether it was killed."""
    world, killer = free(), Killer(step)
    with monkeypatch.context() as patched:
        let_die(world, killer, patched)
        async with world.live(platform=platform) as run:
            home = await run.settle_in(world.alice)
            killer.armed = True
            question = world.alice.say(home.chat, "go")
            with anyio.move_on_after(100):
                await killer.reached.wait()
    world.client = SimulatedHomeserver
    async with world.live(platform=platform):
        await quiet(3)
        while await world.store.unsent_counts() or await world.store.waiting_counts():
            await quiet(2)
        await quiet(2)
    return world, home, question, killer.reached.is_set()


async def test_a_kill_at_any_step_leaves_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    step, is_killed = 0, True
    while is_killed:
        platform = ScriptedPlatform()
        platform.script["go"] = telling(story(6))
        world, home, question, is_killed = await killed_at(step, platform, monkeypatch)
        assert answer(world, home.chat, question) == [("done", story(6))], step
        assert world.alice.replies(home.chat) == (story(6),), step
        step += 1
    assert step > 20


async def test_a_part_that_is_shown_to_its_end_is_not_edited_again_after_a_kill() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(1300), chars_per_s=1000)
    question, shown = EventId(""), list[str]()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(50)
    for _ in range(2):
        before = steps(world, home.chat, question)
        assert any(step.txn.startswith("1") for step in before)
        async with world.live(platform=platform):
            await quiet(50)
        shown += [step.txn for step in steps(world, home.chat, question)[len(before) :]]
    assert shown
    assert not [txn_id for txn_id in shown if txn_id.startswith("0~")]
    async with world.live(platform=platform):
        await quiet(150)
    told = steps(world, home.chat, question)
    assert " ".join(text.strip() for _, text in answer(world, home.chat, question)) == story(1300)
    assert sum(step.edits is not None for step in told) <= world.bounds.edits


@pytest.mark.slow
async def test_a_kill_at_any_step_leaves_one_message_for_each_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step, is_killed = 0, True
    while is_killed:
        platform = ScriptedPlatform()
        platform.script["go"] = telling(story(800), chars_per_s=4000)
        world, home, question, is_killed = await killed_at(step, platform, monkeypatch)
        said = answer(world, home.chat, question)
        assert [state for state, _ in said] == ["done", "done"], step
        assert " ".join(text.strip() for _, text in said) == story(800), step
        step += 1
    assert step > 20


async def test_the_second_attempt_after_a_kill_goes_on_in_the_same_message() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.keeps_history = False
    platform.script["go"] = telling(story(12))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(15)
        before = steps(world, home.chat, question)
        assert len(before) > 2
    async with world.live(platform=platform):
        await quiet(100)
        told = steps(world, home.chat, question)
        assert [step.txn for step in told if step.edits is None] == ["0"]
        after = [step.txn for step in told[len(before) :]]
        assert after[0] == f"0~boot-2.{len(before) - 1}"
        assert after[-1] == "0.final"
        assert len(told[len(before)].text) > len(before[-1].text)
        # What is shown of an answer is no part of the conversation that it answers.
        assert [turn.text for turn in platform.asks[1].turns] == ["go"]


async def test_kills_and_losses_allow_an_answer_no_further_edits() -> None:
    world, platform = free(), ScriptedPlatform()
    world.bounds = replace(world.bounds, edits=6)
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(15)
    for kill in range(4):
        if kill % 2:
            world.lose_store()
        async with world.live(platform=platform):
            await quiet(40)
    async with world.live(platform=platform):
        await quiet(100)
    told = steps(world, home.chat, question)
    assert [step.edits is None for step in told] == [True, *[False] * 6]
    assert_grown(told, story(25))


async def test_what_an_anchor_alone_has_shown_does_not_become_shorter() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(25), chars_per_s=500)
    limits = world.bounds.live_edits
    world.bounds = replace(world.bounds, live_edits=replace(limits, burst=1, per_s=0.03))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        await quiet(300)
        question = world.alice.say(home.chat, "go")
        await quiet(2)
        (anchor,) = steps(world, home.chat, question)
    platform.script["go"] = telling(story(25))
    world.bounds = replace(world.bounds, live_edits=limits)
    async with world.live(platform=platform):
        await quiet(100)
    first, *later = steps(world, home.chat, question)
    assert first.text == anchor.text
    assert len(later) > 1
    assert_grown([first, *later], story(25))


async def test_only_the_end_is_shown_of_an_answer_that_was_given_up_before() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(8), error=PlatformFailed("gone"))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(300)
        assert [state for state, _ in answer(world, home.chat, question)] == ["failed"]
        before = len(steps(world, home.chat, question))
    platform.script["go"] = telling(story(12))
    await world.store.commit([RetryMessage(question)])
    async with world.live(platform=platform):
        await quiet(100)
    assert [step.txn for step in steps(world, home.chat, question)][before:] == ["0.final"]
    assert answer(world, home.chat, question) == [("done", story(12))]


async def test_nothing_more_is_shown_if_the_room_does_not_say_what_was_shown() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(12))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(15)
        before = len(steps(world, home.chat, question))
    async with world.boot(platform=platform) as run:
        run.homeserver.faults.next("edited", Fault.SERVER_ERROR)
        await run.go_live()
        run.let_run()
        await quiet(100)
    assert [step.txn for step in steps(world, home.chat, question)][before:] == ["0.final"]


async def test_what_an_earlier_run_has_begun_is_ended_although_nothing_is_streamed_now() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(12))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(15)
    async with world.live(platform=platform, streams=False):
        await quiet(100)
        assert answer(world, home.chat, question) == [("done", story(12))]
        assert [step.txn for step in steps(world, home.chat, question)][-1] == "0.final"
        assert not [it for it in steps(world, home.chat, question) if "boot-2" in it.txn]


class AnchorIsGone(SimulatedHomeserver):
    """A homeserver that gives no answer to the first anchor, which is redacted before it is shown.

    Nothing is shown while something is sent.
    """

    sending: anyio.Lock | None = None
    is_done = False

    @override
    async def send(self, message: OutboundMessage) -> EventId:
        async with self._lock():
            event_id = await super().send(message)
            if message.kind is OutboundKind.ANCHOR and not self.is_done:
                self.is_done = True
                self.server.take_down(message.room_id, event_id)
                raise HomeserverUnavailable("no answer")
            return event_id

    @override
    async def sync(self, since: str, timeout_s: float) -> SyncDelta:
        await super().sync(since, timeout_s)
        async with self._lock():
            return await super().sync(since, 0)

    def _lock(self) -> anyio.Lock:
        self.sending = self.sending or anyio.Lock()
        return self.sending


async def asked(world: World, run: Run, platform: ScriptedPlatform) -> tuple[Home, EventId]:
    """A question, just after the attempt to send the anchor of its answer."""
    home = await run.settle_in(world.alice)
    platform.script["go"] = telling(story(25))
    question = world.alice.say(home.chat, "go")
    while not await world.store.anchors(question):
        await quiet(0.1)
    await quiet(0.1)
    return home, question


async def test_an_anchor_that_was_redacted_before_its_event_was_known_is_void() -> None:
    world, platform = free(), ScriptedPlatform()
    world.client = AnchorIsGone
    async with world.live(platform=platform) as run:
        home, question = await asked(world, run, platform)
        await quiet(100)
    assert answer(world, home.chat, question) == [("done", story(25))]
    assert [step.txn for step in steps(world, home.chat, question)] == ["0.final"]


@pytest.mark.parametrize("is_forgotten", [False, True])
@pytest.mark.parametrize("fault", [None, Fault.SERVER_ERROR, Fault.REFUSED_UNCLEARLY])
async def test_an_anchor_that_was_redacted_before_a_restart_is_void(
    fault: Fault | None, *, is_forgotten: bool
) -> None:
    """The homeserver answers a repetition with the redacted event, or the bot finds that."""
    world, platform = free(), ScriptedPlatform()
    world.client = AnchorIsGone
    async with world.live(platform=platform) as run:
        home, question = await asked(world, run, platform)
    world.client = SimulatedHomeserver
    world.server.skip(world.bounds.resend_s + 1 if is_forgotten else 2)
    if is_forgotten:
        world.server.forget_transactions()
    async with world.boot(platform=platform) as run:
        if fault is not None:
            run.homeserver.faults.next("edited", fault)
        await run.go_live()
        run.let_run()
        await quiet(100)
        assert run.homeserver.faults.planned == 0
    assert answer(world, home.chat, question) == [("done", story(25))]
    assert [step.txn for step in steps(world, home.chat, question)] == ["0.final"]


async def test_an_anchor_that_can_not_be_looked_at_is_edited() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        run.homeserver.faults.next("edited", Fault.REFUSED)
        home = await run.settle_in(world.alice)
        platform.script["go"] = telling(story(25))
        run.homeserver.faults.next("send", Fault.SERVER_ERROR, room_id=home.chat, times=2)
        question = world.alice.say(home.chat, "go")
        await quiet(100)
        assert run.homeserver.faults.planned == 0
    assert answer(world, home.chat, question) == [("done", story(25))]
    assert_grown(steps(world, home.chat, question), story(25))


async def test_an_anchor_whose_event_is_known_at_once_is_not_looked_at() -> None:
    world, platform = free(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        run.homeserver.faults.next("edited", Fault.REFUSED)
        home = await run.settle_in(world.alice)
        platform.script["go"] = telling(story(25))
        question = world.alice.say(home.chat, "go")
        await quiet(100)
        assert answer(world, home.chat, question) == [("done", story(25))]
        assert run.homeserver.faults.planned == 1
