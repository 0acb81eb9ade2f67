"""Inserts each deliberate bug into a copy of the product and plays seeds until one is broken.

`python -m tests.simulation.mutate` tries all of `mutations.py`, or those that are named. The exit
code is 1 if no seed finds a bug: then the simulation lacks a check or a fault.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.simulation.mutation import Mutation
from tests.simulation.mutations import MUTATIONS

ROOT: Final = Path(__file__).parents[2]
COPIED: Final = ("actors", "adapter", "supervisor", "tests")
DEFAULT_SEEDS: Final = 4000
TIMEOUT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result for one bug. `found` is the first violation, None if no seed found the bug."""

    mutation: Mutation
    found: str | None
    took_s: float


def planted(mutation: Mutation, text: str) -> str:
    """The file's text with the bug in it. Raises ValueError if `before` is not there once."""
    if text.count(mutation.before) != 1:
        raise ValueError(f"{mutation.name} does not fit {mutation.path} any more")
    return text.replace(mutation.before, mutation.after)


def attempt(mutation: Mutation, seeds: int) -> Attempt:
    """Insert a bug into a copy of the product, and play seeds until one is broken."""
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        for name in COPIED:
            ignored = shutil.ignore_patterns("__pycache__", "synapse", "browser")
            shutil.copytree(ROOT / name, Path(folder) / name, ignore=ignored)
        target = Path(folder) / mutation.path
        target.write_text(planted(mutation, target.read_text()))
        played = subprocess.run(
            [sys.executable, "-m", "tests.simulation.soak", "--until-broken", "--jobs", "1",
             "--seeds", str(seeds), "--processes", str(mutation.processes)],
            cwd=folder, env=_environment(folder), capture_output=True, text=True, check=False,
            timeout=TIMEOUT_S,
        )  # fmt: skip
    lines = [line for line in played.stdout.splitlines() if line.startswith("seed ")]
    found = lines[0] if lines else None
    if found is None and played.returncode:
        raise RuntimeError(played.stderr)
    return Attempt(mutation, found, time.monotonic() - began)


def main(arguments: Sequence[str]) -> int:
    """Try the bugs in parallel, and print for each whether it was caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutate", description=__doc__)
    parser.add_argument("names", nargs="*", help="which bugs; all of them by default")
    parser.add_argument("--seeds", type=int, default=DEFAULT_SEEDS)
    options = parser.parse_args(arguments)
    chosen = [each for each in MUTATIONS if each.name in options.names or not options.names]
    missed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for tried in pool.map(lambda each: attempt(each, options.seeds), chosen):
            missed += tried.found is None
            verdict = f"caught by {tried.found}" if tried.found else "NOT CAUGHT"
            sys.stdout.write(f"{tried.mutation.name:<38} {tried.took_s:5.0f} s  {verdict[:160]}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - missed} of {len(chosen)} caught\n")
    return int(missed > 0)


def _environment(folder: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": folder}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
