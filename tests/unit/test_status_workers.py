"""What the status says of workers, by what they have to do."""

from dataclasses import dataclass

import pytest

from supervisor.status.snapshot import WorkersSeen
from supervisor.status.workers import LOOK_AT_THEM, NO_WORKER, START_ONE, UNTAKEN_S, workers_seen


@dataclass(frozen=True)
class Load:
    """The load of workers."""

    alive: int = 1
    in_work: int = 0
    waiting: int = 0
    oldest_waiting_s: float | None = None


@pytest.mark.parametrize(
    "load",
    [
        Load(),
        Load(in_work=3),
        Load(waiting=1, oldest_waiting_s=UNTAKEN_S - 0.1),
        Load(in_work=16, waiting=9, oldest_waiting_s=600.0),
    ],
)
def test_workers_that_take_questions_are_well(load: Load) -> None:
    seen = workers_seen(load)
    assert (seen.trouble, seen.remedy) == ("", "")
    assert (seen.alive, seen.in_work) == (load.alive, load.in_work)
    assert (seen.waiting, seen.oldest_waiting_s) == (load.waiting, load.oldest_waiting_s)


@pytest.mark.parametrize("waits", [Load(alive=0), Load(0, 1, 2, 3.0)])
def test_without_a_worker_the_status_says_what_to_do(waits: Load) -> None:
    seen = workers_seen(waits)
    assert (seen.trouble, seen.remedy) == (NO_WORKER, START_ONE)


def test_workers_that_take_nothing_are_told_of_with_the_time() -> None:
    seen = workers_seen(Load(alive=2, waiting=1, oldest_waiting_s=75.0))
    assert seen.trouble == "no worker takes a question, and the oldest has waited for 1 min 15 s"
    assert seen.remedy == LOOK_AT_THEM


def test_of_workers_that_nothing_is_known_of_nothing_is_claimed() -> None:
    assert workers_seen(None) == WorkersSeen()
