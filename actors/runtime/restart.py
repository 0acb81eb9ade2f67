"""Backoff, the crash window and the breaker. Pure: time and randomness are parameters."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from random import Random
from typing import Final, Generic, TypeVar

HashableT = TypeVar("HashableT", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter: uniform between 0 and a ceiling that doubles.

    See "Exponential Backoff And Jitter" (AWS Architecture Blog). No delay is shorter than
    `floor_s`, and no ceiling is higher than `cap_s`.
    """

    base_s: float = 1.0
    cap_s: float = 60.0
    floor_s: float = 1.0

    def delay_s(self, attempt: int, random: Random, retry_after_s: float = 0.0) -> float:
        """The delay after attempt number `attempt` (from 1), never below `retry_after_s`."""
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(attempt, 16))
        return max(self.floor_s, retry_after_s, random.uniform(0.0, ceiling))


@dataclass(frozen=True, slots=True)
class Streak:
    """The failures of one subject since it was last well for a while. Times are in seconds."""

    failures: int = 0
    well_since: float | None = None
    """The first success after the latest failure; None if there is none."""

    @property
    def is_failing(self) -> bool:
        """Whether the latest attempt has failed."""
        return self.failures > 0 and self.well_since is None

    def failed(self, now: float, healthy_after_s: float) -> "Streak":
        """The streak after one more failure: it begins anew if the subject was well meanwhile."""
        return Streak(1 if self.was_well(now, healthy_after_s) else self.failures + 1)

    def succeeded(self, now: float) -> "Streak":
        """The streak after a success. It ends only when no failure follows for a while."""
        if self.failures == 0 or self.well_since is not None:
            return self
        return Streak(self.failures, now)

    def was_well(self, now: float, healthy_after_s: float) -> bool:
        """Whether the subject is well, and has been for so many seconds."""
        if self.well_since is None:
            return self.failures == 0
        return now - self.well_since >= healthy_after_s


WELL: Final = Streak()
"""The streak of a subject without failures."""


@dataclass(frozen=True, slots=True)
class CrashWindow:
    """The rule that `limit` crashes within `within_s` seconds are too many."""

    limit: int = 3
    within_s: float = 60.0

    def after(self, crashes: Iterable[float], now: float) -> tuple[float, ...]:
        """The times of the crashes that still count, with one more at `now`."""
        return (*(at for at in crashes if now - at < self.within_s), now)

    def exceeded(self, crashes: Iterable[float]) -> bool:
        """Whether these crashes are too many."""
        return len(tuple(crashes)) >= self.limit

    def allowing_another(self, crashes: tuple[float, ...]) -> tuple[float, ...]:
        """The latest of too many crashes, so few that only one more is too many again."""
        return crashes[len(crashes) - self.limit + 1 :]


@dataclass(frozen=True, slots=True)
class CorrelationBreaker:
    """The rule that recognises a common cause when many actors fail the same way at once.

    It trips when more than `share` of the active actors, and at least `at_least` of them, have
    failed with the same type of error within `within_s` seconds.
    """

    share: float = 1 / 3
    at_least: int = 5
    within_s: float = 30.0

    def is_common(self, failing: int, active: int) -> bool:
        """Whether the failures of so many actors have a common cause."""
        return failing >= self.at_least and failing > self.share * active


class Failures(Generic[HashableT]):
    """The latest failures of all actors. Times are in seconds of a monotonic clock."""

    def __init__(self, breaker: CorrelationBreaker) -> None:
        self._breaker = breaker
        self._latest: defaultdict[type[Exception], OrderedDict[HashableT, float]] = defaultdict(
            OrderedDict
        )
        """The time of each actor's latest failure, by type of error; the oldest comes first."""

    def shared(
        self, actor: HashableT, error: Exception, now: float, active: Callable[[], int]
    ) -> AbstractSet[HashableT]:
        """Record a failure; the actors that share it, or an empty set if the breaker holds.

        `active` counts the active actors. It is called only when enough failures have come. The
        result is a view, valid until the next failure: a copy would make many failures slow.
        """
        latest = self._latest[type(error)]
        latest[actor] = now
        latest.move_to_end(actor)
        while now - latest[oldest := next(iter(latest))] > self._breaker.within_s:
            del latest[oldest]
        if len(latest) < self._breaker.at_least:
            return frozenset()
        return latest.keys() if self._breaker.is_common(len(latest), active()) else frozenset()
