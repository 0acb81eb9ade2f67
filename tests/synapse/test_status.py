"""What the running bot says of itself: page, probes, metrics, command, service manager."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from demo.bot import BotProcess
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, MakeBot, unique
from tests.synapse.home import eventually, move_in
from tests.synapse.program import surfaces_bot

pytestmark = pytest.mark.anyio


@dataclass(frozen=True, slots=True)
class Page:
    """The status server of a bot, as a program sees it."""

    url: str
    http: aiohttp.ClientSession

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.http.get(self.url + path, headers=headers) as answer:
            return answer.status, await answer.text()

    async def status(self) -> dict[str, Any]:
        code, text = await self.get("status.json")
        assert code == 200
        content: dict[str, Any] = json.loads(text)
        return content

    async def wait_for(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a snapshot, as the page does: over server-sent events."""
        with anyio.fail_after(60):
            async with self.http.get(f"{self.url}events") as stream:
                async for line in stream.content:
                    if line.startswith(b"data: ") and holds(seen := json.loads(line[6:])):
                        return dict(seen)
        raise AssertionError("the stream ended")


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as session:
        yield session


async def page_of(bot: BotProcess, http: aiohttp.ClientSession) -> Page:
    event = await bot.wait_for_event("status_page")
    return Page(event["url"], http)


@pytest.mark.parametrize("bind", ["", "127.0.0.1:0", "[::]:0"])
async def test_a_bot_is_healthy_unless_it_is_frozen_or_gone(make_bot: MakeBot, bind: str) -> None:
    bot = await make_bot(STATUS_BIND=bind)
    lock = bot.store / "instance.lock"

    async def is_healthy() -> bool:
        done = await surfaces_bot(bot, "status", "--healthy")
        assert (done.code == 0) == (f"a bot is running on {bot.store}\n" == done.out)
        return done.code == 0

    assert not await is_healthy()
    await bot.start_and_go_live()
    assert await is_healthy()
    os.kill(bot.pid, signal.SIGSTOP)
    os.utime(lock, (1000, 1000))  # as if it had been frozen for long
    assert not await is_healthy()
    os.kill(bot.pid, signal.SIGCONT)
    await eventually(lambda: lock.stat().st_mtime > 1000, "a sign of life")
    assert await is_healthy()
    await bot.kill()
    assert not await is_healthy()


async def test_a_bot_that_waits_for_its_homeserver_is_healthy_and_not_ready(
    make_bot: MakeBot, http: aiohttp.ClientSession
) -> None:
    bot = await make_bot(homeserver_url="http://127.0.0.1:1", STATUS_BIND="127.0.0.1:0")
    bot.start()
    page = await page_of(bot, http)
    await bot.wait_for_state("degraded")
    assert (await page.get("readyz"))[0] == 503
    assert (await surfaces_bot(bot, "status", "--healthy")).code == 0


@pytest.mark.quick
async def test_a_live_bot_says_so_everywhere(
    make_bot: MakeBot, alice: Person, http: aiohttp.ClientSession
) -> None:
    bot = await make_bot(STATUS_BIND="127.0.0.1:0")
    bot.start()
    page = await page_of(bot, http)
    await bot.wait_for_state("live")
    home = await move_in(alice, bot)
    seen = await page.wait_for(lambda seen: seen["rooms"]["ready"] >= 2)
    assert seen["lifecycle"]["state"] == "live"
    assert [step["trigger"] for step in seen["lifecycle"]["steps"]] == [
        "elected",
        "logged_in",
        "hydrated",
        "reconciled",
    ]
    assert (seen["user_id"], seen["pid"]) == (bot.user_id, bot.pid)
    assert seen["reconciled"]["counts"]["changes"] == 0
    assert await page.get("healthz") == (200, '{"alive": true}')
    code, ready = await page.get("readyz")
    assert (code, json.loads(ready)["ready"]) == (200, True)
    await home.ask("hello")
    _, metrics = await page.get("metrics")
    assert 'surfaces_bot_state{state="live"} 1.0' in metrics
    assert 'surfaces_bot_homeserver_requests_total{outcome="ok"}' in metrics
    assert "surfaces_bot_handling_seconds_count" in metrics
    assert await bot.terminate() == 0


async def test_a_page_elsewhere_cannot_read_it_under_another_name(
    make_bot: MakeBot, http: aiohttp.ClientSession
) -> None:
    bot = await make_bot(STATUS_BIND="127.0.0.1:0")
    bot.start()
    page = await page_of(bot, http)
    for host in ("evil.example.org", "127.0.0.1.evil.example.org:80", ""):
        assert (await page.get("status.json", Host=host))[0] == 403
    for host in ("localhost:9999", "127.0.0.1", "[::1]:8484"):
        assert (await page.get("status.json", Host=host))[0] == 200


@pytest.mark.quick
async def test_an_outage_is_seen_from_outside_and_so_is_its_end(
    own_synapse: ThrowawaySynapse, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    user_id = await own_synapse.register(unique("bot"), PASSWORD)
    async with BotProcess(
        homeserver_url=own_synapse.url,
        user_id=user_id,
        password=PASSWORD,
        folder=tmp_path / "bot",
        environment={"STATUS_BIND": "127.0.0.1:0"},
    ) as bot:
        bot.start()
        page = await page_of(bot, http)
        await bot.wait_for_state("live")
        await own_synapse.kill()
        seen = await page.wait_for(lambda seen: seen["lifecycle"]["state"] == "degraded")
        assert seen["lifecycle"]["cause"] == "homeserver_lost"
        seen = await page.wait_for(lambda seen: seen["lifecycle"]["next_attempt_at"] is not None)
        code, ready = await page.get("readyz")
        assert code == 503
        assert seen["lifecycle"]["reason"] in json.loads(ready)["reason"]
        assert (await page.get("healthz"))[0] == 200
        assert 'surfaces_bot_state{state="degraded"} 1.0' in (await page.get("metrics"))[1]
        await own_synapse.start()
        await page.wait_for(lambda seen: seen["lifecycle"]["state"] == "live")
        assert (await page.get("readyz"))[0] == 200


async def test_a_port_that_is_taken_never_stops_the_bot(make_bot: MakeBot) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        bot = await make_bot(STATUS_BIND=f"127.0.0.1:{port}")
        bot.start()
        event = await bot.wait_for_event("status_page_unavailable")
        assert event["bind"] == f"127.0.0.1:{port}"
        await bot.wait_for_state("live")
        assert await bot.terminate() == 0


# --- the command


def told_by(bot: BotProcess, *arguments: str) -> tuple[int, str]:
    """What `status` prints in the bot's folder, with the bot's environment."""
    done = subprocess.run(
        (sys.executable, "-m", "supervisor", "status", *arguments),
        cwd=bot.folder,
        env={"PATH": "", "PYTHONPATH": str(Path.cwd()), **bot.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def test_the_command_asks_the_running_bot(make_bot: MakeBot) -> None:
    bot = await make_bot(STATUS_BIND=f"127.0.0.1:{free_port()}")
    code, text = told_by(bot)
    assert (code, text.splitlines()[0]) == (0, f"no bot is running on {bot.store}")
    assert "no readable row" in text
    await bot.start_and_go_live()
    code, text = told_by(bot)
    assert code == 0
    assert text.startswith("live for ")
    assert bot.user_id in text
    code, text = told_by(bot, "--json")
    answer = json.loads(text)
    assert (code, answer["running"]) == (0, True)
    assert answer["snapshot"]["pid"] == bot.pid
    assert answer["last_transition"]["dst"] == "live"
    assert await bot.terminate() == 0
    code, text = told_by(bot)
    assert code == 0
    assert text.splitlines()[0] == f"no bot is running on {bot.store}"
    assert "stopped" in text
    assert "SIGTERM" in text
    answer = json.loads(told_by(bot, "--json")[1])
    assert (answer["running"], answer["snapshot"]) == (False, None)


async def test_a_bot_without_a_page_is_still_seen_to_run(make_bot: MakeBot) -> None:
    bot = await make_bot(STATUS_BIND="")
    await bot.start_and_go_live()
    code, text = told_by(bot)
    assert code == 0
    first = text.splitlines()[0]
    assert first.startswith(f"a bot is running on {bot.store} (process {bot.pid}), but ")
    assert "STATUS_BIND" in first
    assert json.loads(told_by(bot, "--json")[1])["running"] is True


# --- the service manager


@dataclass(slots=True)
class Manager:
    """In systemd's place: hears what the bot says over its socket."""

    address: str
    heard: list[str] = field(default_factory=list)

    async def wait_for(self, line: str) -> None:
        with anyio.fail_after(60):
            while not any(each.startswith(line) for each in self.heard):
                await anyio.sleep(0.02)


@asynccontextmanager
async def manager(folder: Path) -> AsyncIterator[Manager]:
    made = Manager(str(folder / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(made.address)
        datagrams.settimeout(0)

        async def hear() -> None:
            while True:
                await anyio.wait_readable(datagrams)
                made.heard += datagrams.recv(4096).decode().splitlines()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hear)
            yield made
            tasks.cancel_scope.cancel()


async def test_a_service_manager_hears_of_the_whole_life(make_bot: MakeBot, tmp_path: Path) -> None:
    async with manager(tmp_path) as systemd:
        bot = await make_bot(NOTIFY_SOCKET=systemd.address, WATCHDOG_USEC="600000")
        bot.start()
        await systemd.wait_for("READY=1")
        before = systemd.heard[: systemd.heard.index("READY=1")]
        assert [line for line in before if line.startswith("STATUS=")] == [
            f"STATUS=login: process {bot.pid} holds the instance lock",
            "STATUS=hydrate: logged in by password",
            "STATUS=reconcile: 0 rooms",
        ]
        systemd.heard.clear()
        await systemd.wait_for("WATCHDOG=1")
        assert await bot.terminate() == 0
        assert systemd.heard.index("STOPPING=1") > systemd.heard.index("WATCHDOG=1")
        assert "READY=1" not in systemd.heard
