"""A test that takes its worker down costs itself alone, and never holds up the rest."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

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
    is_dead: bool = False
    given: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    gateway: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(id="gw"))

    def send_runtest_some(self, indices: list[int]) -> None:
        if self.is_dead:
            raise OSError("cannot send (already closed?)")
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


COLLECTION = [f"tests/test_single.py::test_single[{number}]" for number in range(8)]


@pytest.fixture
def scheduler(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> WholeFiles:
    """The scheduler of two workers, before the first one is there."""
    monkeypatch.setattr(pytestconfig.option, "tx", ["2*popen"])
    return WholeFiles(pytestconfig, None)


def test_a_worker_dies_while_the_one_after_it_collects(scheduler: WholeFiles) -> None:
    first, second, third = Worker(), Worker(), Worker()
    for worker in (first, second):
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, COLLECTION)
    scheduler.schedule()
    scheduler.add_node(third)
    assert scheduler.remove_node(second) == COLLECTION[second.given[0]]
    assert third.given == []
    assert not third.shutting_down
    scheduler.add_node_collection(third, COLLECTION)
    scheduler.schedule()
    assert len(third.given) == 2


def test_a_worker_is_given_tests_after_its_death(scheduler: WholeFiles) -> None:
    first, second = Worker(), Worker(is_dead=True)
    for worker in (first, second):
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, COLLECTION)
    scheduler.schedule()
    lethal = scheduler.remove_node(second)
    while not first.shutting_down:
        place = next(place for place in first.given if place not in first.done)
        first.done.append(place)
        scheduler.mark_test_complete(first, place)
    assert {COLLECTION[place] for place in first.given} == {*COLLECTION} - {lethal}
