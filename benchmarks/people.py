"""People who send messages and measure the time to each answer, over plain HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

import anyio
import msgspec

from benchmarks.topology import PASSWORD, OwnerRooms
from demo.person import Person

_PATIENCE_S: Final = 120
_FILTER: Final = msgspec.json.encode(
    {
        "room": {
            "timeline": {"types": ["m.room.message"]},
            "state": {"types": []},
            "ephemeral": {"types": []},
            "account_data": {"types": []},
        },
        "presence": {"types": []},
        "account_data": {"types": []},
    }
).decode()


class AnsweredTwice(Exception):
    """A message got two answers."""


@dataclass(slots=True)
class Listener:
    """An owner who follows /sync all the time."""

    person: Person
    rooms: OwnerRooms
    _answers: dict[str, asyncio.Future[float]] = field(default_factory=dict)

    async def ask(self, room_id: str, text: str) -> float:
        """Send a text that is unique in this run; return the seconds until its answer.

        The answer is the text, or begins with it on a line of its own.
        """
        answered: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._answers[text] = answered
        began = time.perf_counter()
        await self.person.say(room_id, text)
        with anyio.fail_after(_PATIENCE_S):
            return await answered - began

    async def listen(self) -> None:
        """Follow /sync, without end. Raises AnsweredTwice."""
        since = ""
        while True:
            query = {"timeout": 30_000 if since else 0, "filter": _FILTER}
            if since:
                query["since"] = since
            sync = await self.person.request("GET", f"/sync?{urlencode(query)}")
            now = time.perf_counter()
            if since:
                self._note_answers(sync, now)
            since = sync["next_batch"]

    def _note_answers(
        self, sync: dict[str, dict[str, dict[str, dict[str, object]]]], now: float
    ) -> None:
        for room in sync.get("rooms", {}).get("join", {}).values():
            for event in msgspec.convert(room, _Room).timeline.events:
                answered = self._answers.get(event.content.body.partition("\n")[0])
                if event.sender == self.person.user_id or answered is None:
                    continue
                if answered.done():
                    raise AnsweredTwice(event.content.body)
                answered.set_result(now)


class _Content(msgspec.Struct):
    body: str = ""


class _Event(msgspec.Struct):
    sender: str
    content: _Content


class _Timeline(msgspec.Struct):
    events: list[_Event] = []


class _Room(msgspec.Struct):
    timeline: _Timeline = msgspec.field(default_factory=_Timeline)


@asynccontextmanager
async def listeners(url: str, owners: Sequence[OwnerRooms]) -> AsyncIterator[list[Listener]]:
    """Log the owners in and let them follow /sync."""
    async with AsyncExitStack() as stack:
        people = [
            Listener(
                await stack.enter_async_context(Person.logged_in(url, rooms.owner, PASSWORD)), rooms
            )
            for rooms in owners
        ]
        async with anyio.create_task_group() as tasks:
            for each in people:
                tasks.start_soon(each.listen)
            yield people
            tasks.cancel_scope.cancel()


async def converse(listener: Listener, texts: Sequence[str]) -> list[float]:
    """Send one message after the other in one room; return the latencies in seconds."""
    room_id = listener.rooms.chats[0]
    return [await listener.ask(room_id, text) for text in texts]


async def crowd(people: Sequence[Listener], texts: Sequence[str]) -> float:
    """Send all texts at once, spread over all chats of all people; return messages per second."""
    rooms = [(each, chat) for each in people for chat in each.rooms.chats]
    began = time.perf_counter()

    async def talk(listener: Listener, chat: str, mine: Sequence[str]) -> None:
        async with anyio.create_task_group() as asking:
            for text in mine:
                asking.start_soon(listener.ask, chat, text)

    async with anyio.create_task_group() as talking:
        for number, (listener, chat) in enumerate(rooms):
            talking.start_soon(talk, listener, chat, texts[number :: len(rooms)])
    return len(texts) / (time.perf_counter() - began)
