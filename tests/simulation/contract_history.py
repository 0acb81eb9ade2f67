"""The contract of the `Homeserver` port about the history of a room.

What `/sync` tells step by step and what is read backwards afterwards are the same conversation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from actors.model import EventId, InboundMessage, OutboundMessage, RoomId, TokensUsed, UserId
from actors.rules.history import Budget, Talk, drafts_for
from actors.rules.timeline import Timeline
from actors.said import Said
from tests.simulation.contract_world import World, come_back, shared_room, sync_until

WORDS = ("help", "forget", "retry")
PLENTY = Budget(100_000)


@dataclass
class Listener:
    """One room as `/sync` tells it, from now on."""

    world: World
    room_id: RoomId
    position: str
    timeline: Timeline
    names: dict[UserId, str] = field(default_factory=dict)

    @classmethod
    async def start(cls, world: World, room_id: RoomId) -> "Listener":
        position = (await world.homeserver.hydrate()).position
        timeline = Timeline(world.homeserver.me)
        timeline.begins = True
        return cls(world, room_id, position, timeline)

    async def hear(self) -> None:
        """Take in what happened since the last time, with a message of Alice's as its end."""
        last = await self.world.alice.say(self.room_id, "!help")
        while not self.timeline.knows(last):
            delta = await sync_until(
                self.world.homeserver, self.position, lambda delta: bool(delta.rooms)
            )
            self.position = delta.next_batch
            for room in delta.rooms:
                if room.room_id == self.room_id:
                    assert room.gap_from is None
                    self.names.update(room.names)
                    for event in room.said:
                        self.timeline.apply(event)


async def read_backwards(world: World, room_id: RoomId) -> Timeline:
    """Read the whole room in pages."""
    timeline, token = Timeline(world.homeserver.me), None
    while True:
        page = await world.homeserver.contents.history(room_id, token)
        timeline.add_page(page.said)
        assert {it.sender for it in page.said if isinstance(it, Said)} <= page.names.keys()
        token = page.earlier
        if token is None:
            timeline.begins = True
            return timeline


def turns(timeline: Timeline, question: EventId, thread: EventId | None = None) -> list[str]:
    """The texts of the turns up to a question."""
    said = timeline.message(question)
    assert said is not None
    asked = InboundMessage(
        question, RoomId("!room"), said.sender, said.sent_ts, said.msgtype, said.text, thread=thread
    )
    drafts = drafts_for(Talk(timeline=timeline, words=WORDS), asked, PLENTY)[0]
    assert drafts is not None
    return [draft.text for draft in drafts.turns]


def in_thread(text: str, root: EventId) -> Mapping[str, object]:
    """The content of a message in a thread, as clients send it."""
    named = {"is_falling_back": True, "m.in_reply_to": {"event_id": root}}
    relation = {"rel_type": "m.thread", "event_id": root, **named}
    return {"msgtype": "m.text", "body": text, "m.relates_to": relation}


def answer(to: EventId, room_id: RoomId, text: str, part: int = 0) -> OutboundMessage:
    return OutboundMessage(f"{to}.{part}", room_id, text, tokens=TokensUsed("tiny", 3, 4))


@pytest.mark.anyio
class HistoryContract:
    async def test_a_conversation_is_read_as_it_was_told(self, world: World) -> None:
        room_id = await shared_room(world)
        heard = await Listener.start(world, room_id)
        alice, send = world.alice, world.homeserver.send
        asked = [await alice.say(room_id, f"question {number}") for number in range(5)]
        for number in (1, 0, 2):
            await send(answer(asked[number], room_id, f"> answer {number}"))
        await heard.hear()
        await send(answer(asked[0], room_id, "second part", 1))
        await alice.edit(room_id, asked[0], "question 0, edited")
        await alice.edit(room_id, asked[0], "question 0, edited twice")
        await alice.redact(room_id, asked[1])
        await heard.hear()
        gone = await alice.say(room_id, "gone before it is heard")
        await alice.redact(room_id, gone)
        inside = await alice.write(room_id, in_thread("in the thread", asked[3]))
        await send(OutboundMessage(f"{inside}.0", room_id, "answer inside", thread=asked[3]))
        more = await alice.write(room_id, in_thread("more", asked[3]))
        await heard.hear()
        read = await read_backwards(world, room_id)
        expected = ["question 0, edited twice", "> answer 0\nsecond part", "question 2"]
        assert turns(read, asked[4]) == [*expected, "> answer 2", "question 3\n\nquestion 4"]
        assert turns(read, more, asked[3]) == [
            "question 3\n\nin the thread",
            "answer inside",
            "more",
        ]
        assert list(read.messages()) == list(heard.timeline.messages())
        assert heard.timeline.is_redacted(gone)
        assert not heard.timeline.is_stale

    async def test_what_was_forgotten_is_not_read_again(self, world: World) -> None:
        room_id = await shared_room(world)
        heard = await Listener.start(world, room_id)
        await world.alice.say(room_id, "secret")
        command = await world.alice.say(room_id, "!forget")
        await world.homeserver.send(
            OutboundMessage(f"{command}.0", room_id, "Forgotten.", notice=True, forgets=True)
        )
        last = await world.alice.say(room_id, "what was it?")
        await heard.hear()
        read = await read_backwards(world, room_id)
        assert turns(read, last) == turns(heard.timeline, last) == ["what was it?"]

    async def test_only_what_was_said_since_the_bot_came_back_is_read(self, world: World) -> None:
        room_id = await shared_room(world)
        await world.alice.say(room_id, "before")
        await come_back(world, room_id, "meanwhile")
        read = await read_backwards(world, room_id)
        assert [said.text for said in read.messages()] == ["after"]

    async def test_our_own_edit_replaces_a_part_of_an_answer(self, world: World) -> None:
        room_id = await shared_room(world)
        question = await world.alice.say(room_id, "question")
        sent = await world.homeserver.send(answer(question, room_id, "draft"))
        await world.bot.edit(room_id, sent, "final")
        await world.alice.edit(room_id, sent, "forged")
        last = await world.alice.say(room_id, "last")
        read = await read_backwards(world, room_id)
        assert turns(read, last) == ["question", "final", "last"]
