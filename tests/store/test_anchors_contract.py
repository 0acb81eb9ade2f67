"""What every StateStore does with the messages that show an answer while it grows."""

from dataclasses import replace

import pytest

from actors.anchors import Anchor, LiveAnchor
from actors.model import EventId, OutboundKind, OutboundMessage, ReplyState, RoomId, TokensUsed
from actors.ports import StateStore
from actors.writes import (
    VOID_QUEUES,
    AcceptMessage,
    AdoptAnchor,
    DetachFinal,
    DropOutbox,
    FinishMessage,
    MarkSent,
    MarkTried,
    OpenAnchor,
    QueueMessage,
    RedactAbandoned,
    RedactAnchors,
    RedactEnded,
    RepeatFinal,
    RetryMessage,
    VoidAnchor,
    Write,
    drop_queued,
)
from tests.store.conftest import Stores
from tests.store.values import ROOM, inbound, names_waiting, outbound, outside

pytestmark = pytest.mark.anyio

Q = EventId("$q")
EVENT = EventId("$event")


def anchor(question: str = Q, part: int = 0, room_id: RoomId = ROOM) -> OutboundMessage:
    """The first text of a part of an answer."""
    message = outbound(f"{question}.{part}", room_id)
    return replace(message, state=ReplyState.LIVE, kind=OutboundKind.ANCHOR)


def final(question: str = Q, part: int = 0) -> OutboundMessage:
    """The edit that ends a part of an answer, with all that a message can have."""
    return replace(
        outbound(f"{question}.{part}.final", notice=True),
        thread=EventId("$root"),
        reply_to=EventId("$q"),
        html="<p>the end ☃</p>",
        state=ReplyState.DONE,
        tokens=TokensUsed("a-model", 12, 34),
        kind=OutboundKind.FINAL,
        edits=f"{question}.{part}",
    )


def redaction(question: str = Q, part: int = 0, target: EventId | None = None) -> OutboundMessage:
    txn_id = f"{question}.{part}"
    message = OutboundMessage(f"{txn_id}.redact", ROOM, "")
    return replace(message, kind=OutboundKind.REDACTION, edits=txn_id, target=target)


def live(question: str = Q, part: int = 0, event_id: str = EVENT) -> LiveAnchor:
    return LiveAnchor(EventId(question), part, f"{question}.{part}", EventId(event_id))


def accepted(*questions: str) -> list[Write]:
    return [AcceptMessage(inbound(question.removeprefix("$"))) for question in questions]


def opened_anchors(question: str = Q, parts: int = 1) -> list[Write]:
    """A question that waits, and the anchors of its answer."""
    opened = (OpenAnchor(anchor(question, part), EventId(question)) for part in range(parts))
    return [*accepted(question), *opened]


async def unsent_ids(store: StateStore) -> list[str]:
    return [message.txn_id for message in await store.unsent(ROOM, 99)]


# --- opening


async def test_an_anchor_is_unsent_until_the_homeserver_confirms_it(opened: Stores) -> None:
    async with opened() as store:
        await store.commit(opened_anchors(parts=2))
        assert await store.unsent(ROOM, 9) == (anchor(), anchor(part=1))
        assert await store.anchors(Q) == (Anchor("$q.0", None), Anchor("$q.1", None))
        await store.commit([MarkSent("$q.0", EVENT), MarkSent("$q.1", None)])
        expected = (Anchor("$q.0", EVENT), Anchor("$q.1", None, is_void=True))
        assert await store.anchors(Q) == expected
        assert await store.unsent_counts() == {}
    async with opened() as store:
        assert await store.anchors(Q) == expected


async def test_an_anchor_is_opened_only_while_its_question_waits(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([OpenAnchor(anchor("$unknown"), EventId("$unknown"))])
        await store.commit([*accepted("$q"), FinishMessage(Q), OpenAnchor(anchor(), Q)])
        await store.commit([*accepted("$dead"), FinishMessage(EventId("$dead"), dead=True)])
        await store.commit([OpenAnchor(anchor("$dead"), EventId("$dead"))])
        assert await store.unsent(ROOM, 9) == ()
        await store.commit([RetryMessage(EventId("$dead"))])
        await store.commit([OpenAnchor(anchor("$dead"), EventId("$dead"))])
        assert await unsent_ids(store) == ["$dead.0"]


async def test_a_transaction_that_ends_the_question_opens_no_anchor(opened: Stores) -> None:
    """The writes of one transaction may run in any order of their tables."""
    async with opened() as store:
        await store.commit([*accepted("$q"), OpenAnchor(anchor(), Q), FinishMessage(Q)])
        await store.commit([QueueMessage(final())])
        assert await store.anchors(Q) == ()
        assert await store.unsent(ROOM, 9) == (final(),)


async def test_a_known_anchor_keeps_its_first_text_and_its_event(opened: Stores) -> None:
    other = replace(anchor(), body="another")
    async with opened() as store:
        await store.commit([*opened_anchors(), OpenAnchor(other, Q)])
        assert await store.unsent(ROOM, 9) == (anchor(),)
        await store.commit([MarkSent("$q.0", EVENT), OpenAnchor(other, Q), QueueMessage(other)])
        assert await store.unsent(ROOM, 9) == ()
        assert await store.anchors(Q) == (Anchor("$q.0", EVENT),)


async def test_a_question_says_whether_its_answer_has_an_anchor(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*accepted("$x:a"), *opened_anchors("$x:a.b")])
        assert [it.has_anchors for it in await store.waiting(ROOM, 9)] == [False, True]
        await store.commit([MarkSent("$x:a.b.0", None), QueueMessage(outbound("$x:a.0"))])
        assert [it.has_anchors for it in await store.waiting(ROOM, 9)] == [False, True]


# --- ends and what they edit


async def test_an_end_names_the_event_of_its_anchor(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(), QueueMessage(final()), RedactAnchors(Q)])
        assert await store.unsent(ROOM, 9) == (anchor(), final())
        await store.commit([MarkSent("$q.0", EVENT)])
        assert await store.unsent(ROOM, 9) == (replace(final(), target=EVENT),)


@pytest.mark.parametrize("void", [MarkSent("$q.0", None), DropOutbox(ROOM)])
async def test_an_end_without_its_anchor_names_no_event(opened: Stores, void: Write) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(), void, QueueMessage(final())])
        assert await store.unsent(ROOM, 9) == (final(),)


async def test_an_end_of_a_redacted_anchor_names_no_event(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(), MarkSent("$q.0", EVENT), QueueMessage(final())])
        await store.commit([VoidAnchor(EventId("$other"))])
        assert await store.anchors(Q) == (Anchor("$q.0", EVENT),)
        await store.commit([VoidAnchor(EVENT)])
        assert await store.anchors(Q) == (Anchor("$q.0", EVENT, is_void=True),)
        assert await store.unsent(ROOM, 9) == (final(),)
        assert not await store.known_of([EVENT])


async def test_an_end_may_become_a_message_of_its_own(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(), MarkSent("$q.0", EVENT), QueueMessage(final())])
        await store.commit([DetachFinal("$q.0"), DetachFinal("$q.0.final")])
        (message,) = await store.unsent(ROOM, 9)
        assert message == replace(final(), kind=OutboundKind.MESSAGE, edits=None)
        await store.commit([MarkSent("$q.0.final", EventId("$end")), RepeatFinal(EVENT)])
        assert await store.unsent(ROOM, 9) == ()


async def test_a_sent_end_stays_the_edit_that_it_was(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(), MarkSent("$q.0", EVENT), QueueMessage(final())])
        await store.commit([MarkSent("$q.0.final", EventId("$end")), DetachFinal("$q.0.final")])
        await store.commit([FinishMessage(Q), RepeatFinal(EVENT)])
        assert await unsent_ids(store) == ["$q.0.final.2"]


async def test_an_anchor_whose_newest_end_was_redacted_is_taken_back(opened: Stores) -> None:
    ended, again = EventId("$end"), EventId("$again")
    async with opened() as store:
        await store.commit([*opened_anchors(), MarkSent("$q.0", EVENT), QueueMessage(final())])
        await store.commit([MarkSent("$q.0.final", ended), FinishMessage(Q)])
        await store.commit([RepeatFinal(EVENT), MarkSent("$q.0.final.2", again)])
        await store.commit([RedactEnded(ended), RedactEnded(EVENT)])
        assert await store.unsent(ROOM, 9) == ()
        await store.commit([RedactEnded(again), RedactEnded(again)])
        assert await store.unsent(ROOM, 9) == (redaction(target=EVENT),)


async def test_only_an_anchor_becomes_void(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([QueueMessage(outbound("t")), MarkSent("t", EVENT), VoidAnchor(EVENT)])
        assert await store.has_sent(EVENT)
        assert await store.newest_event() == (ROOM, EVENT)


# --- anchors that the room knows better (see test_recovering_contract.py)


@pytest.mark.parametrize("lost", [[], [MarkSent("$q.0", None)], list(VOID_QUEUES)])
async def test_an_anchor_whose_sending_was_not_confirmed_is_adopted(
    opened: Stores, lost: list[Write]
) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(), *lost, AdoptAnchor(ROOM, live())])
        assert await store.anchors(Q) == (Anchor("$q.0", EVENT),)
        assert await store.unsent(ROOM, 9) == ()
        await store.commit([MarkSent("$q.0", None)])
        assert await store.anchors(Q) == (Anchor("$q.0", EVENT),)


# --- taking anchors back


async def test_anchors_that_nothing_edits_are_taken_back_in_their_order(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(parts=5), MarkSent("$q.3", None)])
        await store.commit([MarkSent("$q.2", EVENT), MarkSent("$q.4", EventId("$4"))])
        await store.commit([VoidAnchor(EventId("$4")), QueueMessage(final(part=1))])
        for _ in range(2):
            await store.commit([RedactAnchors(Q)])
            assert await store.unsent(ROOM, 9) == (
                anchor(),
                anchor(part=1),
                final(part=1),
                redaction(),
                redaction(part=2, target=EVENT),
            )


async def test_an_anchor_is_taken_back_once(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(), MarkSent("$q.0", EVENT), RedactAnchors(Q)])
        await store.commit([MarkSent("$q.0.redact", EventId("$redaction")), RedactAnchors(Q)])
        assert await store.unsent(ROOM, 9) == ()


async def test_an_anchor_that_is_taken_back_is_void(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(parts=2), MarkSent("$q.0", EVENT)])
        await store.commit([QueueMessage(final(part=1)), RedactAnchors(Q)])
        assert await store.anchors(Q) == (
            Anchor("$q.0", EVENT, is_void=True),
            Anchor("$q.1", None),
        )


async def test_a_plain_answer_is_not_taken_back(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*accepted("$q"), QueueMessage(outbound("$q.0")), RedactAnchors(Q)])
        assert await unsent_ids(store) == ["$q.0"]
        assert await store.anchors(Q) == ()


SIMILAR = ("$q", "$q.0", "$q.q", "$q~", "$q/", "$q/0", "$q0", "$Q", "$x:a", "$x:a.b", "$x:1.0")


@pytest.mark.parametrize("question", SIMILAR)
async def test_no_other_question_has_the_anchors_of_one(opened: Stores, question: str) -> None:
    async with opened() as store:
        for name in SIMILAR:
            await store.commit(opened_anchors(name, parts=11))
        found = await store.anchors(EventId(question))
        assert [it.txn_id for it in found] == [f"{question}.{part}" for part in range(11)]
        assert all(it.has_anchors for it in await store.waiting(ROOM, 99))
        await store.commit([RedactAnchors(EventId(question))])
        taken_back = [txn_id for txn_id in await unsent_ids_of_all(store) if "redact" in txn_id]
        assert taken_back == [f"{question}.{part}.redact" for part in range(11)]


async def unsent_ids_of_all(store: StateStore) -> list[str]:
    return [message.txn_id for message in await store.unsent(ROOM, 9_999)]


# --- repeating an end


async def test_an_end_is_repeated_as_it_was_each_time_that_it_is_covered(opened: Stores) -> None:
    repeated = replace(final(), txn_id="$q.0.final.2", target=EVENT)
    async with opened() as store:
        await store.commit([*opened_anchors(), MarkSent("$q.0", EVENT), QueueMessage(final())])
        await store.commit([MarkSent("$q.0.final", EventId("$final")), FinishMessage(Q)])
        await store.commit([RepeatFinal(EVENT), RepeatFinal(EVENT)])
        assert await store.unsent(ROOM, 9) == (repeated,)
        for number in range(2, 12):
            assert await unsent_ids(store) == [f"$q.0.final.{number}"]
            event_id = EventId(f"$final{number}")
            await store.commit([MarkSent(f"$q.0.final.{number}", event_id), RepeatFinal(EVENT)])


async def test_a_repetition_that_may_be_covered_is_repeated(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(), MarkSent("$q.0", EVENT), QueueMessage(final())])
        await store.commit([FinishMessage(Q), RepeatFinal(EVENT)])
        await store.commit([MarkTried("$q.0.final.2", "session"), RepeatFinal(EVENT)])
        ends = ["$q.0.final", "$q.0.final.2", "$q.0.final.3"]
        assert await unsent_ids(store) == ends
        await store.commit([RepeatFinal(EVENT, only_if_tried=True)])
        assert await unsent_ids(store) == ends
        await store.commit([VoidAnchor(EVENT)])
        assert await unsent_ids(store) == ends[:1]


async def test_after_a_loss_the_end_may_be_a_repetition(opened: Stores) -> None:
    async with opened() as store:
        anchor = LiveAnchor(Q, 0, "$q.0", EVENT, ended_by="$q.0.final.2")
        end = replace(final(), txn_id="$q.0.final.3")
        await store.commit([AdoptAnchor(ROOM, anchor), QueueMessage(end), VoidAnchor(EVENT)])
        assert await unsent_ids(store) == ["$q.0.final.3"]


async def test_the_newest_of_several_ends_is_repeated(opened: Stores) -> None:
    """A question that was given up, and asked again from the shell, has two."""
    dead = replace(final(), txn_id="$q.dead")
    async with opened() as store:
        await store.commit([*opened_anchors(), MarkSent("$q.0", EVENT), QueueMessage(dead)])
        await store.commit([MarkSent("$q.dead", EventId("$dead")), FinishMessage(Q, dead=True)])
        await store.commit([RetryMessage(Q), RepeatFinal(EVENT)])
        assert await unsent_ids(store) == []  # its answer grows again
        await store.commit([FinishMessage(Q), RepeatFinal(EVENT)])
        assert await unsent_ids(store) == ["$q.dead.2"]
        await store.commit([MarkSent("$q.dead.2", EventId("$dead2"))])
        await store.commit([QueueMessage(final()), RepeatFinal(EVENT), RepeatFinal(EVENT)])
        assert await unsent_ids(store) == ["$q.0.final", "$q.0.final.2"]
        await store.commit([VoidAnchor(EVENT)])
        assert await unsent_ids(store) == ["$q.0.final"]


async def test_only_the_end_of_an_anchor_is_repeated(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(parts=2), *opened_anchors("$p")])
        sent = (("$q.0", "$0"), ("$q.1", "$1"), ("$p.0", "$2"))
        await store.commit([MarkSent(txn_id, EventId(event)) for txn_id, event in sent])
        await store.commit([RedactAnchors(EventId("$p")), QueueMessage(final())])
        await store.commit([FinishMessage(Q), FinishMessage(EventId("$p"))])
        await store.commit([RepeatFinal(EventId(event)) for event in ("$1", "$2", "$unknown")])
        assert await unsent_ids(store) == ["$p.0.redact", "$q.0.final"]


async def test_the_end_of_a_void_anchor_is_not_repeated(opened: Stores) -> None:
    """It was a message of its own, which no edit covers."""
    async with opened() as store:
        await store.commit([*opened_anchors(), MarkSent("$q.0", EVENT), VoidAnchor(EVENT)])
        await store.commit([FinishMessage(Q), QueueMessage(final()), RepeatFinal(EVENT)])
        assert await unsent_ids(store) == ["$q.0.final"]


async def test_a_repetition_is_given_up_with_its_anchor(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(), MarkSent("$q.0", EVENT), QueueMessage(final())])
        await store.commit([FinishMessage(Q), RepeatFinal(EVENT)])
        await store.commit([VoidAnchor(EVENT)])
        assert await store.unsent(ROOM, 9) == (final(),)


async def test_an_end_that_repeats_none_of_the_outbox_stays_without_its_anchor(
    opened: Stores,
) -> None:
    """The first one was sent before the loss of the database."""
    end = replace(final(), txn_id="$q.0.final.2")
    async with opened() as store:
        await store.commit([*accepted("$q"), AdoptAnchor(ROOM, live()), QueueMessage(end)])
        await store.commit([VoidAnchor(EVENT)])
        assert await store.unsent(ROOM, 9) == (end,)


# --- giving up what waits


async def test_what_is_queued_for_a_room_is_given_up_with_its_anchors(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(parts=2), MarkSent("$q.0", EVENT)])
        await store.commit([*drop_queued(ROOM), OpenAnchor(anchor(part=2), Q)])
        assert await store.anchors(Q) == (
            Anchor("$q.0", EVENT),
            Anchor("$q.1", None, is_void=True),
        )
        assert await store.unsent(ROOM, 9) == ()
        assert await names_waiting(store) == []


async def test_what_nothing_ends_is_taken_back_when_the_bot_is_back(opened: Stores) -> None:
    def sent(question: str) -> list[Write]:
        event_id = EventId(f"{question}.event")
        return [*opened_anchors(question), MarkSent(f"{question}.0", event_id)]

    ended = replace(final(), txn_id="$ended.0.final", edits="$ended.0")
    async with opened() as store:
        await store.commit([*sent("$ended"), QueueMessage(ended), *sent("$refused")])
        refused = replace(final(), txn_id="$refused.0.final", edits="$refused.0")
        await store.commit([MarkSent("$ended.0.final", EventId("$end")), QueueMessage(refused)])
        await store.commit(sent("$grows"))
        await store.commit(drop_queued(ROOM))
        await store.commit(sent("$waits"))
        await store.commit([RedactAbandoned(RoomId("!other"))])
        assert await unsent_ids(store) == []
        for _ in range(2):
            await store.commit([RedactAbandoned(ROOM), RedactAbandoned(ROOM)])
            assert await unsent_ids(store) == ["$refused.0.redact", "$grows.0.redact"]
            await store.commit([DropOutbox(ROOM)])  # it is out again
        await store.commit([RedactAbandoned(ROOM)])
        taken_back = (
            MarkSent("$grows.0.redact", EventId("$r1")),
            MarkSent("$refused.0.redact", EVENT),
        )
        await store.commit([*taken_back, RedactAbandoned(ROOM)])
        assert await unsent_ids(store) == []


async def test_a_void_end_can_be_queued_anew(opened: Stores) -> None:
    other = replace(final(), body="the second answer")
    async with opened() as store:
        await store.commit([*opened_anchors(), MarkSent("$q.0", EVENT)])
        await store.commit([FinishMessage(Q), QueueMessage(final()), *VOID_QUEUES])
        await store.commit([AcceptMessage(inbound("q"), again=True), AdoptAnchor(ROOM, live())])
        await store.commit([FinishMessage(Q), QueueMessage(other)])
        assert await store.unsent(ROOM, 9) == (replace(other, target=EVENT),)


# --- pruning


async def pruned(store: StateStore, opened: Stores) -> int:
    return await store.prune(before=opened.clock.now + 1)


async def test_an_anchor_stays_while_its_question_waits(opened: Stores) -> None:
    async with opened() as store:
        for name in ("$q", "$q.0", "$x:a", "$x:a.b"):
            await store.commit([*opened_anchors(name), MarkSent(f"{name}.0", EventId(f"{name}e"))])
        assert await pruned(store, opened) == 0
        await store.commit([FinishMessage(EventId("$q.0")), FinishMessage(EventId("$x:a"))])
        # The messages themselves and their anchors.
        assert await pruned(store, opened) == 4
        assert len(await store.anchors(Q)) == len(await store.anchors(EventId("$x:a.b"))) == 1


async def test_an_anchor_stays_until_its_end_is_settled(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(), MarkSent("$q.0", EVENT), QueueMessage(final())])
        await store.commit([FinishMessage(Q)])
        assert await pruned(store, opened) == 1
        assert await store.unsent(ROOM, 9) == (replace(final(), target=EVENT),)
        await store.commit([MarkSent("$q.0.final", EventId("$final"))])
        assert await pruned(store, opened) == 2
        assert await store.anchors(Q) == ()


@pytest.mark.parametrize("dead", [False, True])
async def test_an_anchor_that_nothing_ends_goes_with_its_question(
    opened: Stores,
    dead: bool,  # noqa: FBT001
) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(parts=2), MarkSent("$q.0", EVENT)])
        await store.commit(
            [MarkSent("$q.1", None), AdoptAnchor(ROOM, live("$gone", event_id="$g"))]
        )
        await store.commit([FinishMessage(Q, dead=dead)])
        # A dead message stays.
        assert await pruned(store, opened) == 3 + (not dead)
        assert await store.anchors(Q) == await store.anchors(EventId("$gone")) == ()


async def test_an_unsent_anchor_is_never_pruned(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([*opened_anchors(), RedactAnchors(Q)])
        await store.commit([FinishMessage(Q)])
        assert await pruned(store, opened) == 1
        assert await store.unsent(ROOM, 9) == (anchor(), redaction())


async def test_a_row_without_a_number_at_its_end_is_pruned(opened: Stores) -> None:
    """No release writes one; another program may."""
    async with opened() as store:
        await store.commit([QueueMessage(outbound("")), QueueMessage(outbound("5"))])
        outside(opened.place, "UPDATE outbox SET kind = 'anchor', state = 'sent'")
        assert await pruned(store, opened) == 2
