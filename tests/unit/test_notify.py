"""What a service manager is told, and when it is told nothing."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from supervisor.lifecycle import State
from supervisor.notify import ServiceManager
from supervisor.watchdog import QUIET_LIMIT_S, is_stuck


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(frozen=True, slots=True)
class Socket:
    address: str
    datagrams: socket.socket

    def heard(self) -> list[list[str]]:
        """The lines of every datagram so far."""
        found: list[list[str]] = []
        while True:
            try:
                found.append(self.datagrams.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return found


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Socket]:
    address = str(tmp_path / "s")
    if request.param == "abstract":
        address = f"@surfaces-bot-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(address.replace("@", "\0", 1) if request.param == "abstract" else address)
        datagrams.settimeout(0)
        yield Socket(address, datagrams)


def test_it_is_ready_when_live_for_the_first_time_and_says_each_state(systemd: Socket) -> None:
    manager = ServiceManager(systemd.address)
    manager.changed(State.HYDRATE, "logged in")
    manager.changed(State.LIVE, "2 changes")
    manager.changed(State.DEGRADED, "")
    manager.changed(State.LIVE, "0 changes")
    manager.stopping("SIGTERM")
    assert systemd.heard() == [
        ["STATUS=hydrate: logged in"],
        ["READY=1", "STATUS=live: 2 changes"],
        ["STATUS=degraded"],
        ["STATUS=live: 0 changes"],
        ["STOPPING=1", "STATUS=stopping: SIGTERM"],
    ]


def test_a_reason_from_outside_cannot_give_orders(systemd: Socket) -> None:
    ServiceManager(systemd.address).changed(State.DEGRADED, "502\nREADY=1\n" + "x" * 9999)
    ((line,),) = systemd.heard()
    assert line.startswith(r"STATUS=degraded: 502\nREADY=1\nxxx")
    assert len(line) < 300


@pytest.mark.anyio
async def test_signs_of_life_are_given_while_there_are_any(systemd: Socket) -> None:
    manager = ServiceManager(systemd.address, watchdog_s=0.03)
    stuck, asked = False, Asked()

    def is_stuck() -> bool:
        asked.again()
        return stuck

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(manager.keep_alive, is_stuck)
        await heard_again(systemd, ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=120000000"])
        manager.changed(State.LIVE, "")
        await heard_again(systemd, ["WATCHDOG=1"])
        stuck = True
        await asked.times(1)
        systemd.heard()
        await asked.times(3)
        assert systemd.heard() == []
        stuck = False
        await heard_again(systemd, ["WATCHDOG=1"])
        tasks.cancel_scope.cancel()


class Asked:
    """Waits until something has been asked so many times more."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def again(self) -> None:
        self._event.set()
        self._event = anyio.Event()

    async def times(self, count: int) -> None:
        with anyio.fail_after(10):
            for _ in range(count):
                await self._event.wait()


async def heard_again(systemd: Socket, lines: list[str]) -> None:
    systemd.heard()
    with anyio.fail_after(10):
        while lines not in systemd.heard():
            await anyio.wait_readable(systemd.datagrams)


@pytest.mark.anyio
async def test_without_a_manager_there_is_nothing_to_do() -> None:
    manager = ServiceManager.from_environment({})
    manager.changed(State.LIVE, "")
    with anyio.fail_after(10):
        await manager.keep_alive(lambda: False)


def test_a_manager_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    ServiceManager(str(tmp_path / "gone")).changed(State.LIVE, "")


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_the_one_that_was_meant_for_us(
    environment: dict[str, str], watchdog_s: float | None
) -> None:
    manager = ServiceManager.from_environment({"NOTIFY_SOCKET": "/run/s", **environment})
    assert (manager.address, manager.watchdog_s) == ("/run/s", watchdog_s)


@pytest.mark.parametrize("state", list(State))
def test_each_state_has_its_patience(state: State) -> None:
    assert not is_stuck(state, QUIET_LIMIT_S[state])
    assert is_stuck(state, QUIET_LIMIT_S[state] + 1)


def test_the_wait_for_the_next_attempt_is_no_silence() -> None:
    patience_s = QUIET_LIMIT_S[State.DEGRADED]
    assert not is_stuck(State.DEGRADED, 1e6, next_attempt_in_s=3600)
    assert not is_stuck(State.DEGRADED, 1e6, next_attempt_in_s=-patience_s)
    assert is_stuck(State.DEGRADED, 1e6, next_attempt_in_s=-patience_s - 1)


def test_a_process_that_stands_by_is_ready_and_says_what_it_waits_for(systemd: Socket) -> None:
    manager = ServiceManager(systemd.address)
    manager.standing_by("process 7 leads")
    manager.standing_by("process 8 leads")
    manager.changed(State.LIVE, "")
    assert systemd.heard() == [
        ["READY=1", "STATUS=standby: process 7 leads"],
        ["STATUS=standby: process 8 leads"],
        ["STATUS=live"],
    ]
