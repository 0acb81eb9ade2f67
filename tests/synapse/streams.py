"""Rooms in which answers grow: how they are read, and which requests of the bot make them grow."""

import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import anyio

from demo.bot import BotProcess
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.storyteller import Order, story_for
from tests.streamed import REPLY, Json, Timeline
from tests.synapse.conftest import newcomer
from tests.synapse.home import move_in
from tests.synapse.proxy import Answer, Forward, Request
from tests.synapse.talk import launched

SEND: Final = "PUT rooms/*/send/m.room.message/*"
LIVELY: Final = launched("lively")
"""The command for a bot that may send as many live edits as it likes."""
_LOOK_AGAIN_S: Final = 0.3


# ------------------------------------------------------------ what there is to read


async def timeline(person: Person, room_id: str, bot: BotProcess) -> Timeline:
    """Everything that is in a room, as the server tells it now."""
    found: list[Json] = []
    position: str | None = ""
    while position is not None:
        start = f"&from={quote(position, safe='')}" if position else ""
        path = f"/rooms/{quote(room_id, safe='')}/messages?dir=b&limit=500{start}"
        page = await person.request("GET", path)
        found += page["chunk"]
        position = page.get("end")
    return Timeline(found[::-1], bot.user_id)


# ------------------------------------------------------------ people who ask


@dataclass(slots=True)
class Listener:
    """A person who asks for stories in one room."""

    person: Person
    room_id: str
    bot: BotProcess
    asked: int = 0

    async def ask(self, lines: int, seconds: float) -> str:
        """Ask for a story that is new in the room; answer the question's event id."""
        self.asked += 1
        name = f"{self.room_id[1:5]}-{self.asked}"
        return await self.person.say(self.room_id, Order(name, lines, seconds).question)

    async def timeline(self) -> Timeline:
        return await timeline(self.person, self.room_id, self.bot)

    async def until(
        self, holds: Callable[[Timeline], Any], what: str, timeout_s: float = 60
    ) -> Timeline:
        """Look at the room until something holds there. Raises AssertionError with its table."""
        return await self._until(lambda now: [] if holds(now) else [what], timeout_s)

    async def until_told(
        self, timeout_s: float = 120, expected: Callable[[str], str] = story_for
    ) -> Timeline:
        """Wait until every question has its whole answer and nothing is wrong in the room."""
        now = await self._until(lambda it: it.problems(expected), timeout_s)
        assert len(now.questions) == self.asked
        return now

    async def _until(self, missing: Callable[[Timeline], list[str]], timeout_s: float) -> Timeline:
        deadline = time.monotonic() + timeout_s
        while wrong := missing(now := await self.timeline()):
            if time.monotonic() > deadline:
                told = "\n".join([f"not within {timeout_s:g} s", *wrong, now.table()])
                raise AssertionError(f"{told}{self.bot.last_lines()}")
            await anyio.sleep(_LOOK_AGAIN_S)
        return now


async def listeners(
    stack: AsyncExitStack, homeserver: ThrowawaySynapse, bot: BotProcess, count: int
) -> list[Listener]:
    """People with a chat each, of a live bot."""
    found = []
    for _ in range(count):
        home = await move_in(await newcomer(stack, homeserver, "listener"), bot)
        found.append(Listener(home.owner, home.chat, bot))
    return found


# ------------------------------------------------------------ what the bot sends


def kind_of(request: Request) -> str:
    """What a request to send a message is: `anchor`, `live`, `final`, `plain`; else empty."""
    if not request.name.startswith("PUT rooms/*/send/m.room.message/"):
        return ""
    content = request.body
    said = content.get("m.new_content", content)
    is_live = said.get(REPLY, {}).get("state") == "live"
    if "m.new_content" in content:
        return "live" if is_live else "final"
    return "anchor" if is_live else "plain"


@dataclass(frozen=True, slots=True)
class Sent:
    """A request to send a message: when it came, and with what status it was answered."""

    kind: str
    room_id: str
    at: float
    status: int
    question: str
    txn: str


@dataclass(slots=True)
class Watcher:
    """A fault of a proxy that is none: it notes what the bot sends."""

    sent: list[Sent] = field(default_factory=list)

    async def __call__(self, request: Request, forward: Forward) -> Answer:
        at = time.monotonic()
        answer = await forward()
        mark = request.body.get("m.new_content", request.body).get(REPLY, {})
        self.sent.append(
            Sent(
                kind_of(request),
                request.room_id or "",
                at,
                answer.status,
                str(mark.get("to", "")),
                str(mark.get("txn", "")),
            )
        )
        return answer


def number(name: str, default: int) -> int:
    """A number from the environment."""
    return int(os.environ.get(name, str(default)))
