"""The numbers that the runtime counts. They need no locks, because one event loop changes them."""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

LATENCY_BOUNDS_S: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip


class Histogram:
    """Durations, counted by size.

    `counts[i]` counts the durations up to `bounds_s[i]` and above the bound before it. The last
    count has no bound: it counts all longer durations. `sum_s` adds up all durations, in seconds.
    """

    __slots__ = ("bounds_s", "counts", "sum_s")

    def __init__(self, bounds_s: tuple[float, ...] = LATENCY_BOUNDS_S) -> None:
        self.bounds_s = bounds_s
        self.counts = [0] * (len(bounds_s) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one more duration."""
        self.counts[bisect_left(self.bounds_s, seconds)] += 1
        self.sum_s += seconds

    def quantile_s(self, share: float) -> float | None:
        """The duration that this share of all durations keeps, estimated; None without any.

        Durations between two bounds count as evenly spread. Above the last bound it is that bound.
        """
        total = sum(self.counts)
        if not total:
            return None
        rank, below = share * total, 0
        lower = 0.0
        for count, upper in zip(self.counts, self.bounds_s, strict=False):
            if count and below + count >= rank:
                return lower + (upper - lower) * max(0.0, rank - below) / count
            below, lower = below + count, upper
        return lower


@dataclass(slots=True)
class RuntimeMeter:
    """The numbers of one actor system."""

    handling: Histogram = field(default_factory=Histogram)
    """How long handlers took for a message, failed handlers included."""
    crashes: int = 0
    """Handlers that crashed; a restart or a quarantine follows each crash."""
    dead_letters: int = 0
    """Answers that came after their `ask` had ended."""
