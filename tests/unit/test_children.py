"""A process for each account: what follows when one of them ends, and when the parent does."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random

from actors.bounds import Bounds
from actors.runtime.restart import Backoff
from supervisor.app.children import Child
from tests.postgres import is_alive

PROGRAM = Path(__file__).with_name("parent_program.py")
RANDOM = Random(1)  # noqa: S311
STEADY = replace(Bounds(), probe=Backoff(base_s=1.0, cap_s=60.0, floor_s=60.0))
"""Every pause is a minute."""


class Started:
    """A parent, its log and its folder."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, log: Path) -> None:
        self.process = process
        self.folder = folder
        self._log = log

    def events(self, name: str, account: str = "") -> list[dict[str, object]]:
        lines = self._log.read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [
            it
            for it in found
            if it["event"] == name and (not account or it.get("account") == account)
        ]

    def pids(self, account: str) -> list[int]:
        return [int(str(it["pid"])) for it in self.events("account_started", account)]

    def wait_for(self, *names: str) -> None:
        """Wait until these processes run, and the log says so."""
        until(lambda: all((self.folder / f"{name}.running").exists() for name in names))
        until(lambda: all(self.pids(name) for name in names))

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(20)


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def parent(folder: Path, *names: str, notify: str = "") -> Iterator[Started]:
    log = folder / "log"
    environment = {**os.environ, "NOTIFY_SOCKET": notify}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, PROGRAM, folder, *names],
            stderr=output,
            env=environment,
            cwd=PROGRAM.parents[2],
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Started(process, folder, log)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_a_stop_is_passed_on_to_all_and_ends_with_0(tmp_path: Path) -> None:
    with parent(tmp_path, "steady", "other") as started:
        started.wait_for("steady", "other")
        assert started.stop() == 0
        assert [it["code"] for it in started.events("account_ended")] == [0, 0]
        assert (tmp_path / "steady.stopped").exists()


def test_a_process_that_dies_is_started_again_and_the_others_go_on(tmp_path: Path) -> None:
    with parent(tmp_path, "steady", "other") as started:
        started.wait_for("steady", "other")
        (first,) = started.pids("other")
        os.kill(first, signal.SIGKILL)
        until(lambda: len(started.pids("other")) == 2)
        (ended,) = started.events("account_ended")
        assert (ended["account"], ended["code"]) == ("other", -signal.SIGKILL)
        assert len(started.pids("steady")) == 1
        assert started.stop() == 0


def test_a_process_that_fails_is_tried_until_it_runs(tmp_path: Path) -> None:
    with parent(tmp_path, "failing") as started:
        until(lambda: len(started.pids("failing")) >= 3)
        (tmp_path / "repaired").touch()
        started.wait_for("failing")
        assert started.stop() == 0


def test_a_refused_account_is_not_tried_again_and_the_others_go_on(tmp_path: Path) -> None:
    with parent(tmp_path, "refused", "steady") as started:
        until(lambda: len(started.events("account_refused", "refused")) == 1)
        (steady,) = started.pids("steady")
        os.kill(steady, signal.SIGKILL)
        until(lambda: len(started.pids("steady")) == 2)
        assert len(started.pids("refused")) == 1
        assert started.stop() == 0


def test_a_parent_whose_accounts_are_all_refused_ends_with_78(tmp_path: Path) -> None:
    with parent(tmp_path, "refused") as started:
        assert started.process.wait(20) == 78


def test_a_frozen_process_is_killed_and_started_again(tmp_path: Path) -> None:
    with parent(tmp_path, "frozen", "steady") as started:
        until(lambda: len(started.pids("frozen")) >= 2)
        assert started.events("account_frozen", "frozen")
        assert started.events("account_ended", "frozen")[0]["code"] == -signal.SIGKILL
        assert len(started.pids("steady")) == 1


def test_the_processes_stop_when_the_parent_is_killed(tmp_path: Path) -> None:
    with parent(tmp_path, "steady", "other") as started:
        started.wait_for("steady", "other")
        pids = [*started.pids("steady"), *started.pids("other")]
        started.process.kill()
        started.process.wait(20)
        until(lambda: not any(map(is_alive, pids)))
        assert (tmp_path / "other.stopped").exists()


def test_the_pause_before_the_next_start_grows_unless_the_process_was_well() -> None:
    child = Child("one", None)
    pauses = replace(Bounds(), probe=Backoff(base_s=1.0, cap_s=60.0, floor_s=1.0))
    now = 0.0
    for failures in range(1, 8):
        child.started(1, now)
        child.ended(1, now + 1, pauses, RANDOM)
        assert child.failures == failures
        assert child.pid is None
        assert now + 2 <= child.due <= now + 62
        now = child.due
    child.started(1, now)
    child.ended(1, now + pauses.healthy_after_s, pauses, RANDOM)
    assert child.failures == 1


def test_what_was_refused_is_never_due() -> None:
    child = Child("one", None)
    child.ended(78, 5.0, STEADY, RANDOM)
    assert child.due == math.inf
    child.ended(75, 5.0, STEADY, RANDOM)
    assert child.due == 65.0


def test_only_a_process_that_is_silent_at_two_looks_is_frozen() -> None:
    child, limit = Child("one", None), STEADY.silent_s
    assert not child.is_frozen(limit + 1, STEADY)
    assert not child.is_frozen(0.0, STEADY)
    assert not child.is_frozen(limit + 1, STEADY)
    assert child.is_frozen(limit + 2, STEADY)
    child.started(2, 0.0)
    assert not child.is_frozen(limit + 1, STEADY)
    assert not child.is_frozen(None, STEADY)


def test_the_service_manager_hears_of_all_accounts_from_the_parent(tmp_path: Path) -> None:
    address = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(address)
        datagrams.settimeout(20)
        with parent(tmp_path, "steady", "other", notify=address) as started:
            heard = [datagrams.recv(4096).decode() for _ in range(6)]
            started.stop()
            while not (last := datagrams.recv(4096).decode()).startswith("STOPPING=1"):
                heard.append(last)
    assert "READY=1\nSTATUS=2 of 2 accounts run here, 0 are led" in heard
    assert heard.count("WATCHDOG=1") >= 2
