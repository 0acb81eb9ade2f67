"""An asyncio event loop with a virtual clock, like trio's MockClock for trio."""

import asyncio  # noqa: TID251  this is asyncio's own event loop
import selectors
from collections.abc import Callable
from typing import Final

from typing_extensions import override

DAY_S: Final = 86_400.0
"""asyncio never waits longer than this at once, so it stands for "no timer at all"."""


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock starts at 0 and jumps to the next timer when all tasks wait.

    Nothing outside the loop may wake a task: the clock would jump before. The loop raises
    RuntimeError if all tasks wait and no timer is due within a day.
    """

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_JumpingSelector(self._jump))

    @override
    def time(self) -> float:
        """Seconds of the virtual clock."""
        return self._now_s

    def _jump(self, seconds: float) -> None:
        self._now_s += seconds


class _JumpingSelector(selectors.SelectSelector):
    """A selector that moves the clock instead of waiting."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the ready keys; if there are none, move the clock by the timeout."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or timeout >= DAY_S:
            raise RuntimeError("every task waits, and no timer wakes one within a day")
        self._jump(timeout)
        return []
