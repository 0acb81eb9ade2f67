"""A lower bound: a program that only requests, decodes and writes.

A cold start reads the sync position, then one sliding-sync window, and writes the rows in one
transaction. The echo loops over /sync and answers; a talk asks a platform for the answer. The
requests have the bot's filters. The program gives no guarantee: it checks nothing, stores no
message, and does not survive an error.
"""

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from yarl import URL

from actors.model import MARKER_TYPE, UserId
from adapter.matrix.hydrate import SLIDING_SYNC_PATH, live_filter, position_filter, window_request
from benchmarks.contestants import Task
from benchmarks.rows import PUT, new_database, rows_of
from benchmarks.stopwatch import Stopwatch

_CLIENT = "/_matrix/client/v3"
_POLL_MS = 30_000
_DATA: Final = b"data: {"

Reply: TypeAlias = Callable[[str, str], Awaitable[str]]
"""Makes the answer in a room to a text."""


class _Content(msgspec.Struct):
    name: str = ""
    msgtype: str = ""
    body: str = ""


class _Event(msgspec.Struct):
    type: str
    sender: str
    content: msgspec.Raw
    event_id: str = ""


class _WindowRoom(msgspec.Struct):
    required_state: list[_Event] = []


class _Window(msgspec.Struct):
    rooms: dict[str, _WindowRoom] = {}


class _Timeline(msgspec.Struct):
    events: list[_Event] = []


class _Joined(msgspec.Struct):
    timeline: _Timeline = msgspec.field(default_factory=_Timeline)


class _Rooms(msgspec.Struct):
    join: dict[str, _Joined] = {}


class _Sync(msgspec.Struct):
    next_batch: str
    rooms: _Rooms = msgspec.field(default_factory=_Rooms)


class _Said(msgspec.Struct):
    content: str = ""


class _Choice(msgspec.Struct):
    delta: _Said


class _Chunk(msgspec.Struct):
    choices: list[_Choice]


class Client:
    """Sends the requests of one account."""

    def __init__(self, http: aiohttp.ClientSession, task: Task) -> None:
        self._http = http
        self._task = task
        self._headers: dict[str, str] = {}

    async def log_in(self) -> None:
        """Log in as a new device."""
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": self._task.user_id},
            "password": self._task.password,
        }
        answer = await self._request("POST", f"{_CLIENT}/login", body)
        token = msgspec.json.decode(answer)["access_token"]
        self._headers = {"Authorization": f"Bearer {token}"}

    async def position(self) -> str:
        """The current sync position."""
        return (await self._sync(timeout=0, filter=position_filter(os.urandom(8).hex()))).next_batch

    async def window(self) -> _Window:
        """The sliding-sync window with the state of every room."""
        body = window_request(UserId(self._task.user_id))
        answer = await self._request("POST", SLIDING_SYNC_PATH, body)
        return msgspec.json.decode(answer, type=_Window)

    async def answer(self, since: str, reply: Reply) -> None:
        """Answer the messages of people, without end."""
        sync_filter = live_filter()
        sending: set[asyncio.Task[None]] = set()
        while True:
            answer = await self._sync(since=since, timeout=_POLL_MS, filter=sync_filter)
            since = answer.next_batch
            for room_id, room in answer.rooms.join.items():
                messages = [each for each in room.timeline.events if self._is_message(each)]
                if messages:
                    task = asyncio.create_task(self._answer(room_id, messages, reply))
                    sending.add(task)
                    task.add_done_callback(sending.discard)

    def _is_message(self, event: _Event) -> bool:
        return event.type == "m.room.message" and event.sender != self._task.user_id

    async def _answer(self, room_id: str, messages: list[_Event], reply: Reply) -> None:
        for event in messages:
            body = msgspec.json.decode(event.content, type=_Content).body
            path = f"rooms/{quote(room_id, safe='')}/send/m.room.message/{quote(event.event_id)}"
            answer = {"msgtype": "m.text", "body": await reply(room_id, body)}
            await self._request("PUT", f"{_CLIENT}/{path}", answer)

    async def _sync(self, **query: str | int) -> _Sync:
        answer = await self._request("GET", f"{_CLIENT}/sync?{urlencode(query)}")
        return msgspec.json.decode(answer, type=_Sync)

    async def _request(self, method: str, path: str, body: object = None) -> bytes:
        url = URL(f"{self._task.homeserver}{path}", encoded=True)
        data = None if body is None else msgspec.json.encode(body)
        async with self._http.request(method, url, data=data, headers=self._headers) as response:
            response.raise_for_status()
            return await response.read()


def _rows(window: _Window) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for room_id, room in window.rooms.items():
        state = {event.type: event.content for event in room.required_state}
        marker: dict[str, Any] = msgspec.json.decode(state[MARKER_TYPE])
        name = msgspec.json.decode(state["m.room.name"], type=_Content).name
        rows += rows_of(room_id, name, marker)
    return rows


async def _cold(client: Client, task: Task, stopwatch: Stopwatch) -> None:
    database = new_database(task.database)
    await client.log_in()
    await client.position()
    rows = _rows(await client.window())
    database.execute("BEGIN IMMEDIATE")
    database.executemany(PUT, rows)
    database.execute("COMMIT")
    stopwatch.ready()
    database.close()


async def _talk(client: Client, reply: Reply, stopwatch: Stopwatch) -> None:
    await client.log_in()
    position = await client.position()
    stopwatch.ready()
    await client.answer(position, reply)


async def _echo(room_id: str, text: str) -> str:
    del room_id
    return text


class Model:
    """Asks a server of the Chat Completions API, and has the conversations in memory."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._url = f"{os.environ['OPENAI_BASE_URL']}/chat/completions"
        self._said: defaultdict[str, list[dict[str, str]]] = defaultdict(list)

    async def reply(self, room_id: str, question: str) -> str:
        """The answer to the next question in a room."""
        said = self._said[room_id]
        said.append({"role": "user", "content": question})
        body = {"model": "benchmark", "messages": said, "stream": True}
        pieces: list[str] = []
        async with self._http.post(self._url, json=body) as response:
            async for line in response.content:
                if line.startswith(_DATA):
                    choices = msgspec.json.decode(line[len(_DATA) - 1 :], type=_Chunk).choices
                    pieces += (choice.delta.content for choice in choices)
        said.append({"role": "assistant", "content": "".join(pieces)})
        return said[-1]["content"]


async def run(what: str) -> None:
    """Run the bare `cold` start, the bare `echo` or the bare `talk`."""
    stopwatch, task = Stopwatch(), Task.from_environment()
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        client = Client(http, task)
        if what == "cold":
            await _cold(client, task, stopwatch)
        else:
            await _talk(client, _echo if what == "echo" else Model(http).reply, stopwatch)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
