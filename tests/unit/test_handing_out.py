"""A test that takes its worker down costs itself alone, and never holds up the rest."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.conftest import WholeFiles

ROOT = Path(__file__).parents[2]
SINGLE_TESTS = """
import os
import pytest

@pytest.mark.parametrize("number", range(30))
def test_single(number):
    if number == 11:
        os._exit(1)
"""
WHOLE_FILE = """
import os
import pytest

@pytest.mark.parametrize("number", range(4))
def test_in_turn(number):
    if number == 2:
        os._exit(1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_tests_after_a_dead_worker(tmp_path: Path, workers: int) -> None:
    (tmp_path / "tests" / "synapse").mkdir(parents=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "tests" / "test_single.py").write_text(SINGLE_TESTS)
    (tmp_path / "tests" / "synapse" / "test_whole.py").write_text(WHOLE_FILE)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    played = subprocess.run(
        [*command, f"--numprocesses={workers}", f"--rootdir={tmp_path}", "-q", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "2 failed, 32 passed" in played.stdout


@dataclass(eq=False)
class Worker:
    """What the scheduler uses of a worker; `given` holds the places of its tests."""

    shutting_down: bool = False
    given: list[int] = field(default_factory=list)
    gateway: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(id="gw"))

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def test_a_worker_dies_while_the_one_after_it_collects(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pytestconfig.option, "tx", ["2*popen"])
    collection = [f"tests/test_single.py::test_single[{number}]" for number in range(6)]
    scheduler: Any = WholeFiles(pytestconfig, cast("Any", None))
    first, second, third = Worker(), Worker(), Worker()
    for worker in (first, second):
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, collection)
    scheduler.schedule()
    scheduler.add_node(third)
    assert scheduler.remove_node(second) == collection[second.given[0]]
    assert third.given == []
    assert not third.shutting_down
    scheduler.add_node_collection(third, collection)
    scheduler.schedule()
    assert len(third.given) == 2
