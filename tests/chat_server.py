"""A server of the Chat Completions API on a port of this machine, scripted by a test."""

import json
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import anyio
from aiohttp import web

STREAM: Final = "text/event-stream"
DONE: Final = b"data: [DONE]\n\n"


def event(**chunk: object) -> bytes:
    """A chunk as an event of a stream."""
    return f"data: {json.dumps(chunk)}\n\n".encode()


def said(content: object, finish_reason: object = None, **delta: object) -> bytes:
    """An event with a piece of an answer."""
    delta = {"content": content, **delta}
    return event(choices=[{"index": 0, "delta": delta, "finish_reason": finish_reason}])


def stopped(reason: object = "stop") -> bytes:
    """The event that ends an answer."""
    return event(choices=[{"index": 0, "delta": {}, "finish_reason": reason}])


HELLO: Final = (said("Hel"), said("lo"), stopped(), DONE)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server sends: bytes in pieces.

    If `breaks`, the connection breaks behind them. If `hangs`, the answer never ends; without a
    piece, it never begins. `pause_s` follows each piece.
    """

    pieces: Sequence[bytes] = HELLO
    status: int = 200
    content_type: str = STREAM
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks: bool = False
    hangs: bool = False
    compressed: bool = False
    pause_s: float = 0.0


def refusal(status: int, body: object, **headers: str) -> Reply:
    """A refusal in JSON."""
    name = {key.replace("_", "-"): value for key, value in headers.items()}
    return Reply((json.dumps(body).encode(),), status, "application/json", name)


def page(status: int, text: str = "<html><h1>Hello</h1></html>") -> Reply:
    """A web page."""
    return Reply((text.encode(),), status, "text/html")


MODELS: Final = {"data": [{"id": "model-1", "meta": {"n_ctx": 8000}}]}


@dataclass(slots=True)
class ChatServer:
    """Gives the scripted replies in their order, then always `usual`.

    The question `slow` is answered without end, and the question `cut` is not answered whole. Paths
    other than that of completions have their answers in `others`. The API is under `prefix`.
    """

    usual: Reply = Reply()
    prefix: str = "/v1"
    others: dict[str, Reply] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    script: deque[Reply] = field(default_factory=deque)
    asked: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    at_work: int = 0
    port: int = 0
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The address of the server, without the path of the API."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**27)
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.others.setdefault(f"{self.prefix}/models", refusal(200, MODELS))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if request.path != f"{self.prefix}/chat/completions":
            await request.read()
            missing = refusal(404, {"error": {"message": "File Not Found", "code": 404}})
            return await self._send(request, self.others.get(request.path, missing))
        self.asked.append(await request.json())
        self.at_work += 1
        try:
            return await self._send(request, self._reply(self.asked[-1]))
        finally:
            self.at_work -= 1

    def _reply(self, body: dict[str, Any]) -> Reply:
        question = body["messages"][-1]["content"]
        if question == "slow":
            return Reply((said("Hello"),), hangs=True)
        if question == "cut":
            return Reply((said("Hello"),), breaks=True)
        return self.script.popleft() if self.script else self.usual

    async def _send(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if reply.hangs and not reply.pieces:
            await anyio.sleep_forever()
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        response.content_type = reply.content_type
        if reply.compressed:
            response.enable_compression(web.ContentCoding.gzip)
        await response.prepare(request)
        for piece in reply.pieces:
            await response.write(piece)
            await anyio.sleep(reply.pause_s)
        if reply.hangs:
            await anyio.sleep_forever()
        if reply.breaks and request.transport is not None:
            request.transport.abort()
        return response
