"""What the outbox does with the rows of streamed answers, and what it finds out on the way."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import anyio
import pytest
from structlog.testing import capture_logs

from actors.model import (
    EventId,
    HomeserverTraits,
    OutboundKind,
    OutboundMessage,
    ReplyState,
    RoomId,
)
from actors.port_errors import HomeserverUnavailable
from actors.room_contents import Edited
from actors.said import Said
from actors.writes import QueueMessage, VoidAnchor
from supervisor.serving.bundling import REMEDY
from tests.simulation.faults import Fault
from tests.stepping.harness import BOT, Run, World, connection_of, quiet
from tests.stepping.test_outbox import cut_off, let_sends_fail

pytestmark = pytest.mark.anyio

QUESTION, ANCHOR = EventId("$question"), "$question.0"


def anchor(room_id: RoomId) -> OutboundMessage:
    state, kind = ReplyState.LIVE, OutboundKind.ANCHOR
    return OutboundMessage(ANCHOR, room_id, "The whole", state=state, kind=kind)


def final(room_id: RoomId, text: str = "The whole answer.") -> OutboundMessage:
    return OutboundMessage(
        f"{ANCHOR}.final",
        room_id,
        text,
        state=ReplyState.DONE,
        kind=OutboundKind.FINAL,
        edits=ANCHOR,
    )


def redaction(room_id: RoomId) -> OutboundMessage:
    return OutboundMessage(
        f"{ANCHOR}.redact", room_id, "", kind=OutboundKind.REDACTION, edits=ANCHOR
    )


def requests(run: Run) -> list[OutboundMessage]:
    """From now on, the messages that the homeserver is asked to send."""
    seen: list[OutboundMessage] = []
    send = run.homeserver.send

    async def noted(message: OutboundMessage) -> EventId:
        seen.append(message)
        return await send(message)

    run.homeserver.send = noted  # type: ignore[method-assign]
    return seen


async def anchored(world: World, run: Run) -> tuple[RoomId, EventId]:
    """A chat with an anchor; its room and the anchor's event."""
    home = await run.settle_in(world.alice)
    await world.store.commit([QueueMessage(anchor(home.chat))])
    run.bot.activities.outbox.wake(home.chat)
    await quiet()
    return home.chat, await event_of_anchor(world)


async def event_of_anchor(world: World) -> EventId:
    (found,) = await world.store.anchors(QUESTION)
    assert found.event_id is not None
    return found.event_id


@pytest.mark.parametrize("message", [final, redaction])
async def test_what_changes_an_anchor_is_sent_with_its_event(
    message: Callable[[RoomId], OutboundMessage],
) -> None:
    world = World()
    async with world.live() as run:
        room_id, event_id = await anchored(world, run)
        sent = requests(run)
        await world.store.commit([QueueMessage(message(room_id))])
        run.bot.activities.outbox.wake(room_id)
        await quiet()
        assert [it.target for it in sent] == [event_id]
    assert not await world.store.unsent_counts()


@pytest.mark.parametrize("message", [final, redaction])
async def test_what_changes_an_anchor_that_waits_as_well_is_sent_with_its_event(
    message: Callable[[RoomId], OutboundMessage],
) -> None:
    """Both are read from the store at once, when the anchor has no event yet."""
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        looked = answering(run, Edited(WITH_EDIT, bundled=True))
        sent = requests(run)
        await world.store.commit(
            [QueueMessage(anchor(home.chat)), QueueMessage(message(home.chat))]
        )
        run.bot.activities.outbox.wake(home.chat)
        await quiet()
        event_id = await event_of_anchor(world)
        assert [it.target for it in sent] == [None, event_id]
        assert looked == ([event_id] if message is final else [])


async def test_a_redaction_without_a_target_is_settled_without_a_request() -> None:
    world = World()
    async with world.live() as run:
        room_id, event_id = await anchored(world, run)
        sent = requests(run)
        await world.store.commit([VoidAnchor(event_id), QueueMessage(redaction(room_id))])
        run.bot.activities.outbox.wake(room_id)
        await quiet()
        assert sent == []
    assert not await world.store.unsent_counts()


async def test_an_end_without_an_anchor_is_a_message_of_its_own() -> None:
    world = World()
    async with world.live() as run:
        room_id, event_id = await anchored(world, run)
        await world.store.commit([VoidAnchor(event_id), QueueMessage(final(room_id))])
        run.bot.activities.outbox.wake(room_id)
        await quiet()
        assert world.alice.replies(room_id)[-1] == "The whole answer."
        (row,) = connection_of(world.store).execute(
            "SELECT state FROM outbox WHERE txn_id = ?", (f"{ANCHOR}.final",)
        )
        assert row == ("sent",)


@pytest.mark.parametrize(
    ("message", "fault", "looks"),
    [(final, Fault.AFTER_EFFECT, 1), (redaction, Fault.SERVER_ERROR, 0)],
)
async def test_after_a_day_an_end_is_looked_for_and_a_redaction_is_just_repeated(
    message: Callable[[RoomId], OutboundMessage], fault: Fault, looks: int
) -> None:
    world = World()
    async with world.live() as run:
        room_id, _ = await anchored(world, run)
        run.homeserver.faults.next("send", fault, room_id=room_id)
        await world.store.commit([QueueMessage(message(room_id))])
        run.bot.activities.outbox.wake(room_id)
        await quiet(0.1)
        assert run.homeserver.faults.planned == 0
    world.server.forget_transactions()
    world.server.skip(world.bounds.resend_s + 1)
    async with world.live() as run:
        found = finds(run)
        sent = requests(run)
        await quiet(30)
        assert len(found) == looks
        assert len(sent) == 1 - looks
    assert not await world.store.unsent_counts()


def finds(run: Run) -> list[EventId | None]:
    """From now on, what looking for messages finds."""
    seen: list[EventId | None] = []
    find = run.homeserver.find_sent

    async def noted(message: OutboundMessage) -> EventId | None:
        seen.append(await find(message))
        return seen[-1]

    run.homeserver.find_sent = noted  # type: ignore[method-assign]
    return seen


# ------------------------------------------------------------ no deduplication


@pytest.mark.parametrize(("deduplicates", "sent"), [(False, 1), (True, 2), (None, 2)])
async def test_a_server_that_repeats_messages_is_looked_at_before_each_repetition(
    deduplicates: bool | None,  # noqa: FBT001
    sent: int,
) -> None:
    """The specification lets all others be trusted, which this one does not deserve."""
    world = World()
    world.server.traits[BOT] = HomeserverTraits(deduplicates=deduplicates)
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("send", Fault.AFTER_EFFECT, room_id=home.chat)
        world.alice.say(home.chat, "hello")
        await quiet(0.1)
        world.server.forget_transactions()
        await quiet(30)
    assert world.alice.replies(home.chat).count("You said: hello") == sent


async def test_after_a_kill_a_server_that_repeats_messages_is_looked_at_once_that_is_known() -> (
    None
):
    world = World()
    world.server.traits[BOT] = HomeserverTraits(deduplicates=False)
    room_id, _ = await cut_off(world, Fault.AFTER_EFFECT)
    world.server.forget_transactions()
    async with world.live():
        await quiet(30)
    assert world.alice.replies(room_id) == ("You said: hello",)


async def test_traits_that_can_t_be_read_delay_no_message() -> None:
    world = World()
    async with world.boot() as run:
        run.homeserver.faults.next("traits", Fault.HANG_BEFORE, times=9)
        await run.go_live()
        run.let_run()
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet()
        assert world.alice.replies(home.chat)[-1] == "You said: hello"


# ------------------------------------------------------------ is it busy


async def test_a_room_that_fails_for_long_does_not_count_as_one_that_waits() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await let_sends_fail(run, home.chat)
        outbox = run.bot.activities.outbox
        assert sum((await world.store.unsent_counts()).values()) == 1
        assert not outbox.is_busy
        run.homeserver.faults.next("send", Fault.HANG_BEFORE, room_id=home.chat)
        await quiet(61)
        assert run.homeserver.faults.planned == 0
        assert not outbox.is_busy
        assert run.bot.governor.allows()


async def test_a_room_that_waits_for_a_rate_limit_counts() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("send", Fault.RATE_LIMITED, room_id=home.chat)
        world.alice.say(home.chat, "hello")
        await quiet(0.1)
        assert run.bot.activities.outbox.is_busy
        await quiet(10)
        assert not run.bot.activities.outbox.is_busy


async def test_a_room_whose_message_is_under_way_counts() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("send", Fault.HANG_BEFORE, room_id=home.chat)
        world.alice.say(home.chat, "hello")
        await quiet(10)
        assert run.bot.activities.outbox.is_busy
        await quiet(25)
        assert not run.bot.activities.outbox.is_busy


# ------------------------------------------------------------ bundling


WITH_EDIT = Said(EventId("$edit"), BOT, 0, "m.text", "The whole answer.")


def answering(run: Run, *answers: Edited | Exception) -> list[EventId]:
    """Let the homeserver show these edits, one after the other; the events that were looked at."""
    looked: list[EventId] = []
    left = list(answers)

    async def edited(room_id: RoomId, event_id: EventId) -> Edited:  # noqa: ARG001
        looked.append(event_id)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    run.homeserver.contents.edited = edited  # type: ignore[method-assign]
    return looked


async def end_answers(world: World, run: Run, count: int) -> EventId:
    """So many answers that are ended by an edit, each in its time; the event of all anchors."""
    room_id, event_id = await anchored(world, run)
    for number in range(count):
        ending = replace(final(room_id), txn_id=f"{ANCHOR}.final-{number}")
        await world.store.commit([QueueMessage(ending)])
        run.bot.activities.outbox.wake(room_id)
        await quiet()
    return event_id


@pytest.mark.parametrize("bundles", [True, False])
async def test_the_first_end_shows_whether_the_homeserver_bundles_edits(*, bundles: bool) -> None:
    world = World()
    async with world.live() as run:
        looked = answering(run, Edited(WITH_EDIT, bundles))
        with capture_logs() as logs:
            event_id = await end_answers(world, run, 3)
        assert looked == [event_id]
        assert world.server.traits[BOT] == HomeserverTraits(bundles=bundles)
        assert run.bot.services.traits.so_far.bundles is bundles
        told = [log["remedy"] for log in logs if log["event"] == "edits_not_bundled"]
        assert told == ([] if bundles else [REMEDY])


async def test_an_end_that_shows_nothing_leaves_it_to_the_next_one() -> None:
    world = World()
    async with world.live() as run:
        lost = HomeserverUnavailable("no answer")
        looked = answering(run, lost, Edited(None, bundled=False), Edited(WITH_EDIT, bundled=True))
        await end_answers(world, run, 4)
        assert len(looked) == 3
        assert world.server.traits[BOT] == HomeserverTraits(bundles=True)


@pytest.mark.parametrize(("remembered", "looks"), [(True, 0), (False, 1)])
async def test_each_process_asks_again_whether_edits_are_bundled_only_if_they_were_not(
    *, remembered: bool, looks: int
) -> None:
    world = World()
    world.server.traits[BOT] = HomeserverTraits(deduplicates=True, bundles=remembered)
    async with world.live() as run:
        looked = answering(run, Edited(WITH_EDIT, bundled=True))
        assert run.bot.services.traits.so_far.bundles in {True, None}
        await end_answers(world, run, 2)
        assert len(looked) == looks
        assert world.server.traits[BOT] == HomeserverTraits(deduplicates=True, bundles=True)


async def test_an_end_without_an_anchor_shows_nothing_about_bundling() -> None:
    world = World()
    async with world.live() as run:
        looked = answering(run)
        room_id, event_id = await anchored(world, run)
        await world.store.commit([VoidAnchor(event_id), QueueMessage(final(room_id))])
        run.bot.activities.outbox.wake(room_id)
        await quiet()
        assert looked == []


async def test_a_homeserver_that_refuses_account_data_is_asked_for_it_once() -> None:
    world = World()
    async with world.boot() as run:
        run.homeserver.faults.next("traits", Fault.REFUSED, times=2)
        await run.go_live()
        run.let_run()
        await quiet(120)
        assert run.homeserver.faults.planned == 1
        assert run.bot.services.traits.so_far == HomeserverTraits()


async def test_two_discoveries_at_once_are_both_kept() -> None:
    world = World()
    async with world.live() as run:
        traits = run.bot.services.traits
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(traits.note, bundles=True))
            tasks.start_soon(partial(traits.note, deduplicates=False))
        expected = HomeserverTraits(deduplicates=False, bundles=True)
        assert world.server.traits[BOT] == traits.so_far == expected
