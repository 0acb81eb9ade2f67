"""Decides whether the bot may show more of a growing answer now, for the whole account."""

from collections.abc import Callable

from actors.bounds import Bounds


def _never() -> bool:
    return False


class Governor:
    """Lets live edits pass while nothing else needs the account's rate limit. It never waits.

    `is_busy` says whether something unsent waits in any room.
    """

    def __init__(self, bounds: Bounds, is_busy: Callable[[], bool] = _never) -> None:
        self._bounds = bounds
        self.is_busy = is_busy

    def allows(self) -> bool:
        """Whether an anchor or a live edit may be sent now. If so, it is counted."""
        return not self.is_busy()

    def spent(self) -> None:
        """Count a request that the account's rate limit counts."""

    def limited(self) -> None:
        """Note that the homeserver has limited the account."""
