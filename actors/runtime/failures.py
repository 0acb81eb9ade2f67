"""What rooms fail with: when many fail the same way at once, it is not the rooms."""

import math
from collections import deque
from collections.abc import Callable
from typing import Final

from actors.messages import Address
from actors.ports import PlatformFailed
from actors.runtime.restart import CorrelationBreaker

BREAKER: Final = CorrelationBreaker()


class Failures:
    """The latest failures of all rooms, and what they say about the platform.

    Times are in seconds, of any clock that is always the same.
    """

    def __init__(self) -> None:
        self._latest: deque[tuple[float, type[Exception], Address]] = deque(maxlen=1000)
        self._answered_at = -math.inf
        """When the platform last answered anybody: it is not down then."""
        self._platform_down_at = -math.inf
        """When so many rooms failed because of the platform that it must be down."""

    def platform_answered(self, now: float) -> None:
        """The platform has given somebody an answer."""
        self._answered_at = now

    def platform_is_down(self) -> bool:
        """Whether the platform has answered nobody since many rooms failed because of it."""
        return self._platform_down_at > self._answered_at

    def shared(
        self, room: Address, error: Exception, now: float, active: Callable[[], int]
    ) -> set[Address]:
        """The rooms that fail as this one does now; none where that is the room's own affair.

        `active` counts the rooms at work. While the platform answers others, it is not down.
        """
        kind = type(error)
        of_platform = isinstance(error, PlatformFailed)
        if of_platform and now - self._answered_at <= BREAKER.within_s:
            return set()
        self._latest.append((now, kind, room))
        same = [
            (at, other)
            for at, what, other in self._latest
            if what is kind and now - at <= BREAKER.within_s
        ]
        if len(same) < BREAKER.at_least or not BREAKER.trips(same, active(), now):
            return set()
        if of_platform:
            self._platform_down_at = now
        return {other for _, other in same}
