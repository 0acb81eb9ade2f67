"""The states of the platform, as far as the bot has seen."""

from enum import StrEnum


class PlatformState(StrEnum):
    """The states of the platform."""

    WELL = "well"
    BUSY = "busy"
    """It asks the bot to wait."""
    UNAVAILABLE = "unavailable"
    """It gives no answers: all questions wait."""
    MISCONFIGURED = "misconfigured"
    """It refuses the bot itself: all questions wait until an operator mends that."""
