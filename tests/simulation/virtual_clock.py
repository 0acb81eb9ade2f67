"""An asyncio event loop on a virtual clock: what trio's MockClock is to trio."""

import asyncio  # noqa: TID251  this is asyncio's own event loop
import selectors
from collections.abc import Callable
from typing import Final

from typing_extensions import override

DAY_S: Final = 86_400.0
"""asyncio never waits longer than this at once, so it stands for "no timer at all"."""


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """Its clock starts at 0 and jumps to the next timer whenever every task waits.

    Nothing outside the loop may wake a task: time would pass before it does. When every task waits
    and nothing is due within a day, RuntimeError is raised.
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
    """Instead of waiting it lets the time pass."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; when nothing is, the timeout is over at once."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or timeout >= DAY_S:
            raise RuntimeError("every task waits, and no timer wakes one within a day")
        self._jump(timeout)
        return []
