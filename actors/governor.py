"""Decides whether the bot may show more of a growing answer now, for the whole account."""

from collections.abc import Callable

import anyio
import structlog

from actors.bounds import Bounds
from actors.meter import Meter
from actors.rules.bucket import Verdict, after_limit, after_question, after_request, full_bucket

_log = structlog.get_logger()


def _never() -> bool:
    return False


class Governor:
    """Lets live edits pass while nothing else needs the account's rate limit. It never waits.

    `is_busy` says whether a message waits to be sent in any room. `meter` counts the answers of
    `allows`. `actors.rules.bucket` has the decisions.
    """

    def __init__(
        self,
        bounds: Bounds,
        is_busy: Callable[[], bool] = _never,
        *,
        meter: Meter | None = None,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._limits = bounds.live_edits
        self._is_busy = is_busy
        self._meter = meter or Meter()
        self._clock = clock
        self._bucket = full_bucket(self._limits)

    @property
    def per_s(self) -> float:
        """How many live edits a second the account may send for long, if it sends nothing else."""
        return self._bucket.per_s

    def allows(self) -> bool:
        """Whether an anchor or a live edit may be sent now. If so, it is counted."""
        self._bucket, verdict = after_question(
            self._bucket, self._clock(), self._limits, is_busy=self._is_busy()
        )
        self._meter.live_edits[verdict] += 1
        return verdict is Verdict.SENT

    def spent(self) -> None:
        """Count a request, other than those that `allows` has counted, that writes an event."""
        self._bucket = after_request(self._bucket, self._clock(), self._limits)

    def limited(self, retry_after_s: float) -> None:
        """Note that the homeserver has limited the account.

        A second limit in the pause after the first one only makes that pause longer.
        """
        before = self._bucket.per_s
        self._bucket = after_limit(self._bucket, self._clock(), self._limits, retry_after_s)
        if self._bucket.per_s != before:
            _log.info("live_edits_limited", per_s=round(self._bucket.per_s, 3))
