"""When to try again, and when to stop trying. Pure: time and randomness are passed in."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

HashableT = TypeVar("HashableT", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter: uniform between 0 and a doubling cap, in seconds.

    See "Exponential Backoff And Jitter" (AWS Architecture Blog). `floor_s` keeps the first tries
    from following each other at once.
    """

    base_s: float = 1.0
    cap_s: float = 60.0
    floor_s: float = 1.0

    def delay_s(self, attempt: int, random: Random, retry_after_s: float = 0.0) -> float:
        """How long to wait before try number `attempt` (from 1), never less than was asked for."""
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(attempt, 16))
        return max(self.floor_s, retry_after_s, random.uniform(0.0, ceiling))


@dataclass(frozen=True, slots=True)
class CrashWindow:
    """So many crashes within so many seconds are too many."""

    limit: int = 3
    within_s: float = 60.0

    def after(self, crashes: Iterable[float], now: float) -> tuple[float, ...]:
        """The crash times that still count, the one at `now` included."""
        return (*(at for at in crashes if now - at < self.within_s), now)

    def exceeded(self, crashes: Iterable[float]) -> bool:
        """Whether these are too many."""
        return len(tuple(crashes)) >= self.limit


@dataclass(frozen=True, slots=True)
class CorrelationBreaker:
    """When many rooms fail the same way at once, it is not the rooms.

    Trips when more than `share` of the active rooms, and at least `at_least` of them, have failed
    with the same kind of error within `within_s` seconds.
    """

    share: float = 1 / 3
    at_least: int = 5
    within_s: float = 30.0

    def trips(self, failures: Iterable[tuple[float, Hashable]], active: int, now: float) -> bool:
        """`failures` are the times and rooms of one kind of error."""
        rooms = {room for at, room in failures if now - at <= self.within_s}
        return len(rooms) >= self.at_least and len(rooms) > self.share * active


class Failures(Generic[HashableT]):
    """The latest failures of many actors. Times are in seconds of any steady clock."""

    def __init__(self, breaker: CorrelationBreaker) -> None:
        self._breaker = breaker
        self._latest: deque[tuple[float, type[Exception], HashableT]] = deque(maxlen=1000)

    def shared(
        self, actor: HashableT, error: Exception, now: float, active: Callable[[], int]
    ) -> set[HashableT]:
        """Count one more failure; the actors that fail this way now, where the breaker trips.

        `active` counts the actors at work. Empty: the failure is the actor's own affair.
        """
        self._latest.append((now, type(error), actor))
        same = [
            (at, other)
            for at, kind, other in self._latest
            if kind is type(error) and now - at <= self._breaker.within_s
        ]
        if len(same) < self._breaker.at_least or not self._breaker.trips(same, active(), now):
            return set()
        return {other for _, other in same}
