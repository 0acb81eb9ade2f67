"""A platform that tells stories slowly. The question says how long a story is, and its time."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Self

import anyio
from aiohttp import web

_ORDER: Final = re.compile(r"Tell story (\S+) of (\d+) lines in (\d+(?:\.\d+)?) s")
_PIECE_S: Final = 0.05
_PARAGRAPH_LINES: Final = 5
_MODELS: Final = {"data": [{"id": "storyteller", "max_model_len": 10_000_000}]}


@dataclass(frozen=True, slots=True)
class Order:
    """A story that is asked for: its name, its number of lines, and the seconds that it takes."""

    name: str
    lines: int
    seconds: float

    @property
    def question(self) -> str:
        return f"Tell story {self.name} of {self.lines} lines in {self.seconds:g} s"

    @property
    def story(self) -> str:
        """Each line is unlike any other line of any story."""
        return "\n".join(
            f"Story {self.name}, line {number} of {self.lines}: the *fox* goes on."
            + ("\n" if number % _PARAGRAPH_LINES == 0 else "")
            for number in range(1, self.lines + 1)
        ).rstrip()

    @property
    def pieces(self) -> Iterator[str]:
        """The story in pieces of about the same length, one for each moment that it takes."""
        story = self.story
        count = max(1, round(self.seconds / _PIECE_S))
        for piece in range(count):
            yield story[len(story) * piece // count : len(story) * (piece + 1) // count]


def order_in(text: str) -> Order:
    """The last order in a text. Raises ValueError if there is none."""
    found = _ORDER.findall(text)
    if not found:
        raise ValueError(f"no order: {text!r}")
    name, lines, seconds = found[-1]
    return Order(name, int(lines), float(seconds))


def story_for(question: str) -> str:
    """The whole answer to a question."""
    return order_in(question).story


@dataclass(slots=True)
class Storyteller:
    """A server of the Chat Completions API on a port of this machine."""

    url: str = ""
    begun: list[str] = field(default_factory=list)
    """The names of the stories in the order in which they were begun, repeated ones too."""
    ended_at: dict[str, float] = field(default_factory=dict)
    """When a story was last told to its end, by its name; in seconds of `time.monotonic`."""
    asked: list[list[dict[str, Any]]] = field(default_factory=list)
    """The conversations with which stories were asked for."""
    at_work: int = 0
    """How many stories are being told."""
    _runner: web.AppRunner | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which the bot talks to it."""
        return {
            "BOT_PLATFORM": "openai",
            "OPENAI_BASE_URL": f"{self.url}/v1",
            "OPENAI_CONTEXT_TOKENS": "1000000",
        }

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**27)
        app.router.add_get("/v1/models", _models)
        app.router.add_post("/v1/chat/completions", self._tell)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _tell(self, request: web.Request) -> web.StreamResponse:
        messages = (await request.json())["messages"]
        question = str(messages[-1]["content"])
        if "the word OK" in question:  # the bot looks whether it is well
            return web.Response(body=_ANSWER_TO_CHECK, content_type="text/event-stream")
        order = order_in(question)
        self.asked.append(messages)
        self.begun.append(order.name)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.at_work += 1
        try:
            for piece in order.pieces:
                await response.write(_chunk({"content": piece}))
                await anyio.sleep(_PIECE_S)
        finally:
            self.at_work -= 1
        self.ended_at[order.name] = time.monotonic()
        await response.write(_chunk({}, "stop") + b"data: [DONE]\n\n")
        return response


async def _models(_request: web.Request) -> web.Response:
    return web.json_response(_MODELS)


def _chunk(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()


_ANSWER_TO_CHECK: Final = _chunk({"content": "OK"}) + _chunk({}, "stop") + b"data: [DONE]\n\n"
