"""A few hundred seeds of the whole simulation; `make soak` plays thousands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loops import SECOND_LOOP
from tests.simulation.mutate import planted
from tests.simulation.mutations import MUTATIONS
from tests.simulation.run import play
from tests.simulation.seeding import Backend
from tests.simulation.soak import backend_of, described

ROOT = Path(__file__).parents[2]
BLOCK = 20
BLOCKS = 10
FIRST_SEEDS = range(0, BLOCK * BLOCKS, BLOCK)
QUICK_BLOCKS = 2


@pytest.mark.parametrize(
    "first",
    [
        *FIRST_SEEDS[:QUICK_BLOCKS],
        *(pytest.param(first, marks=pytest.mark.slow) for first in FIRST_SEEDS[QUICK_BLOCKS:]),
    ],
)
def test_every_seed_of_a_block_ends_well(first: int) -> None:
    outcomes = [play(seed, backend_of(seed)) for seed in range(first, first + BLOCK)]
    broken = [outcome for outcome in outcomes if outcome.violations]
    assert not broken, "\n".join(map(described, broken))


def test_a_share_of_the_seeds_is_played_on_asyncio() -> None:
    played = [backend_of(seed) for seed in range(BLOCK * BLOCKS)]
    assert played.count("asyncio") >= 20
    assert played.count("trio") >= 150


def story_in_another_process(name: str, hash_seed: int) -> str:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation.run", name],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    ).stdout


@pytest.mark.parametrize(
    ("seed", "backend", "hash_seed"),
    [
        (1, "trio", 1),
        pytest.param(122, "trio", 2, marks=pytest.mark.slow),
        pytest.param(8, "asyncio", 3, marks=SECOND_LOOP),
    ],
)
def test_a_seed_tells_the_same_story_in_separate_processes(
    seed: int, backend: Backend, hash_seed: int
) -> None:
    outcome = play(seed, backend)
    here = f"{outcome.story}\nseed {outcome.name}: all is well\n"
    assert "lifecycle: reconcile --reconciled--> live" in here
    assert story_in_another_process(outcome.name, hash_seed) == here


def test_every_deliberate_bug_is_explained_and_still_fits() -> None:
    explained = (ROOT / "docs" / "mutations.md").read_text(encoding="utf-8")
    for mutation in MUTATIONS:
        text = (ROOT / mutation.path).read_text(encoding="utf-8")
        assert planted(mutation, text) != text
        assert f"| `{mutation.name}` |" in explained
    assert explained.count("\n| `") == len(MUTATIONS) >= 10


def test_different_seeds_tell_different_stories() -> None:
    assert len({play(seed).story for seed in range(5)}) == 5
