"""One request, and what can stand between us and the homeserver, over real sockets."""

import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest
from aiohttp import web

from actors.model import EventId, OutboundMessage, RoomId, UserId
from actors.port_errors import HomeserverRefused, HomeserverUnavailable, RequestNotSent
from adapter.matrix.connection import path_to
from adapter.matrix.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

TOKEN: Final = "syt_secret"

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def gateway_behind(handler: Handler) -> "AsyncIterator[Gateway]":
    """A gateway with a token whose homeserver is this handler."""
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    try:
        await (site := web.TCPSite(runner, "127.0.0.1", 0)).start()
        gateway = Gateway(site.name, UserId("@bot:example.org"), access_token=TOKEN)
        gateway._http.resume(gateway.me, "SURFACESBOT", TOKEN)
        yield gateway
        await gateway.close()
    finally:
        await runner.cleanup()


def always(**answer: object) -> Handler:
    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(**answer)  # type: ignore[arg-type]

    return handle


async def broken_off(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"{")
    assert request.transport is not None
    request.transport.close()
    return response


async def hung_up(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def elsewhere(request: web.BaseRequest) -> web.StreamResponse:
    if request.path == "/there":
        return web.Response(text='{"joined_rooms": []}')
    return web.Response(status=302, headers={"Location": "/there"})


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (always(text="<html>Bad Gateway</html>", status=502), "502 from a proxy (not Matrix)"),
        (always(text="<html>Welcome</html>"), "200 from a proxy (not Matrix)"),
        (always(text='{"joined_rooms": 7}'), "200 with an answer that is not Matrix: "),
        (always(text='{"joined_rooms": ['), "200 with an answer that is not Matrix: "),
        (always(text="[]"), "200 with an answer that is not Matrix: "),
        (broken_off, "the answer broke off"),
        (hung_up, "the connection was closed without an answer"),
        (elsewhere, "redirected: is MATRIX_HOMESERVER http://127.0.0.1:"),
    ],
    ids=["502", "html", "number", "cut short", "list", "broken off", "hung up", "redirect"],
)
async def test_what_is_no_homeserver_is_unavailable_and_says_why(
    handler: Handler, reason: str
) -> None:
    async with gateway_behind(handler) as gateway:
        with pytest.raises(HomeserverUnavailable) as error:
            await gateway.joined_rooms()
        assert str(error.value).startswith(reason)
        assert TOKEN not in str(error.value)


async def test_the_token_travels_in_a_header_and_every_part_is_encoded() -> None:
    seen: list[web.BaseRequest] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request)
        return web.Response(text='{"event_id": "$sent"}')

    async with gateway_behind(handle) as gateway:
        message = OutboundMessage("a/b?c#d", RoomId("!room/../x:example.org"), "hello")
        assert await gateway.send(message) == "$sent"
    (request,) = seen
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in str(request.rel_url)
    assert request.rel_url.raw_parts[5:] == (
        "!room%2F..%2Fx:example.org",
        "send",
        "m.room.message",
        "a%2Fb%3Fc%23d",
    )


REFUSED_RELATION: Final = (
    '{"errcode": "M_UNKNOWN", "error": "Cannot start threads from a relation"}'
)
IN_THREAD: Final = OutboundMessage(
    "t1", RoomId("!room:x"), "hello", thread=EventId("$root"), reply_to=EventId("$asked")
)


async def test_a_message_that_its_thread_does_not_take_is_sent_outside_of_it() -> None:
    seen: list[tuple[str, bool]] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        content = json.loads(await request.read())
        related = "m.relates_to" in content
        seen.append((request.path, related))
        if related:
            return web.Response(status=400, text=REFUSED_RELATION)
        return web.Response(text='{"event_id": "$sent"}')

    async with gateway_behind(handle) as gateway:
        assert await gateway.send(IN_THREAD) == "$sent"
    assert [related for _, related in seen] == [True, False]
    assert len({path for path, _ in seen}) == 1


@pytest.mark.parametrize(
    ("message", "status", "requests"),
    [
        (IN_THREAD, 400, 2),
        (IN_THREAD, 404, 2),
        (IN_THREAD, 403, 1),
        (IN_THREAD, 413, 1),
        (replace(IN_THREAD, thread=None), 400, 2),
        (replace(IN_THREAD, thread=None, reply_to=None), 400, 1),
    ],
)
async def test_a_refusal_that_is_not_about_the_relation_stays_one(
    message: OutboundMessage, status: int, requests: int
) -> None:
    count = 0

    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        nonlocal count
        count += 1
        return web.Response(status=status, text=REFUSED_RELATION)

    async with gateway_behind(handle) as gateway:
        with pytest.raises(HomeserverRefused):
            await gateway.send(message)
    assert count == requests


async def test_nothing_is_retried_behind_our_back() -> None:
    count = 0

    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        nonlocal count
        count += 1
        return web.Response(status=503, text="{}")

    async with gateway_behind(handle) as gateway:
        with pytest.raises(HomeserverUnavailable):
            await gateway.log_in()
    assert count == 1


def test_a_path_has_its_query_encoded() -> None:
    path = path_to("sync", since="s1&x", timeout=0)
    assert path == "/_matrix/client/v3/sync?since=s1%26x&timeout=0"


async def test_once_the_lead_is_over_only_reading_requests_are_sent() -> None:
    seen: list[str] = []

    async def note(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.method)
        return web.Response(text='{"joined_rooms": []}')

    async with gateway_behind(note) as gateway:
        gateway._http._remaining_s = lambda: 0.0
        assert await gateway.joined_rooms() == frozenset()
        with pytest.raises(RequestNotSent):
            await gateway.set_typing(RoomId("!r:example.org"), typing=True)
        assert seen == ["GET"]
        gateway._http._remaining_s = lambda: 0.1
        await gateway.set_typing(RoomId("!r:example.org"), typing=True)
        assert seen == ["GET", "PUT"]
