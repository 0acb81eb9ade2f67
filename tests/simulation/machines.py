"""Several event loops on one virtual clock, in one thread: one loop for each simulated machine.

A paused machine runs no task at all, and its timers come late, as those of a stopped process do.
"""

import asyncio  # noqa: TID251  these are asyncio's own event loops
import math
import selectors
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from random import Random
from typing import Final

from typing_extensions import TypeVarTuple, Unpack, override

DAY_S: Final = 86_400.0

CalledWith = TypeVarTuple("CalledWith")


class Clock:
    """The virtual time of all machines, in seconds from 0."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def now(self) -> float:
        """The present time."""
        return self.now_s


class Machine(asyncio.SelectorEventLoop):
    """An event loop that shares a clock with others. `paused` may be set at any time."""

    def __init__(self, clock: Clock) -> None:
        self.paused = False
        self._clock_of_all = clock
        self._ending = _EndingSelector(self._end_turn)
        self._is_called = self._worked = False
        self.next_at_s = 0.0
        """When the next timer is due."""
        super().__init__(self._ending)

    @override
    def time(self) -> float:
        """Seconds of the shared clock."""
        return self._clock_of_all.now_s

    @override
    def call_soon(
        self,
        callback: Callable[[Unpack[CalledWith]], object],
        *args: *CalledWith,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Call something in the next turn."""
        self._is_called = True
        return super().call_soon(callback, *args, context=context)

    def turn(self) -> bool:
        """Run until all tasks wait. Returns whether one of them did something."""
        self._worked = False
        if self._is_called or self.time() >= self.next_at_s:
            self.run_forever()
        return self._worked

    def _end_turn(self, wait_s: float) -> None:
        """End the turn if nothing is ready."""
        if wait_s == 0:
            self._worked = True
            return
        self._is_called = False
        self.next_at_s = self.time() + wait_s
        self.stop()

    def end(self) -> None:
        """Cancel all tasks, and close the loop."""
        self.paused = False
        while tasks := asyncio.all_tasks(self):
            for task in tasks:
                task.cancel()
            self.turn()
        self.close()


def run_machines(
    machines: Sequence[Machine],
    mains: Sequence[Callable[[], Coroutine[object, object, object]]],
    clock: Clock,
    rng: Random,
    between: Callable[[], object] = lambda: None,
) -> None:
    """Run a main task on each machine, until that of the first machine ends.

    The clock moves when no machine has anything to do. Machines that have something to do at the
    same time take turns in the order of `rng`. `between` is called after their turns, while none of
    them runs. Raises the error of a main task.
    """
    tasks = [loop.create_task(main()) for loop, main in zip(machines, mains, strict=True)]
    try:
        while not tasks[0].done():
            awake = [machine for machine in machines if not machine.paused]
            rng.shuffle(awake)
            worked = any([machine.turn() for machine in awake])  # noqa: C419 - each has its turn
            between()
            if worked:
                continue
            next_at_s = min(machine.next_at_s for machine in awake)
            if next_at_s - clock.now_s >= DAY_S:
                raise RuntimeError("every task waits, and no timer wakes one within a day")
            clock.now_s = next_at_s
    finally:
        for machine in machines:
            machine.end()
    for task in tasks:
        if not task.cancelled():
            task.result()


class _EndingSelector(selectors.SelectSelector):
    """A selector that passes on how long it should wait, and never waits."""

    def __init__(self, passed: Callable[[float], object]) -> None:
        super().__init__()
        self._passed = passed

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Nothing is ready by itself."""
        self._passed(math.inf if timeout is None else timeout)
        return []
