"""Actions that run after a delay. One task serves all of them."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Final

import anyio
import structlog

from actors.runtime.errors import error_text

_log = structlog.get_logger()

IDLE_S: Final = 3600.0
"""How long the task sleeps while no timer is set."""


class Timers:
    """A queue of synchronous actions, ordered by due time. `now` is the clock, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.now = clock
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count(1)
        self._set: anyio.Event | None = None

    def later(self, delay_s: float, action: Callable[[], None]) -> int:
        """Run an action after `delay_s` seconds, never earlier; the timer's unique number."""
        number = next(self._numbers)
        heapq.heappush(self._heap, (self.now() + delay_s, number, action))
        if self._set is not None:
            self._set.set()
        return number

    async def run(self) -> None:
        """Run due actions until cancelled. An action that fails is logged, and the rest go on."""
        while True:
            self._set = timer_set = anyio.Event()
            now = self.now()
            while self._heap and self._heap[0][0] <= now:
                _run(heapq.heappop(self._heap)[2])
            wait_s = self._heap[0][0] - now if self._heap else IDLE_S
            with anyio.move_on_after(wait_s):
                await timer_set.wait()


def _run(action: Callable[[], None]) -> None:
    try:
        action()
    except Exception as error:  # noqa: BLE001  the boundary: it stops no other timer
        _log.error("timer_failed", error=error_text(error), exc_info=error)
