"""Rate limits of the simulated server, like those of a stock Synapse."""

from dataclasses import dataclass, field
from typing import Final

from actors.model import UserId
from actors.port_errors import RateLimited

STOCK_BURST: Final = 10
STOCK_CREATIONS_PER_S: Final = 1 / 60
STOCK_WRITES_PER_S: Final = 0.2


@dataclass(slots=True)
class RateLimit:
    """A leaky bucket for each user: `burst` requests at once, then `per_s` per second."""

    burst: int
    per_s: float
    _levels: dict[UserId, tuple[float, float]] = field(default_factory=dict)

    def take(self, user_id: UserId, now: float) -> None:
        """Count one request at `now` (seconds). Raises RateLimited and does not count it then."""
        self._levels[user_id] = (self.check(user_id, now) + 1, now)

    def check(self, user_id: UserId, now: float) -> float:
        """The level at `now`. Raises RateLimited if the next request would be refused."""
        level, then = self._levels.get(user_id, (0.0, now))
        level = max(0.0, level - (now - then) * self.per_s)
        excess = level + 1 - self.burst
        if excess > 1e-9:
            raise RateLimited(excess / self.per_s)
        return level

    def give_back(self, user_id: UserId) -> None:
        """Take back the count of a request that changed nothing."""
        level, then = self._levels[user_id]
        self._levels[user_id] = (level - 1, then)


def stock_creation_limit() -> RateLimit:
    """10 room creations in a burst, then one per minute."""
    return RateLimit(STOCK_BURST, STOCK_CREATIONS_PER_S)


def stock_write_limit() -> RateLimit:
    """10 joins, invites, state writes and messages in a burst, then one per 5 s."""
    return RateLimit(STOCK_BURST, STOCK_WRITES_PER_S)
