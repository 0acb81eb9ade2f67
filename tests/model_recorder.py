"""A way to a model server that keeps what its client asks."""

import json
from dataclasses import dataclass, field
from typing import Any, Final, Self

import aiohttp
from aiohttp import web

_OWN: Final = ("host", "content-length", "transfer-encoding", "connection")


@dataclass(slots=True)
class ModelRecorder:
    """Forwards every request to the server at `target`, and streams its answer back."""

    target: str
    asked: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of the questions, oldest first."""
    told: dict[str, str] = field(default_factory=dict)
    """The latest answer that was streamed to its end, by the last paragraph of the question."""
    url: str = ""
    _runner: web.AppRunner | None = None
    _http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**27)
        app.router.add_route("*", "/{path:.*}", self._forward)
        self._http = aiohttp.ClientSession()
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        assert self._http is not None
        await self._runner.cleanup()
        await self._http.close()

    def texts(self) -> list[str]:
        """The texts of the latest question's turns, oldest first, without the system's."""
        turns = self.asked[-1]["messages"]
        return [turn["content"] for turn in turns if turn["role"] != "system"]

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        assert self._http is not None
        if request.method == "POST":
            self.asked.append(await request.json())
        headers = {name: it for name, it in request.headers.items() if name.lower() not in _OWN}
        url, data = f"{self.target}{request.path_qs}", await request.read()
        async with self._http.request(request.method, url, data=data, headers=headers) as answer:
            response = web.StreamResponse(status=answer.status)
            response.content_type = answer.content_type
            await response.prepare(request)
            parts = []
            try:
                async for part in answer.content.iter_any():
                    parts.append(part)
                    await response.write(part)
            finally:  # a client may leave with the last word
                if request.method == "POST":
                    self._note(json.loads(data), b"".join(parts))
            return response

    def _note(self, asked: dict[str, Any], streamed: bytes) -> None:
        events = [it.removeprefix(b"data: ") for it in streamed.split(b"\n\n")[:-1]]
        chunks = [json.loads(it) for it in events if it.startswith(b"{")]
        choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
        if any(choice.get("finish_reason") for choice in choices):
            question = str(asked["messages"][-1]["content"]).rpartition("\n\n")[2]
            self.told[question] = "".join(it["delta"].get("content") or "" for it in choices)
