"""Plays many seeds on all cores: `python -m tests.simulation.soak` (SEEDS=2000 by default)."""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from tests.simulation.run import Outcome, play
from tests.simulation.seeding import Backend

DEFAULT_SEEDS: Final = 2000
PROGRESS_EVERY_S: Final = 5.0


def main(arguments: list[str]) -> int:
    """Play the seeds, print the progress and a summary; return 1 if a seed is broken."""
    options = _options(arguments)
    seeds = range(options.first, options.first + options.seeds)
    began = time.monotonic()
    broken: list[Outcome] = []
    virtual_s, played = 0.0, 0
    for outcome in _with_progress(_played(seeds, options.jobs), len(seeds)):
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


def survived(seed: int) -> Outcome:
    """Play a seed; an error that ends the simulation counts as a violation."""
    backend = backend_of(seed)
    try:
        outcome = play(seed, backend)
    except Exception as error:  # noqa: BLE001  the other seeds are played after every error
        return Outcome(seed, (f"the simulation ended with {error!r}",), "", 0.0, backend)
    return replace(outcome, story="")


def backend_of(seed: int) -> Backend:
    """One seed in eight is played on asyncio, the event loop of the real bot."""
    return "asyncio" if seed % 8 == 0 else "trio"


def _played(seeds: Iterable[int], jobs: int) -> Iterator[Outcome]:
    if jobs == 1:
        yield from map(survived, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(survived, seeds, chunksize=4)


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
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--until-broken", action="store_true", help="stop at the first broken seed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
