"""Killed at any instant, a writer has lost nothing that it said was written."""

import subprocess
import sys
from pathlib import Path

import pytest

from adapter.sqlite.journal import read_journal
from adapter.sqlite.store import SqliteStore
from tests.store.values import ROOM

pytestmark = pytest.mark.anyio

REPOSITORY = Path(__file__).parents[2]


def acknowledged_before_the_kill(store: Path, journal: Path, wanted: int) -> set[int]:
    """Run the writer, kill it once it has acknowledged so many commits; all it acknowledged."""
    command = [sys.executable, "-m", "tests.store.acknowledging_writer", str(store), str(journal)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(wanted)]
        writer.kill()
        lines += writer.stdout.readlines()
    return {int(line) for line in lines if line.endswith("\n")}


@pytest.mark.parametrize("wanted", [1, 40, 333])
async def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path, wanted: int) -> None:
    store_path, journal_path = tmp_path / "cache.db", tmp_path / "journal.db"
    acknowledged = acknowledged_before_the_kill(store_path, journal_path, wanted)
    assert len(acknowledged) >= wanted
    # The log is read as the kill left it, before anybody has opened the journal for writing.
    assert {row.transition.dwell_ms for row in read_journal(journal_path)} >= acknowledged
    async with SqliteStore.open(store_path) as store:
        assert store.recovery is None
        rows = {int(key[1:]) for key in await store.rows("k")}
        waiting = {int(w.message.event_id[1:]) for w in await store.waiting(ROOM, sys.maxsize)}
    assert rows >= acknowledged
    # No commit is there by half.
    assert rows == waiting
