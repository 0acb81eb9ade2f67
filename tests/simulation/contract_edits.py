"""The contract of the `Homeserver` port about answers that grow: anchors, edits, redactions."""

from dataclasses import replace

import pytest

from actors.anchors import LiveAnchor
from actors.model import EventId, OutboundKind, OutboundMessage, ReplyState, RoomId
from actors.port_errors import HomeserverRefused
from actors.ports import RecentPage
from actors.rules.reply_mark import live_anchor_of
from actors.said import Said
from tests.simulation.contract_history import Listener, read_backwards, turns
from tests.simulation.contract_world import World, shared_room

NOWHERE = EventId("$" + "0" * 43)


def anchor_for(question: EventId, room_id: RoomId, **more: object) -> OutboundMessage:
    """The first part of an answer while it grows."""
    anchor = OutboundMessage(f"{question}.0", room_id, "A beginning", kind=OutboundKind.ANCHOR)
    return replace(anchor, **more)  # type: ignore[arg-type]


def live(anchor: OutboundMessage, target: EventId, text: str, number: int = 1) -> OutboundMessage:
    """A live edit of an anchor."""
    txn_id = f"{anchor.txn_id}~boot.{number}"
    changes = {"txn_id": txn_id, "body": text, "edits": anchor.txn_id, "target": target}
    return replace(anchor, kind=OutboundKind.LIVE, **changes)  # type: ignore[arg-type]


def final(anchor: OutboundMessage, target: EventId | None, text: str) -> OutboundMessage:
    """The end of an anchor; without a target, a message."""
    txn_id = f"{anchor.txn_id}.final"
    changes = {"txn_id": txn_id, "body": text, "edits": anchor.txn_id, "target": target}
    return replace(anchor, kind=OutboundKind.FINAL, **changes)  # type: ignore[arg-type]


def redaction(anchor: OutboundMessage, target: EventId) -> OutboundMessage:
    """Takes an anchor back."""
    changes = {"txn_id": f"{anchor.txn_id}.redact", "body": "", "edits": anchor.txn_id}
    return replace(anchor, kind=OutboundKind.REDACTION, target=target, **changes)  # type: ignore[arg-type]


async def recent(world: World, room_id: RoomId) -> RecentPage:
    """What was said in a room up to now."""
    position = (await world.homeserver.hydrate()).position
    return await world.homeserver.recent(room_id, position)


def anchors_in(page: RecentPage) -> list[LiveAnchor]:
    """The anchors among the bot's own messages in a page."""
    found = (live_anchor_of(said.event_id, said.mark) for said in page.own)
    return [anchor for anchor in found if anchor is not None]


async def edited(world: World, room_id: RoomId, event_id: EventId) -> tuple[str, ReplyState] | None:
    """The text and the state of a message's newest edit, which must come with the message."""
    found = await world.homeserver.contents.edited(room_id, event_id)
    assert found.bundled
    if found.newest is None:
        return None
    assert found.newest.edits == event_id
    assert found.newest.mark is not None
    return found.newest.text, found.newest.mark.state


@pytest.mark.anyio
class EditsContract:
    async def test_an_answer_grows_and_ends_in_one_message(self, world: World) -> None:
        room_id = await shared_room(world)
        heard = await Listener.start(world, room_id)
        question = await world.alice.say(room_id, "why?")
        anchor, send = anchor_for(question, room_id), world.homeserver.send
        sent = await send(anchor)
        assert await edited(world, room_id, sent) is None
        original = (await world.homeserver.contents.edited(room_id, sent)).original
        assert original is not None
        assert (original.text, original.is_live) == (anchor.body, True)
        growing = LiveAnchor(question, 0, anchor.txn_id, sent)
        await send(live(anchor, sent, "A beginning, and more"))
        assert await edited(world, room_id, sent) == ("A beginning, and more", ReplyState.LIVE)
        page = await recent(world, room_id)
        assert (anchors_in(page), page.answered) == ([growing], frozenset())
        assert [it and it.body for it in page.said] == ["why?"]
        ended = final(anchor, sent, "All of it")
        await send(ended)
        assert await edited(world, room_id, sent) == ("All of it", ReplyState.DONE)
        page = await recent(world, room_id)
        assert page.answered == {question}
        assert page.said[0] is None
        assert [said.text for said in page.own if said.edits == sent] == [
            *("All of it", "A beginning, and more")
        ]
        assert await world.homeserver.find_sent(ended) not in {None, sent}
        last = await world.alice.say(room_id, "next")
        await heard.hear()
        read = await read_backwards(world, room_id)
        assert turns(read, last) == turns(heard.timeline, last) == ["why?", "All of it", "next"]
        assert list(read.messages()) == list(heard.timeline.messages())

    async def test_a_gap_names_the_anchors_that_still_grow(self, world: World) -> None:
        room_id = await shared_room(world)
        start = (await world.homeserver.hydrate()).position
        asked = [await world.alice.say(room_id, f"question {number}") for number in range(2)]
        anchors = [anchor_for(question, room_id) for question in asked]
        sent = [await world.homeserver.send(anchor) for anchor in anchors]
        await world.homeserver.send(final(anchors[0], sent[0], "All of it"))
        await world.homeserver.send(live(anchors[1], sent[1], "More of it"))
        upto = (await world.homeserver.hydrate()).position
        gap = await world.homeserver.messages_before(room_id, upto, stop_at=start, limit=100)
        assert [message.event_id for message in gap.messages] == asked
        assert gap.live == (LiveAnchor(asked[1], 0, anchors[1].txn_id, sent[1]),)
        assert gap.answered == {asked[0]}

    async def test_a_gap_names_what_was_redacted(self, world: World) -> None:
        room_id = await shared_room(world)
        asked = [await world.alice.say(room_id, f"question {number}") for number in range(2)]
        start = (await world.homeserver.hydrate()).position
        await world.alice.redact(room_id, asked[0])
        upto = (await world.homeserver.hydrate()).position
        gap = await world.homeserver.messages_before(room_id, upto, stop_at=start, limit=100)
        assert not gap.messages
        assert gap.redacted == {asked[0]}

    async def test_a_repeated_live_edit_is_the_old_one(self, world: World) -> None:
        room_id = await shared_room(world)
        anchor = anchor_for(await world.alice.say(room_id, "why?"), room_id)
        sent = await world.homeserver.send(anchor)
        first = await world.homeserver.send(live(anchor, sent, "One"))
        assert await world.homeserver.send(live(anchor, sent, "Two")) == first
        assert await edited(world, room_id, sent) == ("One", ReplyState.LIVE)
        assert await world.homeserver.send(live(anchor, sent, "Three", 2)) != first
        assert await edited(world, room_id, sent) == ("Three", ReplyState.LIVE)

    async def test_a_redacted_anchor_stays_empty_whatever_edits_it(self, world: World) -> None:
        room_id = await shared_room(world)
        anchor = anchor_for(await world.alice.say(room_id, "why?"), room_id)
        sent = await world.homeserver.send(anchor)
        await world.homeserver.send(live(anchor, sent, "More of it"))
        taken = await world.homeserver.send(redaction(anchor, sent))
        assert await world.homeserver.send(redaction(anchor, sent)) == taken
        assert await edited(world, room_id, sent) is None
        assert anchors_in(await recent(world, room_id)) == []
        assert (await recent(world, room_id)).taken_back == {sent}
        await world.homeserver.send(final(anchor, sent, "All of it"))
        assert await edited(world, room_id, sent) is None
        read = await read_backwards(world, room_id)
        assert [said.text for said in read.messages()] == ["why?"]

    async def test_a_deleted_message_still_has_its_transaction_id(self, world: World) -> None:
        room_id = await shared_room(world)
        anchor = anchor_for(await world.alice.say(room_id, "why?"), room_id)
        plain = replace(anchor, txn_id=f"{anchor.txn_id[:-1]}1", kind=OutboundKind.MESSAGE)
        sent = [await world.homeserver.send(each) for each in (anchor, plain)]
        assert (await recent(world, room_id)).deleted == frozenset()
        await world.alice.redact(room_id, sent[1])
        page = await recent(world, room_id)
        assert page.deleted == {plain.txn_id}
        assert page.redacted == {sent[1]}
        await world.alice.redact(room_id, sent[0])
        successor = await world.same_device()
        await successor.log_in()
        page = await successor.recent(room_id, (await successor.hydrate()).position)
        assert page.deleted == {anchor.txn_id, plain.txn_id}
        assert page.redacted == set(sent)
        assert page.taken_back == frozenset()

    async def test_a_final_of_an_unknown_anchor_is_a_message(self, world: World) -> None:
        room_id = await shared_room(world)
        question = await world.alice.say(room_id, "why?")
        anchor = anchor_for(question, room_id)
        with pytest.raises(HomeserverRefused):
            await world.homeserver.send(live(anchor, NOWHERE, "More of it"))
        sent = await world.homeserver.send(final(anchor, NOWHERE, "All of it"))
        read = await read_backwards(world, room_id)
        shown = read.message(sent)
        assert shown is not None
        assert (shown.text, shown.edits) == ("All of it", None)
        assert (await recent(world, room_id)).answered == {question}

    async def test_an_edit_leaves_an_answer_in_its_thread(self, world: World) -> None:
        room_id = await shared_room(world)
        root = await world.alice.say(room_id, "why?")
        anchor = anchor_for(root, room_id, thread=root, reply_to=root)
        sent = await world.homeserver.send(anchor)
        await world.homeserver.send(final(anchor, sent, "All of it"))
        shown = (await read_backwards(world, room_id)).message(sent)
        assert shown is not None
        assert (shown.text, shown.thread) == ("All of it", root)

    async def test_a_question_is_read_by_its_id_while_it_is_there(self, world: World) -> None:
        room_id = await shared_room(world)
        question = await world.alice.say(room_id, "why?")
        contents = world.homeserver.contents
        read = await contents.question(room_id, question)
        assert read is not None
        assert (read.event_id, read.body, read.sender) == (question, "why?", world.alice.user_id)
        own = await world.homeserver.send(anchor_for(question, room_id))
        await world.alice.redact(room_id, question)
        assert await contents.question(room_id, question) is None
        assert await contents.question(room_id, own) is None
        assert await contents.question(room_id, NOWHERE) is None
        with pytest.raises(HomeserverRefused):
            await contents.edited(room_id, NOWHERE)

    async def test_edits_of_other_people_change_nothing(self, world: World) -> None:
        room_id = await shared_room(world)
        anchor = anchor_for(await world.alice.say(room_id, "why?"), room_id)
        sent = await world.homeserver.send(anchor)
        await world.alice.edit(room_id, sent, "forged")
        assert await edited(world, room_id, sent) is None
        shown = (await read_backwards(world, room_id)).message(sent)
        assert isinstance(shown, Said)
        assert shown.text == "A beginning"
