"""The status server as HTTP: what it serves, to whom, and what it forbids."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import anyio
import msgspec
import pytest
from structlog.testing import capture_logs

from actors.bounds import Bounds
from supervisor.settings import Bind
from supervisor.status import server
from supervisor.status.asking import ask, url_of
from supervisor.status.not_a_snapshot import NotASnapshot
from supervisor.status.server import status_server
from supervisor.status.snapshot import Snapshot, decode, encode
from tests.browser.stage import Puppet, degraded, live, on_stage

pytestmark = pytest.mark.anyio

PAGE = Path(server.__file__).parent / "page"
PATHS = ["", "page.css", "page.js", "status.json", "readyz", "healthz", "metrics"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as session:
        yield session


@asynccontextmanager
async def bound_to(host: str) -> AsyncIterator[str]:
    async with status_server(Bind(host, 0), Puppet()) as url:
        assert url is not None
        yield url


async def test_every_file_of_the_page_is_served(http: aiohttp.ClientSession) -> None:
    async with on_stage() as puppet:
        for file in PAGE.iterdir():
            path = "" if file.name == "index.html" else file.name
            async with http.get(puppet.url + path) as answer:
                assert await answer.read() == file.read_bytes()


@pytest.mark.parametrize("path", [*PATHS, "no-such-page"])
async def test_every_answer_forbids_what_is_not_needed(
    path: str, http: aiohttp.ClientSession
) -> None:
    async with on_stage() as puppet, http.get(puppet.url + path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["", "status.json", "events"])
async def test_it_can_only_be_read(path: str, method: str, http: aiohttp.ClientSession) -> None:
    async with on_stage() as puppet, http.request(method, puppet.url + path) as answer:
        assert answer.status == 405


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("127.0.0.1:8484", 200),
        ("[::1]:8484", 200),
        ("evil.example.org", 403),
        ("localhost.evil.example.org", 403),
        ("127.0.0.1.evil.example.org", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
@pytest.mark.parametrize("path", ["", "status.json", "events", "metrics", "healthz"])
async def test_on_loopback_only_local_names_are_answered(
    path: str, host: str, code: int, http: aiohttp.ClientSession
) -> None:
    async with (
        on_stage() as puppet,
        http.get(puppet.url + path, headers={"Host": host}) as answer,
    ):
        assert answer.status == code


async def test_the_address_it_was_bound_to_is_a_local_name(http: aiohttp.ClientSession) -> None:
    async with bound_to("127.0.0.2") as url, http.get(f"{url}status.json") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1:8484", 200),
        ("192.0.2.7", 200),
        ("[2001:db8::1]:8484", 200),
        ("surfaces-bot:8484", 200),
        (socket.gethostname(), 200),
        ("evil.example.org", 403),
        ("127.0.0.1.evil.example.org", 403),
        ("", 403),
    ],
)
async def test_bound_to_the_world_it_answers_to_what_cannot_be_made_to_resolve_elsewhere(
    host: str, code: int, http: aiohttp.ClientSession
) -> None:
    with capture_logs() as logs:
        async with bound_to("0.0.0.0") as url:  # noqa: S104 - that is the point
            there = url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
            async with http.get(f"{there}status.json", headers={"Host": host}) as answer:
                assert answer.status == code
    assert "status_page_open" in [event["event"] for event in logs]


async def test_a_taken_port_is_said_and_costs_only_the_page() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, capture_logs() as logs:
        bind = Bind("127.0.0.1", taken.getsockname()[1])
        async with status_server(bind, Puppet()) as url:
            assert url is None
    (event,) = logs
    assert (event["event"], event["log_level"]) == ("status_page_unavailable", "warning")
    assert "in use" in event["reason"]


async def test_readiness_is_503_with_the_reason_unless_live(http: aiohttp.ClientSession) -> None:
    async with on_stage() as puppet:
        async with http.get(f"{puppet.url}readyz") as answer:
            assert (answer.status, (await answer.json())["ready"]) == (200, True)
        puppet.says = degraded()
        async with http.get(f"{puppet.url}readyz") as answer:
            body = {"ready": False, "reason": "connection refused"}
            assert (answer.status, await answer.json()) == (503, body)
        async with http.get(f"{puppet.url}healthz") as answer:
            assert answer.status == 200


async def test_a_change_is_told_and_the_end_ends_the_stream(http: aiohttp.ClientSession) -> None:
    async with on_stage() as puppet:
        stream = await http.get(f"{puppet.url}events")
        assert stream.content_type == "text/event-stream"
        assert (await next_snapshot(stream)).lifecycle.state == "live"
        puppet.says = degraded()
        assert (await next_snapshot(stream)).lifecycle.state == "degraded"
    assert await stream.content.read() == b""
    stream.release()


async def test_nothing_is_told_while_nothing_changes_but_that_the_bot_is_there(
    http: aiohttp.ClientSession,
) -> None:
    bounds = replace(Bounds(), page_alive_s=0.1, page_sample_s=0.05)
    async with on_stage(bounds=bounds) as puppet:
        stream = await http.get(f"{puppet.url}events")
        await next_snapshot(stream)
        with anyio.fail_after(30):
            assert await stream.content.readuntil(b"\n\n") == b"event: alive\ndata\n\n"
        stream.close()


async def test_too_many_listeners_are_told_to_come_back(
    http: aiohttp.ClientSession,
) -> None:
    bounds = replace(Bounds(), page_listeners=1, page_alive_s=0.05, page_sample_s=0.05)
    async with on_stage(bounds=bounds) as puppet:
        first = await http.get(f"{puppet.url}events")
        async with http.get(f"{puppet.url}events") as second:
            assert second.status == 503
        first.close()
        with anyio.fail_after(30):
            while (again := await http.get(f"{puppet.url}events")).status != 200:
                again.release()
                await anyio.sleep(0.02)
        again.close()


async def next_snapshot(stream: aiohttp.ClientResponse) -> Snapshot:
    with anyio.fail_after(30):
        event = await stream.content.readuntil(b"\n\n")
    assert event.startswith(b"data: ")
    return decode(event[6:])


# --- asking


async def test_what_the_bot_says_is_what_is_heard() -> None:
    async with on_stage() as puppet:
        _, _, port = puppet.url.strip("/").rpartition(":")
        heard = await anyio.to_thread.run_sync(ask, Bind("0.0.0.0", int(port)))  # noqa: S104
        assert heard is not None
        assert heard.equals_except_time(puppet.says)


async def test_where_nothing_listens_nothing_is_heard() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert await anyio.to_thread.run_sync(ask, Bind("127.0.0.1", port)) is None


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<p>",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"220 mail.example.org ESMTP\r\n",
    ],
    ids=["other json", "html", "other server", "other protocol"],
)
async def test_something_else_at_the_address_is_told_apart(answer: bytes) -> None:
    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(answer)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - not Django's
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        with pytest.raises(NotASnapshot):
            await anyio.to_thread.run_sync(ask, Bind("127.0.0.1", port))
        tasks.cancel_scope.cancel()


def test_a_snapshot_of_another_program_is_none_of_ours() -> None:
    with pytest.raises(NotASnapshot, match="other"):
        decode(encode(live()).replace(b'"program":"surfaces-bot"', b'"program":"other"'))


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        (Bind("127.0.0.1", 8484), "http://127.0.0.1:8484/"),
        (Bind("0.0.0.0", 80), "http://127.0.0.1:80/"),  # noqa: S104
        (Bind("::", 80), "http://[::1]:80/"),
        (Bind("bot.local", 80), "http://bot.local:80/"),
    ],
)
def test_the_page_is_named_for_who_sits_at_the_machine(bind: Bind, url: str) -> None:
    assert url_of(bind) == url


def test_the_page_of_a_running_release_0_1_is_understood() -> None:
    snapshot = live()
    page = msgspec.json.decode(encode(snapshot))
    for step in page["lifecycle"]["steps"]:
        del step["machine"]
    assert decode(msgspec.json.encode(page)) == snapshot
