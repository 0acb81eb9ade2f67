"""Ages and waits from times of the wall clock, which may be set back or ahead at any moment. Pure.

A duration within one run of the process is measured with the event loop's clock. The wall clock is
used only for times that an earlier run has stored.
"""

from dataclasses import dataclass, replace
from typing import Final

LEAP_S: Final = 60.0
"""A wall clock that gains more than this on the event loop's clock was set ahead."""


def remaining_s(stored_at: float, wait_s: float, now: float) -> float:
    """What is left of a wait that began at a stored time; a time in the future counts as now."""
    return max(0.0, wait_s - max(0.0, now - stored_at))


@dataclass(frozen=True, slots=True)
class AgeLimit:
    """Decides which stored times are older than `age_s`. Each call of `at` gives the next value.

    A clock that is set back is believed at once: then less is old. A clock that is set ahead is
    believed only after `age_s`, because by then the times from before are really that old.
    """

    age_s: float
    offset_s: float | None = None
    """The difference that is believed between the wall clock and the event loop's clock."""
    ahead_since: float | None = None
    """Since when the wall clock has been ahead of that, in the event loop's time."""

    def at(self, wall_clock_s: float, loop_s: float) -> "AgeLimit":
        """The limit at present, by both clocks."""
        offset_s = wall_clock_s - loop_s
        if self.offset_s is None or offset_s - self.offset_s <= LEAP_S:
            return replace(self, offset_s=offset_s, ahead_since=None)
        ahead_since = loop_s if self.ahead_since is None else self.ahead_since
        if loop_s - ahead_since >= self.age_s:
            return replace(self, offset_s=offset_s, ahead_since=None)
        return replace(self, ahead_since=ahead_since)

    def before(self, loop_s: float) -> float:
        """The time, in seconds since the epoch, before which stored times are too old."""
        return (self.offset_s or 0.0) + loop_s - self.age_s
