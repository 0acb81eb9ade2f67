import os
import random
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from trio._core import _run

from tests.simulation.interleaving import interleave
from tests.simulation.seeding import run_simulation

ROOT = Path(__file__).parents[2]


def interleaving_in_another_process(seed: int, hash_seed: int) -> str:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation.interleaving", str(seed)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    ).stdout


def test_a_seed_gives_the_same_interleaving_in_separate_processes() -> None:
    here = run_simulation(interleave, 7)
    assert here == interleaving_in_another_process(7, hash_seed=1)
    assert here == interleaving_in_another_process(7, hash_seed=2)


def test_different_seeds_give_different_interleavings() -> None:
    assert len({run_simulation(interleave, seed) for seed in range(8)}) == 8


def test_the_scheduler_alone_is_enough_to_tell_seeds_apart() -> None:
    async def race(_: random.Random) -> str:
        order: list[str] = []

        async def run(name: str) -> None:
            for _ in range(3):
                order.append(name)
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            for name in "abcdef":
                tasks.start_soon(run, name)
        return "".join(order)

    assert run_simulation(race, 1) == run_simulation(race, 1)
    assert run_simulation(race, 1) != run_simulation(race, 2)


def test_the_clock_starts_at_zero_and_jumps() -> None:
    async def wait_a_day(_: random.Random) -> float:
        await anyio.sleep(86_400)
        return anyio.current_time()

    assert run_simulation(wait_a_day, 1) == 86_400


def test_a_failing_simulation_names_its_seed() -> None:
    async def fail(_: random.Random) -> None:
        await anyio.sleep(1)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no") as caught:
        run_simulation(fail, 4711)
    assert caught.value.__notes__ == ["simulation seed: 4711"]


def test_the_scheduler_is_left_as_it_was_found() -> None:
    before = _run._r.getstate(), _run._ALLOW_DETERMINISTIC_SCHEDULING
    run_simulation(interleave, 1)
    assert (_run._r.getstate(), _run._ALLOW_DETERMINISTIC_SCHEDULING) == before
