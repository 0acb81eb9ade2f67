"""`surfaces-bot log --follow`: new rows as they come, until Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from actors.runtime.table import Outcome, Transition
from adapter.sqlite.inline import InlineJournal

PATIENCE_S = 60


def written(path: Path, *reasons: str, machine: str = "lifecycle") -> None:
    """Write rows into the journal, as a bot does."""
    at = "2026-11-20T09:00:00.000Z"
    journal = InlineJournal(path)
    records = [
        Transition(
            at, "b", machine, "live", "homeserver_lost", "degraded", Outcome.ERROR, why, 1, 0
        )
        for why in reasons
    ]
    anyio.run(partial(journal.append, *records))
    journal.close()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    written(path, "first")
    return path


@contextmanager
def following(journal: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {
        "MATRIX_JOURNAL_PATH": str(journal),
        "MATRIX_STORE_PATH": str(journal.parent / "store"),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "supervisor", "log", "--follow", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=journal.parent,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def row(process: subprocess.Popen[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line(process))
    return found


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Press Ctrl-C; the exit code and what is still said."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def test_new_rows_follow_the_old_ones_until_ctrl_c(journal: Path) -> None:
    with following(journal, "--json") as process:
        assert row(process)["reason"] == "first"
        written(journal, "second", "third")
        assert [row(process)["reason"] for _ in range(2)] == ["second", "third"]
        assert end(process) == (0, "", "")


def test_only_what_is_asked_for_is_followed(journal: Path) -> None:
    with following(journal, "--json", "--machine", "room:!a") as process:
        written(journal, "of the bot")
        written(journal, "of the room", machine="room:!a")
        assert row(process)["reason"] == "of the room"
        assert end(process)[0] == 0


def test_the_timeline_goes_on_after_what_it_came_to(journal: Path) -> None:
    with following(journal) as process:
        assert "first" in [line(process), line(process)][1]
        assert line(process) == "\n"
        assert line(process).startswith(
            "not running: the last run ended abruptly in state degraded"
        )
        written(journal, "second")
        assert line(process).rstrip().endswith("homeserver_lost: second")
        assert end(process) == (0, "", "")


def test_a_journal_that_is_begun_anew_is_followed_from_its_beginning(journal: Path) -> None:
    written(journal, "second")
    with following(journal, "--json") as process:
        assert [row(process)["seq"] for _ in range(2)] == [1, 2]
        for path in journal.parent.glob("journal.db*"):
            path.unlink()
        written(journal, "another first")
        found = row(process)
        assert (found["seq"], found["reason"]) == (1, "another first")
        assert end(process)[0] == 0
