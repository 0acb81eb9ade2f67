"""The numbers that the bot counts about itself, for the status page and the metrics."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import anyio

from actors.runtime.counting import Histogram, RuntimeMeter

REPLY_BOUNDS_S: Final = (
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0,
)  # fmt: skip
"""A platform takes between an instant and an hour."""
REPLY_OUTCOMES: Final = ("done", "stopped", "refused", "failed", "dropped", "retried")
"""The outcomes of replies: `failed` is given up, `retried` is not, and `dropped` is not said."""
TOKEN_KINDS: Final = ("prompt", "completion")
"""The kinds of tokens that a reply takes."""

LIVE_EDIT_OUTCOMES: Final = ("sent", "busy", "limited", "no_token")
"""What became of live edits: sent, or left out for one of three reasons. See `Governor`."""


def _of_replies() -> Histogram:
    return Histogram(REPLY_BOUNDS_S)


@dataclass(slots=True)
class Meter(RuntimeMeter):
    """The numbers of one bot."""

    requests: Histogram = field(default_factory=Histogram)
    """How long the homeserver took to answer, without the long poll of /sync."""
    answers: Counter[str] = field(default_factory=Counter)
    """Answers of the homeserver by outcome: `ok`, or the name of the port's error."""
    malformed: int = 0
    """Parts of the homeserver's answers that were left out, because they could not be decoded."""
    replies: Counter[str] = field(default_factory=Counter)
    """Ended replies by outcome, see REPLY_OUTCOMES."""
    first_token: Histogram = field(default_factory=_of_replies)
    """How long the platform took to say the first word of a reply."""
    reply: Histogram = field(default_factory=_of_replies)
    """How long the platform took for a whole reply."""
    tokens: Counter[str] = field(default_factory=Counter)
    """Tokens that replies took, see TOKEN_KINDS."""
    live_edits: Counter[str] = field(default_factory=Counter)
    """Live edits and anchors by outcome, see LIVE_EDIT_OUTCOMES."""
    finals_repeated: int = 0
    """Ends of answers that were sent once more, because a late live edit had covered them."""
    beat_at: float = 0.0
    """When the serving loop last made progress, in anyio's time."""

    def beat(self) -> None:
        """Record that the serving loop makes progress."""
        self.beat_at = anyio.current_time()
