"""The requests that send messages, edits and redactions, over real sockets."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import anyio
import pytest
from aiohttp import web

from actors.model import EventId, OutboundKind, OutboundMessage, RoomId, UserId
from actors.port_errors import HomeserverRefused, RateLimited
from adapter.matrix.gateway import Gateway

pytestmark = pytest.mark.anyio

ROOM, ANCHOR = RoomId("!room"), EventId("$anchor")
SENDING: Final = "/_matrix/client/v3/rooms/!room/send/m.room.message/"
LIVE: Final = OutboundMessage(
    "$q.0~boot.1", ROOM, "half of it", kind=OutboundKind.LIVE, edits="$q.0", target=ANCHOR
)
FINAL: Final = replace(LIVE, txn_id="$q.0.final", body="all of it", kind=OutboundKind.FINAL)
LIMITED: Final = {"errcode": "M_LIMIT_EXCEEDED", "error": "slow", "retry_after_ms": 8_000}
LARGE: Final = {"errcode": "M_TOO_LARGE", "error": "event too large"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Server:
    """A homeserver that refuses as planned, and takes everything else."""

    def __init__(self, *refusals: tuple[int, object]) -> None:
        self.refusals = list(refusals)
        self.paths: list[str] = []
        self.bodies: list[dict[str, object]] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.paths.append(f"{request.method} {request.path}")
        if request.method != "GET":
            self.bodies.append(json.loads(await request.read()))
        status, body = self.refusals.pop(0) if self.refusals else (200, {"event_id": "$sent"})
        return web.json_response(body, status=status)

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Gateway]:
        runner = web.ServerRunner(web.Server(self.handle))
        await runner.setup()
        try:
            await (site := web.TCPSite(runner, "127.0.0.1", 0)).start()
            gateway = Gateway(site.name, UserId("@bot:x"), access_token="t")
            gateway._http.resume(gateway.me, "SURFACESBOT", "t")
            try:
                yield gateway
            finally:
                await gateway.close()
        finally:
            await runner.cleanup()

    async def send(self, message: OutboundMessage) -> EventId:
        async with self.gateway() as gateway:
            return await gateway.send(message)


@pytest.mark.parametrize("message", [LIVE, FINAL])
async def test_an_edit_is_a_message_under_its_own_transaction_id(message: OutboundMessage) -> None:
    server = Server()
    assert await server.send(message) == "$sent"
    assert server.paths == [f"PUT {SENDING}{message.txn_id}"]
    assert server.bodies[0]["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$anchor"}


async def test_a_redaction_names_its_target_and_its_transaction_id() -> None:
    server = Server()
    redaction = OutboundMessage(
        "$q.0.redact", ROOM, "", kind=OutboundKind.REDACTION, edits="$q.0", target=ANCHOR
    )
    assert await server.send(redaction) == "$sent"
    assert server.paths == ["PUT /_matrix/client/v3/rooms/!room/redact/$anchor/$q.0.redact"]
    assert server.bodies == [{}]


@pytest.mark.parametrize("kind", [OutboundKind.LIVE, OutboundKind.REDACTION])
async def test_what_changes_nothing_is_not_sent(kind: OutboundKind) -> None:
    server = Server()
    with pytest.raises(ValueError, match="needs a target"):
        await server.send(replace(LIVE, kind=kind, target=None))
    assert server.paths == []


async def test_a_live_edit_is_refused_at_once_and_does_not_wait_for_others() -> None:
    server = Server((429, LIMITED), (429, LIMITED))
    async with server.gateway() as gateway:
        with pytest.raises(RateLimited):
            await gateway.set_name(ROOM, "name")
        with anyio.fail_after(3):
            with pytest.raises(RateLimited):
                await gateway.send(LIVE)
            assert await gateway.send(LIVE) == "$sent"


async def test_a_live_edit_of_what_is_gone_is_refused_and_a_final_becomes_a_message() -> None:
    gone = 400, {"errcode": "M_UNKNOWN", "error": "Can't send relation to unknown event"}
    with pytest.raises(HomeserverRefused):
        await Server(gone).send(LIVE)
    server = Server(gone, (404, {"errcode": "M_NOT_FOUND", "error": "Event not found."}))
    assert await server.send(FINAL) == "$sent"
    looked = server.paths.pop(1)
    assert looked.startswith("GET ")
    assert looked.endswith("/event/$anchor")
    assert [path.removeprefix(f"PUT {SENDING}") for path in server.paths] == ["$q.0.final"] * 2
    assert "m.new_content" not in server.bodies[1]
    assert server.bodies[1]["body"] == "all of it"


@pytest.mark.parametrize("message", [LIVE, FINAL])
async def test_an_edit_that_is_too_large_goes_without_html_and_then_cut(
    message: OutboundMessage,
) -> None:
    server = Server((413, LARGE), (413, LARGE))
    long = replace(message, body="word " * 2_000, html="<p>word</p>")
    assert await server.send(long) == "$sent"
    inside = [body["m.new_content"] for body in server.bodies]
    assert all(isinstance(it, dict) for it in inside)
    assert [len(it["body"]) > 5_000 for it in inside if isinstance(it, dict)] == [True, True, False]
    assert ["formatted_body" in it for it in inside if isinstance(it, dict)] == [True, False, False]
    assert {body["m.relates_to"]["event_id"] for body in server.bodies} == {"$anchor"}  # type: ignore[index]
