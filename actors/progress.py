"""How far long work has come, for the log: a line about every 5 seconds, none for quick work."""

from typing import Final

import anyio
import structlog

_EVERY_S: Final = 5.0

_log = structlog.get_logger("actors.progress")


class Progress:
    """Work with a known end. `event` names it in the log, and `of` is how much there is."""

    def __init__(self, event: str, of: int) -> None:
        self._event = event
        self.of = of
        self._logged_at = anyio.current_time()

    def note(self, done: int) -> None:
        """Log how much is done, unless that was logged a moment ago."""
        now = anyio.current_time()
        if now - self._logged_at >= _EVERY_S:
            self._logged_at = now
            _log.info(self._event, done=done, of=self.of)
