"""A homeserver that fails on demand: a reverse proxy between the bot and Synapse.

    async with FaultProxy(synapse.url) as proxy:
        bot = await make_bot(homeserver_url=proxy.url)
        proxy.when("POST createRoom", drop_after, times=1)
        proxy.when("PUT rooms/*/send/*", rate_limited(retry_after_ms=2_000), times=3)

A request is called by its method and its endpoint: the path without its prefix and query, `*` in
the place of every id, state key and transaction id. Patterns are those of `fnmatch`.
"""

import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Final, Self, TypeAlias
from urllib.parse import unquote

import aiohttp
import anyio
from aiohttp import web
from yarl import URL

from demo.client import Json

_NO_WRITE: Final = ("POST login", "POST logout", "POST *_msc3575/sync")
_HOP_BY_HOP: Final = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
_JSON: Final = {"Content-Type": "application/json"}
_GOODBYE_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Request:
    """What the bot asked for; `name` is for instance `PUT rooms/*/state/m.space.child/*`."""

    name: str
    room_id: str | None
    body: Json
    """The decoded JSON; empty where there is none."""

    @property
    def is_write(self) -> bool:
        """Whether it may change something that somebody else sees."""
        return not (
            self.name.startswith(("GET ", "OPTIONS "))
            or any(fnmatchcase(self.name, pattern) for pattern in _NO_WRITE)
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bot is answered."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: _JSON)


BAD_GATEWAY: Final = Answer(
    502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", {"Content-Type": "text/html"}
)
"""A page for people, as a proxy shows it whose homeserver is away."""

Forward: TypeAlias = Callable[[], Awaitable[Answer]]
"""Asks Synapse, and answers what it answered."""

Fault: TypeAlias = Callable[[Request, Forward], Awaitable[Answer | None]]
"""What happens to a request; None drops the connection without an answer."""


@dataclass(slots=True)
class Rule:
    """A fault, and the requests that it befalls. `hits` counts those it has befallen."""

    pattern: str
    fault: Fault
    matches: Callable[[Request], bool]
    skip: int
    times: int | None
    hits: int = 0
    hit: anyio.Event = field(default_factory=anyio.Event)
    """Set when it befalls its first request."""

    def takes(self, request: Request) -> bool:
        """Whether it befalls this request; it is counted if so."""
        if self.times == self.hits or not fnmatchcase(request.name, self.pattern):
            return False
        if not self.matches(request):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        self.hit.set()
        return True


class FaultProxy:
    """Passes everything on to a homeserver but what a rule takes; the newest rule comes first.

    `forwarded` is every request that has reached the homeserver, in order. With `tls`, the bot
    has to speak HTTPS to it. With `prefix`, the homeserver is below that path, and nothing else.
    """

    def __init__(
        self, homeserver_url: str, tls: ssl.SSLContext | None = None, prefix: str = ""
    ) -> None:
        self._homeserver_url = homeserver_url
        self._prefix = prefix
        self._tls = tls
        self._rules: list[Rule] = []
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GOODBYE_S)
        self._http: aiohttp.ClientSession | None = None
        self.forwarded: list[Request] = []
        self.strays: list[str] = []
        """The paths of requests outside of the prefix."""
        self.url = ""

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=None)
        self._http = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        scheme = "https" if self._tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._runner.addresses[0][1]}{self._prefix}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()
        if self._http is not None:
            await self._http.close()

    @property
    def writes(self) -> list[Request]:
        """The requests that have reached the homeserver and may have changed something there."""
        return [request for request in self.forwarded if request.is_write]

    def when(
        self,
        pattern: str,
        fault: Fault,
        *,
        skip: int = 0,
        times: int | None = None,
        matches: Callable[[Request], bool] = lambda _: True,
    ) -> Rule:
        """Let a fault befall requests of a name, `times` of them or all, after `skip` others."""
        rule = Rule(pattern, fault, matches, skip, times)
        self._rules.insert(0, rule)
        return rule

    def heal(self) -> None:
        """Forget every rule."""
        self._rules.clear()

    async def _handle(self, incoming: web.Request) -> web.StreamResponse:
        content = await incoming.read()
        if not incoming.raw_path.startswith(self._prefix):
            self.strays.append(incoming.raw_path)
            return web.Response(status=404, text="<html>no such page</html>")
        url = URL(incoming.raw_path.removeprefix(self._prefix), encoded=True)
        request = _request(incoming.method, url, content)

        async def forward() -> Answer:
            self.forwarded.append(request)
            return await self._forward(incoming, content)

        rule = next((rule for rule in self._rules if rule.takes(request)), None)
        answer = await (rule.fault(request, forward) if rule else forward())
        if answer is None:
            if incoming.transport is not None:
                incoming.transport.abort()
            return web.Response()
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    async def _forward(self, incoming: web.Request, content: bytes) -> Answer:
        if self._http is None:
            raise RuntimeError("the proxy is closed")
        path = incoming.raw_path.removeprefix(self._prefix)
        url = URL(f"{self._homeserver_url}{path}", encoded=True)
        headers = _end_to_end(incoming.headers)
        try:
            async with self._http.request(
                incoming.method, url, data=content or None, headers=headers, allow_redirects=False
            ) as response:
                body = await response.read()
                return Answer(response.status, body, _end_to_end(response.headers))
        except aiohttp.ClientError:
            return BAD_GATEWAY


# ---------------------------------------------------------------- what can befall a request


async def drop_before(_request: Request, _forward: Forward) -> None:
    """Break the connection off; the homeserver hears nothing of it."""


async def drop_after(_request: Request, forward: Forward) -> None:
    """Break the connection off once the homeserver has answered."""
    await forward()


async def hang(_request: Request, _forward: Forward) -> None:
    """Never answer; the homeserver hears nothing of it."""
    await anyio.sleep_forever()


def delayed(delay_s: float) -> Fault:
    """Let the request wait before it reaches the homeserver."""

    async def fault(_request: Request, forward: Forward) -> Answer:
        await anyio.sleep(delay_s)
        return await forward()

    return fault


def answering(status: int, body: Mapping[str, object]) -> Fault:
    """Answer in the homeserver's place."""
    answer = Answer(status, json.dumps(body).encode())

    async def fault(_request: Request, _forward: Forward) -> Answer:
        return answer

    return fault


def rate_limited(retry_after_ms: int) -> Fault:
    """429, as Synapse says it."""
    limit = {"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests"}
    return answering(429, {**limit, "retry_after_ms": retry_after_ms})


def refused(status: int = 403, errcode: str = "M_FORBIDDEN") -> Fault:
    """A clear no."""
    return answering(status, {"errcode": errcode, "error": "refused by a test"})


async def bad_gateway(_request: Request, _forward: Forward) -> Answer:
    """Answer with a 502 that is not Matrix."""
    return BAD_GATEWAY


def before(act: Callable[[], Awaitable[object]]) -> Fault:
    """Do something and drop the connection; the homeserver hears nothing of the request."""

    async def fault(_request: Request, _forward: Forward) -> None:
        await act()

    return fault


def after(act: Callable[[], Awaitable[object]]) -> Fault:
    """Do something once the homeserver has answered, and drop the connection."""

    async def fault(_request: Request, forward: Forward) -> None:
        await forward()
        await act()

    return fault


def _request(method: str, url: URL, content: bytes) -> Request:
    parts = [unquote(part) for part in url.raw_path.split("/")]
    if parts[:3] == ["", "_matrix", "client"]:
        parts = parts[4:]
    endpoint = [*parts]
    for at, part in enumerate(parts):
        behind_type = at > 1 and parts[at - 2] in {"state", "send"}
        if part.startswith(("!", "@", "$")) or behind_type:
            endpoint[at] = "*"
    room_id = next((part for part in parts if part.startswith("!")), None)
    return Request(f"{method} {'/'.join(endpoint)}", room_id, _decoded(content))


def _decoded(content: bytes) -> Json:
    try:
        decoded = json.loads(content)
    except ValueError:
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _end_to_end(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}
