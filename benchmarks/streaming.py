"""Answers that grow beside plain ones: when people have the whole text, and what a client reads.

Four people ask at once, on a homeserver with the rate limits of a stock Synapse. The platform is a
server of the Chat Completions API in this process.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import anyio
import msgspec
from aiohttp import web

from benchmarks.results import GROWN, PAGE, PLAIN, STREAM, Results
from benchmarks.running import OURS, started
from benchmarks.topology import PASSWORD, OwnerRooms
from demo.client import Json
from demo.person import Person
from demo.synapse import ThrowawaySynapse

PEOPLE: Final = 4
ANSWERS_IN_A_ROOM: Final = 200
_STOCK: Final = {"per_second": 0.2, "burst_count": 10}
_NO_LIMIT: Final = {"per_second": 10_000, "burst_count": 10_000}
_REPLY: Final = "io.surfaces.reply"
_PIECE_S: Final = 0.1
_PARAGRAPH: Final = """
The **sea** is salt because rivers carry *minerals* into it, and only water leaves it again.

1. Rain takes `CO2` out of the air and dissolves a little of the rock.
2. Rivers bring what is dissolved to the sea.
3. The sun takes the water back, and leaves the salt.
"""
_ANSWER: Final = _PARAGRAPH * 6
_ANSWER_S: Final = 12.0
_PATIENCE_S: Final = 120
_PAGE_EVENTS: Final = 50
_PAGES: Final = 15
_AT_ONCE: Final = 8


@dataclass(slots=True)
class Watching:
    """A person who asks a question, and follows /sync until the whole answer has come."""

    person: Person
    room_id: str

    async def ask(self, text: str) -> tuple[float, float]:
        """Ask, and return the seconds to the first words of the answer and to its whole text."""
        since = (await self._sync(""))["next_batch"]
        began, first = time.perf_counter(), 0.0
        question = await self.person.say(self.room_id, text)
        with anyio.fail_after(_PATIENCE_S):
            while True:
                answer = await self._sync(since)
                since = answer["next_batch"]
                now = time.perf_counter() - began
                for state in states_of(answer, self.room_id, question):
                    first = first or now
                    if state != "live":
                        return first, now

    async def _sync(self, since: str) -> Json:
        query = {"timeout": 30_000, "since": since} if since else {"timeout": 0}
        return await self.person.request("GET", f"/sync?{urlencode(query)}")


def states_of(answer: Json, room_id: str, question: str) -> list[str]:
    """The states of the messages that answer a question, in a response of /sync."""
    room = answer.get("rooms", {}).get("join", {}).get(room_id, {})
    contents = [it["content"] for it in room.get("timeline", {}).get("events", ())]
    marks = [it.get("m.new_content", it).get(_REPLY, {}) for it in contents]
    return [str(it["state"]) for it in marks if it.get("to") == question]


@dataclass(slots=True)
class Streaming:
    """The measurement. `homeserver` is restarted with the limits that each part of it needs."""

    homeserver: ThrowawaySynapse
    owners: Sequence[OwnerRooms]
    folder: Path
    results: Results
    _runs: int = field(default=0, init=False)

    async def round(self, number: int) -> None:
        """Let the people ask once with answers that grow and once with plain ones."""
        modes = {GROWN: "auto", PLAIN: "off"}
        for name in (GROWN, PLAIN) if number % 2 else (PLAIN, GROWN):
            await self._ask(name, modes[name])

    async def _ask(self, name: str, mode: str) -> None:
        self._runs += 1
        # A restart also fills the bucket of the rate limit.
        await self.homeserver.restart(rc_message=_STOCK)
        folder = self.folder / f"streaming-{self._runs}"
        async with AsyncExitStack() as stack:
            platform = await stack.enter_async_context(_platform())
            watching = [
                Watching(await self._logged_in(stack, rooms.owner), rooms.chats[0])
                for rooms in self.owners[:PEOPLE]
            ]
            await stack.enter_async_context(
                started(
                    OURS,
                    url=self.homeserver.url,
                    account="bot",
                    folder=folder,
                    device=folder.name,
                    environment={**platform, "BOT_STREAM": mode},
                )
            )
            async with anyio.create_task_group() as asking:
                for each in watching:
                    asking.start_soon(self._note, name, each)

    async def _note(self, name: str, watching: Watching) -> None:
        first, whole = await watching.ask(f"Why is the sea salt? ({self._runs})")
        self.results.add(STREAM, name, to_first_s=first, to_whole_s=whole)

    async def pages(self) -> None:
        """Fill a room with copies of the answers that grew, and one with them as plain ones."""
        await self.homeserver.restart(rc_message=_NO_LIMIT)
        async with AsyncExitStack() as stack:
            bot = await self._logged_in(stack, "bot")
            owner = await self._logged_in(stack, self.owners[0].owner)
            grown = [await _last_answer(bot, rooms.chats[0]) for rooms in self.owners[:PEOPLE]]
            rooms = {}
            for name, answers in ((GROWN, grown), (PLAIN, [[_as_plain(it)] for it in grown])):
                rooms[name] = await bot.create_room(invite=[owner.user_id])
                await owner.join(rooms[name])
                for number in range(ANSWERS_IN_A_ROOM):
                    await owner.say(rooms[name], "Why is the sea salt?")
                    await _retell(bot, rooms[name], answers[number % PEOPLE])
            for _ in range(_PAGES):
                for name, room_id in rooms.items():
                    path = f"/rooms/{quote(room_id, safe='')}/messages?dir=b&limit={_PAGE_EVENTS}"
                    began = time.perf_counter()
                    page = await owner.request("GET", path)
                    took_s = time.perf_counter() - began
                    size = len(json.dumps(page))
                    self.results.add(PAGE, name, page_s=took_s, page_bytes=size)
            for answer in grown:
                self.results.add(PAGE, GROWN, answer_events=len(answer))

    async def _logged_in(self, stack: AsyncExitStack, localpart: str) -> Person:
        login = Person.logged_in(self.homeserver.url, localpart, PASSWORD)
        return await stack.enter_async_context(login)


async def _last_answer(bot: Person, room_id: str) -> list[Json]:
    """The contents of the events of the latest answer that grew, in their order."""
    path = f"/rooms/{quote(room_id, safe='')}/messages?dir=b&limit=200"
    chunk = (await bot.request("GET", path))["chunk"][::-1]
    answers = [it for it in chunk if it["sender"] == bot.user_id and _REPLY in it["content"]]
    edits = [it for it in answers if "m.new_content" in it["content"]]
    anchor = edits[-1]["content"]["m.relates_to"]["event_id"]
    first = next(it["content"] for it in answers if it["event_id"] == anchor)
    of_anchor = [
        it["content"] for it in edits if it["content"]["m.relates_to"]["event_id"] == anchor
    ]
    return [first, *of_anchor]


def _as_plain(answer: Sequence[Json]) -> Json:
    """The message that an answer would have been if it had not grown."""
    content: Json = answer[-1]["m.new_content"]
    return content


async def _retell(bot: Person, room_id: str, contents: Sequence[Json]) -> None:
    anchor = await bot.send(room_id, "m.room.message", contents[0])
    for content in contents[1:]:
        relation = {"rel_type": "m.replace", "event_id": anchor}
        await bot.send(room_id, "m.room.message", {**content, "m.relates_to": relation})


# ------------------------------------------------------------ the platform


@asynccontextmanager
async def _platform() -> AsyncIterator[Mapping[str, str]]:
    """Start the platform; the variables with which the bot talks to it."""
    app = web.Application()
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/chat/completions", _complete)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield {"BOT_PLATFORM": "openai", "OPENAI_BASE_URL": base_url}
    finally:
        await runner.cleanup()


async def _models(_request: web.Request) -> web.Response:
    return web.json_response({"data": [{"id": "benchmark", "max_model_len": 32_768}]})


async def _complete(request: web.Request) -> web.StreamResponse:
    await request.read()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    count = round(_ANSWER_S / _PIECE_S)
    for piece in range(count):
        at, end = (len(_ANSWER) * it // count for it in (piece, piece + 1))
        await response.write(_event({"content": _ANSWER[at:end]}))
        await asyncio.sleep(_PIECE_S)
    await response.write(_event({}, "stop") + b"data: [DONE]\n\n")
    return response


def _event(delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return b"data: " + msgspec.json.encode({"choices": [choice]}) + b"\n\n"
