"""Plays many seeds on all cores: `python -m tests.simulation.soak` (SEEDS=2000 by default).

With `--processes 3`, every seed is played with two or three processes on one database.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from tests.simulation.outcome import Outcome
from tests.simulation.run import play
from tests.simulation.seeding import Backend
from tests.simulation.several import play_several

DEFAULT_SEEDS: Final = 2000
PROGRESS_EVERY_S: Final = 5.0


def main(arguments: list[str]) -> int:
    """Play the seeds, print the progress and a summary; return 1 if a seed is broken."""
    options = _options(arguments)
    seeds = range(options.first, options.first + options.seeds)
    began = time.monotonic()
    broken: list[Outcome] = []
    virtual_s, played = 0.0, 0
    for outcome in _with_progress(_played(seeds, options.jobs, options.processes), len(seeds)):
        played += 1
        virtual_s += outcome.virtual_s
        if outcome.violations:
            broken.append(outcome)
            sys.stdout.write(f"{described(outcome)}\n")
            if options.until_broken:
                break
    took_s = time.monotonic() - began
    sys.stdout.write(
        f"{played} seeds, {len(broken)} broken, {virtual_s / 3600:.0f} virtual hours"
        f" in {took_s:.0f} s\n"
    )
    return int(bool(broken))


def described(outcome: Outcome) -> str:
    """The violations of a seed, and the command that replays it."""
    return (
        f"seed {outcome.name}: {'; '.join(outcome.violations)}\n"
        f"    replay it with: python -m tests.simulation.run {outcome.name}"
    )


def survived(seed: int, most: int = 1) -> Outcome:
    """Play a seed, with `most` processes at most.

    An error that ends the simulation counts as a violation.
    """
    backend, processes = backend_of(seed), processes_of(seed, most)
    try:
        outcome = play(seed, backend) if processes == 1 else play_several(seed, processes)
    except Exception as error:  # noqa: BLE001  the other seeds are played after every error
        ended = (f"the simulation ended with {error!r}",)
        return Outcome(seed, ended, "", 0.0, backend, processes)
    return replace(outcome, story="")


def processes_of(seed: int, most: int) -> int:
    """The number of processes of a seed: from 2 to `most`; 1 if that is the most."""
    return 1 if most == 1 else 2 + seed % (most - 1)


def backend_of(seed: int) -> Backend:
    """One seed in eight is played on asyncio, the event loop of the real bot."""
    return "asyncio" if seed % 8 == 0 else "trio"


def _played(seeds: Iterable[int], jobs: int, processes: int) -> Iterator[Outcome]:
    survives = partial(survived, most=processes)
    if jobs == 1:
        yield from map(survives, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(survives, seeds, chunksize=4)


def _with_progress(outcomes: Iterator[Outcome], total: int) -> Iterator[Outcome]:
    """Pass the outcomes on, and print the progress every `PROGRESS_EVERY_S`."""
    printed = time.monotonic()
    for number, outcome in enumerate(outcomes, 1):
        yield outcome
        if time.monotonic() - printed > PROGRESS_EVERY_S:
            printed = time.monotonic()
            sys.stdout.write(f"{number} of {total}\n")
            sys.stdout.flush()


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.soak", description=__doc__)
    parser.add_argument("--seeds", type=int, default=int(os.environ.get("SEEDS", DEFAULT_SEEDS)))
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=1, help="how many share a database")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--until-broken", action="store_true", help="stop at the first broken seed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
