"""What every StateStore does with queues, intents and the position."""

from dataclasses import replace

import anyio
import pytest

from actors.model import (
    Attempt,
    EventId,
    Generation,
    IntentStep,
    Nonce,
    ReplyState,
    SharedFile,
    StoredGeneration,
    TokensUsed,
)
from actors.port_errors import OutdatedWrite
from actors.ports import Waiting
from actors.writes import (
    VOID_QUEUES,
    AcceptMessage,
    CloseGap,
    CountAttempt,
    DropMessage,
    FinishMessage,
    ForgetMessage,
    KeepGeneration,
    MarkSent,
    MarkTried,
    OpenGap,
    PutIntent,
    QueueMessage,
    RetryMessage,
    SavePosition,
    ShortenGap,
    drop_queued,
)
from adapter.sql.store import PRUNE_LIMIT
from tests.store.conftest import Stores
from tests.store.values import (
    ALICE,
    BOB,
    OTHER_ROOM,
    ROOM,
    inbound,
    intent,
    names_waiting,
    outbound,
    outside,
)

pytestmark = pytest.mark.anyio


# --- inbox


async def test_messages_wait_in_the_order_of_their_acceptance(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([AcceptMessage(inbound(name)) for name in "cab"])
        await store.commit([AcceptMessage(inbound("x", OTHER_ROOM))])
        await store.commit([AcceptMessage(inbound("d", edit=True))])
        assert await names_waiting(store) == ["$c", "$a", "$b", "$d"]
        assert await names_waiting(store, limit=2) == ["$c", "$a"]
        assert [waiting.message for waiting in await store.waiting(ROOM, 10)] == [
            *map(inbound, "cab"),
            inbound("d", edit=True),
        ]


async def test_a_message_keeps_its_thread_and_what_it_replies_to(opened: Stores) -> None:
    related = replace(
        inbound("$1"),
        thread=EventId("$root"),
        reply_to=EventId("$before"),
        quoted="what was said",
        mentions_bot=True,
    )
    reply = replace(outbound("t1"), thread=EventId("$root"), reply_to=EventId("$1"))
    async with opened() as store:
        await store.commit([AcceptMessage(related), QueueMessage(reply)])
        assert await store.waiting(ROOM, 9) == (Waiting(related, attempts=0),)
        assert await store.unsent(ROOM, 9) == (reply,)


async def test_the_event_of_a_sent_message_is_known(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([QueueMessage(outbound("t1")), QueueMessage(outbound("t2"))])
        assert not await store.has_sent(EventId("$answer"))
        await store.commit([MarkSent(outbound("t1").txn_id, EventId("$answer"))])
        assert await store.has_sent(EventId("$answer"))
        assert not await store.has_sent(EventId("$other"))


async def test_a_message_is_accepted_once(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([AcceptMessage(inbound("a")), CountAttempt(EventId("$a"))])
        await store.commit([AcceptMessage(replace(inbound("a"), body="another"))])
        (waiting,) = await store.waiting(ROOM, 10)
        assert (waiting.message, waiting.attempts) == (inbound("a"), 1)


@pytest.mark.parametrize("dead", [False, True])
async def test_a_finished_message_never_waits_again(opened: Stores, dead: bool) -> None:  # noqa: FBT001
    async with opened() as store:
        await store.commit([AcceptMessage(inbound("a")), AcceptMessage(inbound("b"))])
        await store.commit([FinishMessage(EventId("$a"), dead=dead)])
        await store.commit([AcceptMessage(inbound("a"))])
        assert await names_waiting(store) == ["$b"]


async def test_what_waits_and_what_is_unsent_is_counted_in_all_rooms(opened: Stores) -> None:
    async with opened() as store:
        assert (await store.waiting_counts(), sum((await store.unsent_counts()).values())) == (
            {},
            0,
        )
        await store.commit([AcceptMessage(inbound("a")), AcceptMessage(inbound("b", OTHER_ROOM))])
        await store.commit([QueueMessage(outbound(name)) for name in "cde"])
        await store.commit([FinishMessage(EventId("$a")), MarkSent(outbound("c").txn_id, None)])
        assert (await store.waiting_counts(), sum((await store.unsent_counts()).values())) == (
            {OTHER_ROOM: 1},
            2,
        )
        await store.commit([AcceptMessage(inbound("c")), AcceptMessage(inbound("d"))])
        assert await store.waiting_counts() == {ROOM: 2, OTHER_ROOM: 1}


async def test_dropping_or_counting_an_unknown_message_is_no_error(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([DropMessage(EventId("$no")), CountAttempt(EventId("$no"))])
        assert list(await store.waiting_counts()) == []


async def test_a_dropped_message_does_not_wait_and_a_dead_one_stays_dead(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([AcceptMessage(inbound("a")), AcceptMessage(inbound("b"))])
        await store.commit([FinishMessage(EventId("$b"), dead=True)])
        await store.commit([DropMessage(EventId("$a")), DropMessage(EventId("$b"))])
        assert await names_waiting(store) == []
        await store.commit([RetryMessage(EventId("$a")), RetryMessage(EventId("$b"))])
        assert await names_waiting(store) == ["$b"]


async def test_a_forgotten_message_is_unknown_and_one_that_waits_is_not_forgotten(
    opened: Stores,
) -> None:
    async with opened() as store:
        await store.commit([AcceptMessage(inbound("a")), AcceptMessage(inbound("b"))])
        await store.commit([FinishMessage(EventId("$a"))])
        await store.commit([ForgetMessage(EventId("$a")), ForgetMessage(EventId("$b"))])
        assert await store.known_of([EventId("$a"), EventId("$b")]) == {EventId("$b")}
        await store.commit([AcceptMessage(inbound("a"))])
        assert await names_waiting(store) == ["$b", "$a"]


@pytest.mark.parametrize("name", ["$a", "$unknown"])
async def test_a_message_that_is_finished_twice_takes_the_second_transaction_down(
    opened: Stores, name: str
) -> None:
    async with opened() as store:
        await store.commit([AcceptMessage(inbound("a")), AcceptMessage(inbound("b"))])
        await store.commit([FinishMessage(EventId("$a"))])
        finishing = [FinishMessage(EventId("$b")), FinishMessage(EventId(name))]
        with pytest.raises(OutdatedWrite):
            await store.commit([*finishing, QueueMessage(outbound("c"))])
        assert await names_waiting(store) == ["$b"]
        assert await store.unsent_counts() == {}


async def test_of_two_that_finish_a_message_at_once_one_succeeds(opened: Stores) -> None:
    failures: list[str] = []
    async with opened() as store:

        async def finish(name: str) -> None:
            try:
                await store.commit([FinishMessage(EventId("$a")), QueueMessage(outbound(name))])
            except OutdatedWrite:
                failures.append(name)

        await store.commit([AcceptMessage(inbound("a"))])
        async with anyio.create_task_group() as tasks:
            for name in "cd":
                tasks.start_soon(finish, name)
            tasks.start_soon(store.commit, [AcceptMessage(inbound("b"))])
        assert len(failures) == 1
        assert await names_waiting(store) == ["$b"]
        (sent,) = await store.unsent(ROOM, 10)
        assert sent.txn_id not in {outbound(name).txn_id for name in failures}


async def test_rooms_with_waiting_messages_come_longest_waiting_first(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([AcceptMessage(inbound("a")), AcceptMessage(inbound("b", OTHER_ROOM))])
        await store.commit([AcceptMessage(inbound("c"))])
        assert list(await store.waiting_counts()) == [ROOM, OTHER_ROOM]
        await store.commit([FinishMessage(EventId("$a"))])
        assert list(await store.waiting_counts()) == [OTHER_ROOM, ROOM]
        await store.commit([FinishMessage(EventId("$b")), FinishMessage(EventId("$c"))])
        assert list(await store.waiting_counts()) == []


async def test_messages_are_known_in_any_state(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([AcceptMessage(inbound(name)) for name in "ab"])
        await store.commit([FinishMessage(EventId("$a"))])
        assert await store.known_of([EventId("$a"), EventId("$b"), EventId("$c")]) == {"$a", "$b"}
        assert await store.known_of([]) == frozenset()


# --- outbox


async def test_messages_to_send_come_in_order(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([QueueMessage(outbound(name)) for name in "ca"])
        await store.commit([QueueMessage(outbound("b", notice=True))])
        await store.commit([QueueMessage(outbound("x", OTHER_ROOM))])
        expected = (outbound("c"), outbound("a"), outbound("b", notice=True))
        assert await store.unsent(ROOM, 10) == expected
        assert await store.unsent(ROOM, 1) == expected[:1]
        assert await store.unsent_counts() == {ROOM: 3, OTHER_ROOM: 1}


async def test_a_message_keeps_all_that_is_known_of_an_answer(opened: Stores) -> None:
    answer = replace(
        outbound("a"),
        html="<p>body</p>",
        state=ReplyState.STOPPED,
        more=True,
        tokens=TokensUsed("a-model", 12, 34),
        forgets=True,
        file=SharedFile("mxc://localhost/1", "a.png", "image/png", 5),
    )
    async with opened() as store:
        await store.commit([QueueMessage(answer), QueueMessage(outbound("b"))])
        assert await store.unsent(ROOM, 10) == (answer, outbound("b"))


@pytest.mark.parametrize("event_id", [EventId("$sent"), None], ids=["sent", "refused"])
async def test_a_settled_message_is_not_sent_again(
    opened: Stores, event_id: EventId | None
) -> None:
    async with opened() as store:
        await store.commit([QueueMessage(outbound("a")), QueueMessage(outbound("b"))])
        await store.commit([MarkSent("a", event_id), MarkSent("unknown", event_id)])
        await store.commit([QueueMessage(outbound("a"))])
        assert await store.unsent(ROOM, 10) == (outbound("b"),)
        await store.commit([MarkSent("b", event_id)])
        assert await store.unsent_counts() == {}


async def test_a_known_transaction_keeps_its_first_text(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([QueueMessage(outbound("a"))])
        await store.commit([QueueMessage(replace(outbound("a"), body="another"))])
        assert await store.unsent(ROOM, 10) == (outbound("a"),)


async def test_only_the_first_attempt_is_remembered(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([QueueMessage(outbound("a")), QueueMessage(outbound("b"))])
        await store.commit([MarkTried("a", "one session"), MarkTried("unknown", "any")])
        first, untried = await store.unsent(ROOM, 10)
        assert first.tried == Attempt(opened.clock.now, "one session")
        assert untried.tried is None
        await store.commit([MarkTried("a", "another session")])
        assert (await store.unsent(ROOM, 10))[0] == first


# --- position and intents


async def test_the_position_is_the_one_saved_last(opened: Stores) -> None:
    async with opened() as store:
        assert await store.position() is None
        await store.commit([SavePosition("s1"), SavePosition("s2")])
        assert await store.position() == "s2"


async def test_a_position_replaces_only_the_one_before_it(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([SavePosition("s1")])
        await store.commit([AcceptMessage(inbound("a")), SavePosition("s2", after="s1")])
        for after in ("s1", "s3"):
            with pytest.raises(OutdatedWrite):
                await store.commit([AcceptMessage(inbound("b")), SavePosition("s4", after=after)])
        assert await store.position() == "s2"
        assert len(await store.waiting(ROOM, 10)) == 1


async def test_a_gap_grows_at_its_end_until_it_was_filled_up_to_there(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([OpenGap(ROOM, "s1", "s2"), OpenGap(ROOM, "s2", "s3")])
        await store.commit([CloseGap(ROOM, "s2")])
        assert await store.gaps() == (OpenGap(ROOM, "s1", "s3"),)
        await store.commit([CloseGap(ROOM, "s3")])
        assert await store.gaps() == ()
        await store.commit([OpenGap(ROOM, "s3", "s4"), *drop_queued(ROOM)])
        assert await store.gaps() == ()


async def test_a_gap_can_begin_later_and_only_an_open_gap_can(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([ShortenGap(ROOM, "s2")])
        assert await store.gaps() == ()
        await store.commit([OpenGap(ROOM, "s1", "s3"), OpenGap(OTHER_ROOM, "s1", "s3")])
        await store.commit([ShortenGap(ROOM, "s2")])
        assert set(await store.gaps()) == {
            OpenGap(ROOM, "s2", "s3"),
            OpenGap(OTHER_ROOM, "s1", "s3"),
        }


async def test_what_a_gap_may_contain_is_not_pruned(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([AcceptMessage(inbound("a")), AcceptMessage(inbound("b", OTHER_ROOM))])
        await store.commit([FinishMessage(EventId("$a")), FinishMessage(EventId("$b"))])
        await store.commit([OpenGap(ROOM, "s1", "s2")])
        assert await store.prune(before=opened.clock.now + 1) == 1
        await store.commit([AcceptMessage(inbound("a"))])
        assert await names_waiting(store) == []
        await store.commit([CloseGap(ROOM)])
        assert await store.prune(before=opened.clock.now + 1) == 1


async def test_intents_stay_in_the_order_of_the_promise(opened: Stores) -> None:
    second = replace(intent("n2"), step=IntentStep.CREATING, started_at=12.5, told_queued=True)
    async with opened() as store:
        await store.commit([PutIntent(intent(name)) for name in ("n1", "n2", "n0")])
        await store.commit([PutIntent(second)])
        assert await store.open_intents(ALICE) == (intent("n1"), second, intent("n0"))
        assert await store.open_intents(BOB) == ()


async def test_only_if_new_leaves_a_known_intent_as_it_is(opened: Stores) -> None:
    done = intent("n", step=IntentStep.DONE)
    async with opened() as store:
        await store.commit([PutIntent(intent("n"), only_if_new=True)])
        await store.commit([PutIntent(done, only_if_new=True)])
        assert await store.open_intents(ALICE) == (intent("n"),)
        await store.commit([PutIntent(done)])
        await store.commit([PutIntent(intent("n"), only_if_new=True)])
        assert await store.open_intents(ALICE) == ()


async def test_owners_are_those_with_an_open_intent(opened: Stores) -> None:
    async with opened() as store:
        await store.commit(
            [PutIntent(intent("n1", BOB)), PutIntent(intent("n2")), PutIntent(intent("n3", BOB))]
        )
        assert await store.intent_owners() == (BOB, ALICE)
        await store.commit([PutIntent(intent("n2", step=IntentStep.DONE))])
        assert await store.intent_owners() == (BOB,)


async def test_an_intent_that_cannot_be_read_hides_no_other(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([PutIntent(intent("n1")), PutIntent(intent("n2"))])
        outside(opened.place, "UPDATE intents SET body = '{}' WHERE nonce = 'n1'")
        assert [found.nonce for found in await store.open_intents(ALICE)] == [Nonce("n2")]


# --- pruning


async def test_pruning_deletes_what_is_settled_and_old(opened: Stores) -> None:
    async with opened() as store:
        for age, name in ((200.0, "old"), (100.0, "new")):
            opened.clock.now -= age
            for state in ("waiting", "done", "dead"):
                await store.commit([AcceptMessage(inbound(f"{name}-{state}"))])
            for state in ("unsent", "sent", "refused"):
                await store.commit([QueueMessage(outbound(f"{name}-{state}"))])
            await store.commit(
                [
                    FinishMessage(EventId(f"${name}-done")),
                    FinishMessage(EventId(f"${name}-dead"), dead=True),
                    MarkSent(f"{name}-sent", EventId("$e")),
                    MarkSent(f"{name}-refused", None),
                ]
            )
            opened.clock.now += age
        assert await store.prune(before=opened.clock.now - 150) == 3
        assert await store.prune(before=opened.clock.now - 150) == 0
        # What stayed is still known; what went can be accepted anew.
        names = ["old-done", "old-dead", "old-waiting", "new-done", "new-dead"]
        await store.commit([AcceptMessage(inbound(name)) for name in names])
        assert await names_waiting(store) == ["$old-waiting", "$new-waiting", "$old-done"]
        assert [m.txn_id for m in await store.unsent(ROOM, 10)] == ["old-unsent", "new-unsent"]


async def test_pruning_goes_on_until_all_is_deleted(opened: Stores) -> None:
    names = [str(number) for number in range(PRUNE_LIMIT + 7)]
    async with opened() as store:
        await store.commit([AcceptMessage(inbound(name)) for name in names])
        await store.commit([FinishMessage(EventId(f"${name}")) for name in names])
        assert await store.prune(before=opened.clock.now + 1) == PRUNE_LIMIT + 7


# --- the generation


async def test_the_generation_is_the_one_kept_last(opened: Stores) -> None:
    one = StoredGeneration(BOB, Generation("g1", 1), coming=Generation("g2", 2), highest=2)
    other = StoredGeneration(BOB, Generation("g2", 2), highest=2)
    async with opened() as store:
        assert await store.generation() is None
        for generation in (one, other):
            await store.commit([KeepGeneration(generation)])
            assert await store.generation() == generation
        assert await store.position() is None


async def test_the_newest_event_is_that_which_came_or_went_last(opened: Stores) -> None:
    async with opened() as store:
        assert await store.newest_event() is None
        await store.commit([QueueMessage(outbound("unsent")), AcceptMessage(inbound("a"))])
        assert await store.newest_event() == (ROOM, "$a")
        opened.clock.now += 1
        await store.commit([QueueMessage(outbound("b", OTHER_ROOM))])
        assert await store.newest_event() == (ROOM, "$a")
        await store.commit([MarkSent("b", EventId("$b"))])
        assert await store.newest_event() == (OTHER_ROOM, "$b")
        opened.clock.now += 1
        await store.commit([AcceptMessage(inbound("c"))])
        assert await store.newest_event() == (ROOM, "$c")


async def test_void_queues_hold_nothing_that_waits(opened: Stores) -> None:
    async with opened() as store:
        await store.commit(
            [
                AcceptMessage(inbound("a")),
                AcceptMessage(inbound("dead")),
                FinishMessage(EventId("$dead"), dead=True),
                QueueMessage(outbound("t")),
                PutIntent(intent("n")),
                OpenGap(ROOM, "s1", "s2"),
            ]
        )
        await store.commit([*VOID_QUEUES, OpenGap(OTHER_ROOM, "", "s3")])
        assert await store.waiting_counts() == {}
        assert sum((await store.unsent_counts()).values()) == 0
        assert await store.intent_owners() == ()
        assert await store.gaps() == (OpenGap(OTHER_ROOM, "", "s3"),)
        await store.commit([AcceptMessage(inbound("a"))])
        assert await store.waiting_counts() == {}


async def test_a_question_that_waits_again_is_answered_under_the_void_transaction(
    opened: Stores,
) -> None:
    answer = replace(outbound("$a.0"), body="the second answer")
    async with opened() as store:
        await store.commit([AcceptMessage(inbound("a")), QueueMessage(outbound("$a.0"))])
        await store.commit([MarkTried("$a.0", "a session"), *VOID_QUEUES])
        await store.commit([AcceptMessage(inbound("a"), again=True), QueueMessage(answer)])
        assert await names_waiting(store) == ["$a"]
        assert await store.unsent(ROOM, 9) == (answer,)
