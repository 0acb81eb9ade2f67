"""A receiver of webhooks on a port of this machine. Questions choose what it does."""

import base64
import hmac
import json
from dataclasses import dataclass, field
from typing import Any, Final, Self

import anyio
from aiohttp import web

SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(slots=True)
class Receiver:
    """Answers `Hello` to everything, but for the questions `slow`, `cut` and those in `answers`.

    `form` is the way in which it answers: `json`, `ndjson` or `events`.
    """

    form: str = "json"
    answers: dict[str, web.Response] = field(default_factory=dict)
    """The responses to questions and to events, by the text or the type."""
    once: dict[str, web.Response] = field(default_factory=dict)
    """The responses that come only the first time."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    at_work: int = 0
    url: str = ""
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**27)
        app.router.add_post("/ask", self._take)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/ask"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw)
        self.asked.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        verify(SECRET, self.headers[-1], raw)
        self.at_work += 1
        try:
            return await self._answer(request, body)
        finally:
            self.at_work -= 1

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        text = body.get("question", "")
        key = text if body["type"] == "ask" else body["type"]
        prepared = self.once.pop(key, None) or self.answers.get(key)
        if prepared is not None:
            return prepared
        if body["type"] != "ask":
            return web.Response(status=204)
        if self.form == "json" and text not in {"slow", "cut"}:
            return web.json_response({"text": f"You said: {text or 'nothing'}"})
        return await self._stream(request, text)

    async def _stream(self, request: web.Request, text: str) -> web.StreamResponse:
        kind = {"events": "text/event-stream", "json": "application/json"}
        response = web.StreamResponse()
        response.content_type = kind.get(self.form, "application/x-ndjson")
        await response.prepare(request)
        await response.write(b'{"text": "You' if self.form == "json" else self._line(text="You"))
        if text == "slow":
            await anyio.sleep_forever()
        if text != "cut":
            await response.write(self._line(text=f" said: {text or 'nothing'}"))
            await response.write(self._line(done=True))
        elif request.transport is not None:
            request.transport.close()
        return response

    def _line(self, **piece: object) -> bytes:
        line = json.dumps(piece)
        return f"data: {line}\n\n".encode() if self.form == "events" else f"{line}\n".encode()


def verify(secret: str, headers: dict[str, str], body: bytes) -> None:
    """What the specification tells a receiver to do; not the bot's own code."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed, "sha256").digest()).decode()
    given = [each.partition(",") for each in headers["webhook-signature"].split(" ")]
    if not any(version == "v1" and value == wanted for version, _, value in given):
        raise web.HTTPUnauthorized
