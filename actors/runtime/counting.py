"""Plain numbers that are added to where things happen. No locks: all of it is one event loop."""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

LATENCY_BOUNDS_S: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip


class Histogram:
    """How often something took how long. `counts[i]` counts durations within `bounds_s[i]`.

    The last count has no bound: it counts everything that took longer.
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
class RuntimeMeter:
    """What the runtime counts."""

    handling: Histogram = field(default_factory=Histogram)
    """How long actors took for a message, failures included."""
    crashes: int = 0
    """Handlers that raised; a restart or a quarantine follows each."""
    dead_letters: int = 0
    """Answers that came after their `ask` had ended."""
