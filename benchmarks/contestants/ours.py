"""The bot, started by its command line, with a stopwatch that reads its log events.

The stopwatch starts at the event `starting` and stops when the lifecycle is `live`: the bot is
ready. If `STOP_WHEN_READY` names a signal, the bot receives it then. `PROFILE_START` and
`PROFILE_LIVE` are paths: the first receives a profile up to that moment, the second a profile of
the time afterwards.
"""

import logging
import os
import signal
from typing import TYPE_CHECKING

from typing_extensions import override

from benchmarks.stopwatch import Stopwatch
from supervisor.cli import main

if TYPE_CHECKING:
    from cProfile import Profile

STOP_WHEN_READY = "BENCHMARK_STOP_WHEN_READY"
PROFILE_START = "BENCHMARK_PROFILE_START"
PROFILE_LIVE = "BENCHMARK_PROFILE_LIVE"


class _Listener(logging.Handler):
    """A log handler that controls the stopwatch and the profiler."""

    def __init__(self) -> None:
        super().__init__()
        self._profile = _profiler() if os.environ.keys() & {PROFILE_START, PROFILE_LIVE} else None
        self._stopwatch = Stopwatch()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        event = record.msg
        match event if isinstance(event, dict) else {}:
            case {"event": "starting"}:
                self._starting()
            case {"event": "lifecycle_transition", "dst": "live"}:
                self._live()
            case {"event": "stop_requested"}:
                self._end_of_profile(PROFILE_LIVE)
            case _:
                pass

    def _starting(self) -> None:
        self._stopwatch = Stopwatch()
        self._begin_of_profile(PROFILE_START)

    def _live(self) -> None:
        self._end_of_profile(PROFILE_START)
        self._stopwatch.ready()
        if STOP_WHEN_READY in os.environ:
            os.kill(os.getpid(), signal.Signals[os.environ[STOP_WHEN_READY]])
        self._begin_of_profile(PROFILE_LIVE)

    def _begin_of_profile(self, variable: str) -> None:
        if self._profile is not None and variable in os.environ:
            self._profile.enable()

    def _end_of_profile(self, variable: str) -> None:
        if self._profile is not None and variable in os.environ:
            self._profile.disable()
            self._profile.dump_stats(os.environ[variable])


def _profiler() -> "Profile":
    from cProfile import Profile  # noqa: PLC0415 - a start that is measured imports no profiler

    return Profile()


def run() -> None:
    """Run the bot until it is stopped."""
    logging.getLogger().addHandler(_Listener())
    main(["run"])


if __name__ == "__main__":
    run()
