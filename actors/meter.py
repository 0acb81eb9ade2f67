"""What the running bot counts about itself: plain numbers, added to where things happen.

No locks and no awaits, so that measuring costs nothing to speak of: everything that counts runs
in one event loop, and whoever shows the numbers reads them there.
"""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import anyio

LATENCY_BOUNDS_S: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip


class Histogram:
    """How often something took how long. `counts[i]` is of those within `bounds_s[i]`.

    The last count, which has no bound, is of all that took longer.
    """

    __slots__ = ("bounds_s", "counts", "sum_s")

    def __init__(self, bounds_s: tuple[float, ...] = LATENCY_BOUNDS_S) -> None:
        self.bounds_s = bounds_s
        self.counts = [0] * (len(bounds_s) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one more."""
        self.counts[bisect_left(self.bounds_s, seconds)] += 1
        self.sum_s += seconds


@dataclass(slots=True)
class Meter:
    """The numbers of one bot."""

    handling: Histogram = field(default_factory=Histogram)
    """What actors took for a message, failures included."""
    requests: Histogram = field(default_factory=Histogram)
    """What the homeserver took for an answer; waiting for news in /sync is not counted."""
    answers: Counter[str] = field(default_factory=Counter)
    """Requests to the homeserver by outcome: `ok`, or the name of the port's error."""
    crashes: int = 0
    """Handlers that raised; each is followed by a restart or a quarantine."""
    dead_letters: int = 0
    """Answers that came when nobody waited for them any more."""
    beat_at: float = 0.0
    """When serving last got on, in anyio's time."""

    def beat(self) -> None:
        """Serving gets on."""
        self.beat_at = anyio.current_time()
