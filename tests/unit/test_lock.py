"""One bot per store folder, whatever becomes of the one that holds it."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from supervisor.lock import (
    HOLDER_NAME,
    LOCK_NAME,
    InstanceLocked,
    instance_lock,
    is_running,
    running_since,
    silence_s,
)
from supervisor.settings import SettingsRefused

HOLD = """
import sys
from pathlib import Path
from supervisor.lock import instance_lock
with instance_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process_holding(store: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(store)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            yield holder
        finally:
            holder.kill()


def refusal(store: Path) -> InstanceLocked:
    with pytest.raises(InstanceLocked) as caught, instance_lock(store):
        pass
    return caught.value


def test_a_holder_that_leaves_no_sign_of_life_grows_silent(tmp_path: Path) -> None:
    assert silence_s(tmp_path, time.time()) is None
    with instance_lock(tmp_path) as lock:
        os.utime(tmp_path / LOCK_NAME, (1000, 1000))
        assert silence_s(tmp_path, 1090.0) == 90
        assert silence_s(tmp_path, 900.0) == 0  # the clock was set back
        lock.touch()
        quiet = silence_s(tmp_path, time.time())
        assert quiet is not None
        assert quiet < 30
        (tmp_path / LOCK_NAME).unlink()
        lock.touch()
    assert silence_s(tmp_path, time.time()) is None


def test_the_second_is_told_who_the_first_is(tmp_path: Path) -> None:
    with another_process_holding(tmp_path) as holder:
        told = refusal(tmp_path)
        assert told.pid == holder.pid
        assert str(holder.pid) in str(told)


def test_the_folder_is_made_for_its_owner_alone_and_left_tidy(tmp_path: Path) -> None:
    store = tmp_path / "deep" / "store"
    with instance_lock(store):
        assert store.stat().st_mode & 0o777 == 0o700
        assert (store / LOCK_NAME).exists()
        assert (store / HOLDER_NAME).read_text(encoding="ascii") == f"{os.getpid()}\n"
    assert not (store / HOLDER_NAME).exists()


def test_a_killed_holder_keeps_nobody_out(tmp_path: Path) -> None:
    with another_process_holding(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=10)
    with instance_lock(tmp_path):
        assert (tmp_path / HOLDER_NAME).read_text(encoding="ascii") == f"{os.getpid()}\n"


def test_looking_finds_out_without_writing(tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert not is_running(store)
    assert not store.exists()
    with another_process_holding(store):
        assert is_running(store)
    with instance_lock(store):
        assert is_running(store)
    assert not is_running(store)


def test_a_holder_has_held_since_it_signed(tmp_path: Path) -> None:
    assert running_since(tmp_path) is None
    before = datetime.now(UTC) - timedelta(seconds=1)
    with instance_lock(tmp_path):
        since = running_since(tmp_path)
        assert since is not None
        assert before < since <= datetime.now(UTC)
        (tmp_path / HOLDER_NAME).unlink()
        assert running_since(tmp_path) == datetime.fromtimestamp(0, UTC)


def test_somebody_who_looks_keeps_nobody_out(tmp_path: Path) -> None:
    looking, stop = threading.Event(), threading.Event()

    def look() -> None:
        while not stop.is_set():
            is_running(tmp_path)
            looking.set()

    onlooker = threading.Thread(target=look)
    onlooker.start()
    try:
        for _ in range(20):
            with instance_lock(tmp_path):
                looking.clear()
                assert looking.wait(10)
    finally:
        stop.set()
        onlooker.join()


def test_it_can_be_held_again_after_it_was_let_go(tmp_path: Path) -> None:
    for _ in range(2):
        with instance_lock(tmp_path):
            pass


def test_a_lock_whose_folder_was_deleted_is_taken_anew(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with instance_lock(store) as lock:
        assert not lock.renew()
        shutil.rmtree(store)
        assert not is_running(store)
        assert lock.renew()
        assert is_running(store)
        assert (store / HOLDER_NAME).read_text(encoding="ascii") == f"{os.getpid()}\n"
        assert not lock.renew()
    assert not is_running(store)


def test_a_lock_that_somebody_else_has_taken_meanwhile_is_lost_for_good(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with instance_lock(store) as lock:
        shutil.rmtree(store)
        with another_process_holding(store) as other:
            with pytest.raises(InstanceLocked) as caught:
                lock.renew()
            assert caught.value.pid == other.pid
            assert lock.lost is caught.value
    assert (store / HOLDER_NAME).read_text(encoding="ascii") == f"{other.pid}\n"


def test_a_lock_that_cannot_be_taken_anew_is_tried_again(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with instance_lock(store) as lock:
        shutil.rmtree(store)
        store.touch()
        with pytest.raises(SettingsRefused):
            lock.renew()
        assert lock.lost is None
        store.unlink()
        assert lock.renew()


def a_dead_process() -> str:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(timeout=10)
    return str(gone.pid)


@pytest.mark.parametrize("note", ["", "nonsense", "0", "-1", "9" * 30, "of a dead process"])
def test_a_note_that_names_no_living_process_is_not_believed(tmp_path: Path, note: str) -> None:
    said = a_dead_process() if note == "of a dead process" else note
    with another_process_holding(tmp_path):
        (tmp_path / HOLDER_NAME).write_text(said, encoding="ascii")
        told = refusal(tmp_path)
        assert told.pid is None
        assert "another process" in str(told)


def test_a_holder_who_could_not_sign_is_just_somebody(tmp_path: Path) -> None:
    with another_process_holding(tmp_path):
        (tmp_path / HOLDER_NAME).unlink()
        assert refusal(tmp_path).pid is None


def test_a_note_that_cannot_be_written_does_not_keep_the_bot_from_running(tmp_path: Path) -> None:
    (tmp_path / HOLDER_NAME).mkdir()
    with instance_lock(tmp_path):
        assert refusal(tmp_path).pid is None


def test_a_folder_that_cannot_be_made_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsRefused) as caught, instance_lock(tmp_path / "file" / "store"):
        pass
    (line,) = caught.value.lines
    assert line.startswith("MATRIX_STORE_PATH: ")


def test_the_lock_is_let_go_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="the work"), instance_lock(tmp_path):
        raise RuntimeError("the work")
    with instance_lock(tmp_path):
        pass
