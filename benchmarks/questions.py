"""Questions to a platform, and the moments at which each of them passes from program to program.

The platform is a server of the Chat Completions API in this process, and a proxy in front of the
homeserver sees the requests. So all moments are on one clock.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from benchmarks.delay import delayed
from benchmarks.people import Listener

_TOKENS: Final = 16
_TOKEN_S: Final = 0.02
"""The time that the platform takes for each token."""
_ANSWER: Final = """

The **sea** is salt because rivers carry *minerals* into it, and only water leaves it again:

1. rain takes `CO2` out of the air and dissolves a little of the rock,
2. rivers bring what is dissolved to the sea,
3. the sun takes the water back, and leaves the salt.

```python
salt_g = 35 * litres
```
"""
_MODELS: Final = {"data": [{"id": "benchmark", "max_model_len": 32_768}]}


class Moment(StrEnum):
    """What is noted of a question, in this order."""

    ARRIVED = "the /sync response with it passes the proxy"
    ASKED = "the request with it has reached the platform"
    SAID = "the platform sends the last token of the answer"
    SENT = "the request with the answer passes the proxy"


@dataclass(slots=True)
class Questions:
    """Asks one question at a time, and notes its moments.

    Programs reach the homeserver at `url`, and the platform with `environment`.
    """

    url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    at: dict[Moment, float] = field(default_factory=dict, init=False)
    """The moments of the present question."""
    _question: bytes = field(default=b"", init=False)

    async def ask(self, listener: Listener, question: str) -> dict[str, float]:
        """Ask in a person's first chat; return what the program adds to the platform's time."""
        self.expect(question)
        await listener.ask(listener.rooms.chats[0], question)
        return seconds_between(self.at)

    def expect(self, question: str) -> None:
        """Note the moments of this question from now on. Its text must be ASCII, and unique."""
        self._question = question.encode()
        self.at.clear()

    def note(self, moment: Moment, seen: bytes) -> None:
        """Note the first time at which the question is seen in this place."""
        if self._question in seen:
            self.at.setdefault(moment, time.perf_counter())

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for a completion, token by token."""
        body = await request.read()
        self.note(Moment.ASKED, body)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        question = str(msgspec.json.decode(body)["messages"][-1]["content"])
        *tokens, last = tokens_of(f"{question}{_ANSWER}")
        for token in tokens:
            await response.write(_event(token))
            await asyncio.sleep(_TOKEN_S)
        self.note(Moment.SAID, question.encode())
        await response.write(_event(last))
        await response.write(_event("", "stop"))
        await response.write(b"data: [DONE]\n\n")
        return response


def seconds_between(at: Mapping[Moment, float]) -> dict[str, float]:
    """What a program adds before and after the platform's work, in seconds."""
    return {
        "to_platform_s": at[Moment.ASKED] - at[Moment.ARRIVED],
        "to_message_s": at[Moment.SENT] - at[Moment.SAID],
    }


def tokens_of(answer: str) -> list[str]:
    """An answer in pieces of about the same length."""
    size = -(-len(answer) // _TOKENS)
    return [answer[start : start + size] for start in range(0, len(answer), size)]


@asynccontextmanager
async def questions(url: str) -> AsyncIterator[Questions]:
    """Start the platform, and the proxy in front of the homeserver at `url`."""
    asking = Questions()
    app = web.Application()
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/chat/completions", asking.complete)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with delayed(
            url,
            0,
            to_server=partial(asking.note, Moment.SENT),
            to_client=partial(asking.note, Moment.ARRIVED),
        ) as asking.url:
            asking.environment = {
                "BOT_PLATFORM": "openai",
                "OPENAI_BASE_URL": f"http://127.0.0.1:{runner.addresses[0][1]}/v1",
            }
            yield asking
    finally:
        await runner.cleanup()


async def _models(request: web.Request) -> web.Response:
    del request
    return web.json_response(_MODELS)


def _event(token: str, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": token}, "finish_reason": finish_reason}
    return b"data: " + msgspec.json.encode({"choices": [choice]}) + b"\n\n"
