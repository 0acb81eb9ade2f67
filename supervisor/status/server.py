"""The status server: read-only HTTP for people, probes, metrics and the `status` command."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from ipaddress import ip_address
from typing import Final, Protocol
from urllib.parse import urlsplit

import anyio
import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from actors.bounds import Bounds
from supervisor.settings import Bind
from supervisor.status.snapshot import Snapshot, encode

_log = structlog.get_logger()

_SHUTDOWN_S: Final = 1.0
_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_PAGE: Final = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/pictures.js": ("pictures.js", "text/javascript"),
    "/words.js": ("words.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""The page loads nothing from other hosts, runs only its own scripts, and parses no text as markup.
"""


class Observed(Protocol):
    """What the server reads from the bot. No method raises, and each returns within seconds."""

    async def snapshot(self) -> Snapshot:
        """The bot's status, at most a second old."""
        ...

    def readiness(self) -> tuple[bool, str]:
        """Whether it serves people, and in a sentence why not."""
        ...

    async def metrics(self) -> bytes:
        """Prometheus' text."""
        ...


@asynccontextmanager
async def status_server(
    bind: Bind, observed: Observed, bounds: Bounds = Bounds()
) -> AsyncIterator[str | None]:
    """Serve while the context is open. Yields the URL, or None if the address is unavailable.

    An unavailable address is logged, and the bot runs without the page.
    """
    closing = anyio.Event()
    runner = web.AppRunner(
        application(observed, bind, closing, bounds),
        access_log=None,
        shutdown_timeout=_SHUTDOWN_S,
    )
    await runner.setup()
    try:
        yield await _listen(runner, bind)
    finally:
        closing.set()
        with anyio.CancelScope(shield=True):
            await runner.cleanup()


async def _listen(runner: web.AppRunner, bind: Bind) -> str | None:
    site = web.TCPSite(runner, bind.host, bind.port)
    try:
        await site.start()
    except OSError as error:
        reason = error.strerror or str(error)
        _log.warning("status_page_unavailable", bind=f"{bind.host}:{bind.port}", reason=reason)
        return None
    host, port = runner.addresses[0][:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    _log.info("status_page", url=url)
    if not _is_loopback(bind.host):
        reason = "every host that reaches this address can read the page"
        _log.warning("status_page_open", url=url, reason=reason)
    return url


def application(
    observed: Observed, bind: Bind, closing: anyio.Event, bounds: Bounds
) -> web.Application:
    """All routes, with the host check and the security headers on each of them."""
    app = web.Application(middlewares=[_host_checked(bind), _hardened])
    for path, (name, content_type) in _PAGE.items():
        app.router.add_get(path, _file(name, content_type))
    app.router.add_get("/status.json", _status(observed))
    app.router.add_get("/events", _Events(observed, closing, bounds).stream, allow_head=False)
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz(observed))
    app.router.add_get("/metrics", _metrics(observed))
    return app


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _host_checked(bind: Bind) -> Middleware:
    """Refuse requests with a foreign Host header, against DNS rebinding.

    A foreign web page can make its own name resolve to the bot's address, but its requests carry
    that name as Host. Every port is accepted, so that tunnels work. A bot that is bound to a
    public address does not know all its names: it also accepts IP addresses and names without a
    dot, which public DNS cannot point elsewhere.
    """
    names = {"localhost", "127.0.0.1", "::1", bind.host.lower(), socket.gethostname().lower()}
    loopback = _is_loopback(bind.host)

    @web.middleware
    async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = _name_in(request.headers.get("Host", "")) or ""
        if name not in names and (loopback or not _is_local(name)):
            raise web.HTTPForbidden(text="The status page does not accept this host name.\n")
        return await handler(request)

    return checked


def _is_local(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return bool(name) and "." not in name


def _name_in(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


@web.middleware
async def _hardened(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as refusal:
        refusal.headers.update(HEADERS)
        raise
    if not response.prepared:
        response.headers.update(HEADERS)
    return response


def _file(name: str, content_type: str) -> Handler:
    content = (files(__package__) / "page" / name).read_bytes()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=content, content_type=content_type, charset="utf-8")

    return answer


def _status(observed: Observed) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        body = encode(await observed.snapshot())
        return web.Response(body=body, content_type="application/json")

    return answer


async def _healthz(_: web.Request) -> web.Response:
    """Answer that the process is alive. The answer does not depend on the bot's state."""
    return web.json_response({"alive": True})


def _readyz(observed: Observed) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        ready, reason = observed.readiness()
        body = msgspec.json.encode({"ready": ready, "reason": reason})
        status = 200 if ready else 503
        return web.Response(status=status, body=body, content_type="application/json")

    return answer


def _metrics(observed: Observed) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=await observed.metrics(), headers={"Content-Type": _METRICS_TYPE})

    return answer


class _Events:
    """Server-sent events: a snapshot at once, then another after each change."""

    def __init__(self, observed: Observed, closing: anyio.Event, bounds: Bounds) -> None:
        self._observed = observed
        self._closing = closing
        self._bounds = bounds
        self._listeners = 0

    async def stream(self, request: web.Request) -> web.StreamResponse:
        if self._listeners >= self._bounds.page_listeners:
            raise web.HTTPServiceUnavailable(text="Too many status pages are open.\n")
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        self._listeners += 1
        try:
            await self._feed(response)
        except ConnectionError:  # the page was closed
            pass
        finally:
            self._listeners -= 1
        return response

    async def _feed(self, response: web.StreamResponse) -> None:
        sent: Snapshot | None = None
        sent_at = 0.0
        while True:
            seen = await self._observed.snapshot()
            if sent is None or not seen.equals_except_time(sent):
                await response.write(b"data: " + encode(seen) + b"\n\n")
                sent, sent_at = seen, anyio.current_time()
            elif anyio.current_time() - sent_at >= self._bounds.page_alive_s:
                await response.write(b"event: alive\ndata\n\n")
                sent_at = anyio.current_time()
            if self._closing.is_set():
                return
            with anyio.move_on_after(self._bounds.page_sample_s):
                await self._closing.wait()
