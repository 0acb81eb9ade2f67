"""Simulations that replay exactly: with a virtual clock, and trio's scheduler seeded.

trio has no public way to seed its scheduler. Only this module uses the two private names that it
takes, and a test fails when they stop working.
"""

import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias, TypeVar

import anyio
import trio
from trio._core import _run
from trio.testing import MockClock

from tests.simulation.virtual_clock import VirtualClockLoop

T = TypeVar("T")

Backend: TypeAlias = Literal["trio", "asyncio"]

_FLAG = "_ALLOW_DETERMINISTIC_SCHEDULING"


@contextmanager
def seeded_trio(seed: int) -> Iterator[None]:
    """Make the order of trio's tasks depend on the seed alone."""
    names = vars(_run)
    scheduler: random.Random = names["_r"]
    flag, state = names[_FLAG], scheduler.getstate()
    names[_FLAG] = True
    scheduler.seed(seed)
    try:
        yield
    finally:
        names[_FLAG] = flag
        scheduler.setstate(state)


def run_simulation(
    body: Callable[[random.Random], Awaitable[T]], seed: int, backend: Backend = "trio"
) -> T:
    """Run `body` on a virtual clock, with the Random that is the source of all randomness.

    The clock starts at 0 and jumps to the next timer whenever all tasks wait. asyncio runs tasks in
    the order in which they became ready, for every seed. An error has the seed in a note.
    """
    rng = random.Random(seed)  # noqa: S311 - no secret
    try:
        if backend == "asyncio":
            options = {"loop_factory": VirtualClockLoop}
            return anyio.run(body, rng, backend="asyncio", backend_options=options)
        with seeded_trio(seed):
            return trio.run(body, rng, clock=MockClock(autojump_threshold=0))
    except BaseException as error:
        error.add_note(f"simulation seed: {seed}")
        raise
