"""Whether the platform answers at present, as far as the bot has seen."""

from collections.abc import Callable
from enum import StrEnum


class PlatformState(StrEnum):
    """The states of the platform."""

    WELL = "well"
    BUSY = "busy"
    """It asks the bot to wait."""
    UNAVAILABLE = "unavailable"
    """It answers nobody: all questions wait."""
    MISCONFIGURED = "misconfigured"
    """It refuses the bot itself: all questions wait until an operator mends that."""


class PlatformHealth:
    """The platform's state. `since` is in seconds since the epoch: when the state began."""

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self.state = PlatformState.WELL
        self.reason = ""
        self.since = wall_clock()
