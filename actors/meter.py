"""What the running bot counts about itself; the status page and the metrics show it."""

from collections import Counter
from dataclasses import dataclass, field

import anyio

from actors.runtime.counting import Histogram, RuntimeMeter


@dataclass(slots=True)
class Meter(RuntimeMeter):
    """The numbers of one bot."""

    requests: Histogram = field(default_factory=Histogram)
    """How long the homeserver took for an answer; waiting for news in /sync is not counted."""
    answers: Counter[str] = field(default_factory=Counter)
    """Requests to the homeserver by outcome: `ok`, or the name of the port's error."""
    beat_at: float = 0.0
    """When the serving loop last made progress, in anyio's time."""

    def beat(self) -> None:
        """Note that the serving loop makes progress."""
        self.beat_at = anyio.current_time()
