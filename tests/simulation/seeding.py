"""Simulations that replay exactly: trio's scheduler seeded, its clock virtual.

trio offers no public way to seed its scheduler. The two private names that it takes are used here
and nowhere else, and a test fails when they stop to work.
"""

import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import trio
from trio._core import _run
from trio.testing import MockClock

T = TypeVar("T")

_FLAG = "_ALLOW_DETERMINISTIC_SCHEDULING"


@contextmanager
def seeded_trio(seed: int) -> Iterator[None]:
    """Make the order in which trio runs its tasks depend on the seed alone."""
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


def run_simulation(body: Callable[[random.Random], Awaitable[T]], seed: int) -> T:
    """Run `body` on trio with a virtual clock; it gets the Random from which all else is drawn.

    The clock starts at 0 and jumps whenever every task waits. An error carries the seed in a note.
    """
    clock = MockClock(autojump_threshold=0)
    with seeded_trio(seed):
        try:
            return trio.run(body, random.Random(seed), clock=clock)  # noqa: S311 - no secret
        except BaseException as error:
            error.add_note(f"simulation seed: {seed}")
            raise
