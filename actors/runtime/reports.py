"""When a failure that repeats is reported: at once, and then after growing pauses. Pure."""

import math
from typing import Final

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
"""The pause between two reports doubles up to this."""


class Reports:
    """Counts the failures of one thing, and tells which of them to report."""

    def __init__(self) -> None:
        self.succeeded()

    def succeeded(self) -> None:
        """The next failure is a new one, and is reported at once."""
        self._failures = 0
        self._not_before = -math.inf
        self._pause_s = _FIRST_PAUSE_S

    def failed(self, now: float) -> int:
        """The number of failures since the last report, with this one; 0 if it is too early.

        `now` is in seconds.
        """
        self._failures += 1
        if now < self._not_before:
            return 0
        self._not_before = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        failures, self._failures = self._failures, 0
        return failures
