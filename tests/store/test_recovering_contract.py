"""What every StateStore does with what only the room has known."""

from dataclasses import replace

import pytest

from actors.anchors import Anchor, LiveAnchor
from actors.model import EventId, OutboundKind
from actors.writes import (
    AcceptMessage,
    AdoptAnchor,
    CountAttempt,
    FinishMessage,
    MarkSent,
    MarkTried,
    OpenAnchor,
    QueueMessage,
    RedactAnchors,
    RepeatFinal,
    VoidAnchor,
)
from tests.store.conftest import Stores
from tests.store.values import ROOM, inbound, names_waiting, outbound

pytestmark = pytest.mark.anyio

Q, ANCHOR = EventId("$q"), EventId("$anchor")
ADOPT = AdoptAnchor(ROOM, LiveAnchor(Q, 0, "$q.0", ANCHOR))
OPEN = OpenAnchor(replace(outbound("$q.0"), kind=OutboundKind.ANCHOR), Q)
FINAL = QueueMessage(replace(outbound("$q.0.final"), kind=OutboundKind.FINAL, edits="$q.0"))


@pytest.mark.parametrize(("dead", "waits"), [(False, ["$a"]), (True, [])])
async def test_a_done_message_waits_again_if_it_is_accepted_again(
    opened: Stores,
    dead: bool,  # noqa: FBT001
    waits: list[str],
) -> None:
    async with opened() as store:
        await store.commit([AcceptMessage(inbound("a"), again=True), CountAttempt(EventId("$a"))])
        await store.commit([AcceptMessage(inbound("a"), again=True)])
        assert [waiting.attempts for waiting in await store.waiting(ROOM, 9)] == [1]
        await store.commit([FinishMessage(EventId("$a"), dead=dead)])
        await store.commit([AcceptMessage(inbound("a"), again=True)])
        assert await names_waiting(store) == waits
        assert [waiting.attempts for waiting in await store.waiting(ROOM, 9)] == [0] * len(waits)


async def test_an_anchor_that_only_the_room_knows_is_adopted(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([ADOPT, FINAL])
        assert await store.anchors(Q) == (Anchor("$q.0", ANCHOR),)
        (final,) = await store.unsent(ROOM, 9)
        assert (final.txn_id, final.target) == ("$q.0.final", ANCHOR)


async def test_an_anchor_that_was_given_up_unsent_is_adopted(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([AcceptMessage(inbound("q")), OPEN, MarkSent("$q.0", None)])
        assert await store.anchors(Q) == (Anchor("$q.0", None, is_void=True),)
        await store.commit([ADOPT])
        assert await store.anchors(Q) == (Anchor("$q.0", ANCHOR),)


async def test_a_known_anchor_stays_as_it_is(opened: Stores) -> None:
    async with opened() as store:
        sent = MarkSent("$q.0", EventId("$known"))
        await store.commit([AcceptMessage(inbound("q")), OPEN, sent, ADOPT])
        assert await store.anchors(Q) == (Anchor("$q.0", EventId("$known")),)
        await store.commit([VoidAnchor(EventId("$known")), ADOPT])
        assert await store.anchors(Q) == (Anchor("$q.0", EventId("$known"), is_void=True),)


async def test_an_end_that_was_not_tried_is_repeated_only_if_asked_so(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([ADOPT, FINAL, RepeatFinal(ANCHOR, only_if_tried=True)])
        assert [it.txn_id for it in await store.unsent(ROOM, 9)] == ["$q.0.final"]
        await store.commit([MarkTried("$q.0.final", "session")])
        for _ in range(2):
            await store.commit([RepeatFinal(ANCHOR, only_if_tried=True)])
            ends = ["$q.0.final", "$q.0.final.2"]
            assert [it.txn_id for it in await store.unsent(ROOM, 9)] == ends


async def test_an_end_is_repeated_before_it_is_confirmed(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([ADOPT, FINAL, RepeatFinal(ANCHOR)])
        final, again = await store.unsent(ROOM, 9)
        assert replace(again, txn_id=final.txn_id) == final


async def test_an_adopted_anchor_may_have_an_end_already(opened: Stores) -> None:
    async with opened() as store:
        ended = LiveAnchor(Q, 0, "$q.0", ANCHOR, ended_by="$q.0.final.2")
        await store.commit([AdoptAnchor(ROOM, ended)])
        assert await store.anchors(Q) == (Anchor("$q.0", ANCHOR, ended_by="$q.0.final.2"),)
        await store.commit([RedactAnchors(Q)])
        assert [it.txn_id for it in await store.unsent(ROOM, 9)] == ["$q.0.redact"]
