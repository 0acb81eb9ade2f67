"""What a real homeserver makes of answers that grow: their size, and who is notified of what."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

import pytest

from actors.model import EventId, OutboundMessage, RoomId, UserId
from actors.rules.formatting import PART_BYTES
from adapter.matrix.contents import message_content
from adapter.matrix.formatting import formatted_parts
from adapter.matrix.gateway import Gateway
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.simulation.contract_edits import anchor_for, final, live
from tests.synapse.conftest import PASSWORD, unique

pytestmark = pytest.mark.anyio

EVENT_LIMIT: Final = 65_536
"""The bytes of an event, by the specification."""
PROSE: Final = "Some *words* of an answer with `code` in it. "


@dataclass(frozen=True, slots=True)
class Chat:
    """A room of Alice's that the bot is in, and its gateway."""

    gateway: Gateway
    alice: Person
    room_id: RoomId

    async def ask(self) -> EventId:
        """Let Alice ask something."""
        content = {"msgtype": "m.text", "body": "why?"}
        return EventId(await self.alice.send(self.room_id, "m.room.message", content))

    async def notified(self) -> list[str]:
        """The texts that Alice is notified of, the newest first."""
        found = await self.alice.request("GET", "/notifications?limit=50")
        events = [it["event"] for it in found["notifications"] if it["room_id"] == self.room_id]
        return [it["content"]["body"] for it in events if it["type"] == "m.room.message"]

    async def newest_page(self) -> list[dict[str, Any]]:
        """What a client reads first of the room."""
        path = f"/rooms/{quote(self.room_id, safe='')}/messages?dir=b&limit=50"
        chunk: list[dict[str, Any]] = (await self.alice.request("GET", path))["chunk"]
        return chunk


@pytest.fixture
async def chat(synapse: ThrowawaySynapse, alice: Person) -> AsyncIterator[Chat]:
    user_id = UserId(await synapse.register(unique("bot"), PASSWORD))
    async with AsyncExitStack() as stack:
        gateway = Gateway(synapse.url, user_id, password=PASSWORD)
        stack.push_async_callback(gateway.close)
        await gateway.log_in()
        room_id = RoomId(await alice.create_room(name="Chat"))
        await alice.invite(room_id, user_id)
        await gateway.join(room_id)
        yield Chat(gateway, alice, room_id)


async def test_a_whole_part_with_its_html_fits_into_an_edit(chat: Chat) -> None:
    anchor = anchor_for(await chat.ask(), chat.room_id)
    sent = await chat.gateway.send(anchor)
    part = formatted_parts(PROSE * 2_000)[0]
    ended = replace(final(anchor, sent, part.body), html=part.html, more=True)
    size = len(json.dumps(message_content(ended)))
    assert PART_BYTES * 0.8 < size < EVENT_LIMIT / 2
    await chat.gateway.send(ended)
    edited = (await chat.gateway.contents.edited(chat.room_id, sent)).newest
    assert edited is not None
    assert edited.text == part.body
    (shown,) = (it for it in await chat.newest_page() if it["event_id"] == edited.event_id)
    assert shown["content"]["m.new_content"]["formatted_body"] == part.html


async def test_a_larger_edit_is_refused_for_its_size_and_sent_without_html(chat: Chat) -> None:
    anchor = anchor_for(await chat.ask(), chat.room_id)
    sent = await chat.gateway.send(anchor)
    too_large = replace(final(anchor, sent, "x" * 40_000), html="<p>" + "x" * 40_000)
    await chat.gateway.send(too_large)
    edited = (await chat.gateway.contents.edited(chat.room_id, sent)).newest
    assert edited is not None
    assert edited.text == too_large.body
    (shown,) = (it for it in await chat.newest_page() if it["event_id"] == edited.event_id)
    assert "formatted_body" not in shown["content"]["m.new_content"]


async def test_a_person_is_notified_of_the_beginning_and_of_no_edit(chat: Chat) -> None:
    anchor = anchor_for(await chat.ask(), chat.room_id)
    sent = await chat.gateway.send(anchor)
    for number in range(3):
        await chat.gateway.send(live(anchor, sent, f"A beginning, and more {number}", number))
    await chat.gateway.send(final(anchor, sent, "All of it"))
    assert await chat.notified() == ["A beginning"]
    plain = OutboundMessage(f"{await chat.ask()}.0", chat.room_id, "Short")
    await chat.gateway.send(plain)
    assert await chat.notified() == ["Short", "A beginning"]


async def test_a_page_of_edited_answers_is_not_much_larger_than_one_of_plain_ones(
    chat: Chat,
) -> None:
    text = PROSE * 20
    plain = await chat.gateway.send(OutboundMessage(f"{await chat.ask()}.0", chat.room_id, text))
    anchor = anchor_for(await chat.ask(), chat.room_id)
    sent = [await chat.gateway.send(anchor)]
    for number in range(1, 5):
        growing = live(anchor, sent[0], text[: 150 * number], number)
        sent.append(await chat.gateway.send(growing))
    sent.append(await chat.gateway.send(final(anchor, sent[0], text)))
    sizes = {it["event_id"]: len(json.dumps(it)) for it in await chat.newest_page()}
    assert sum(map(sizes.__getitem__, sent)) / len(sent) < 1.5 * sizes[plain]
