"""The end of the process, and the signals that ask for it."""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field

import anyio
import structlog

from supervisor.notify import ServiceManager
from supervisor.supervisor import Supervisor

_log = structlog.get_logger()


@dataclass(slots=True)
class StopSignals:
    """SIGTERM and SIGINT, from the start of the first bot to the end of the last one."""

    manager: ServiceManager
    _reason: str | None = field(default=None, init=False)
    _supervisor: Supervisor | None = field(default=None, init=False)
    _asked: anyio.Event = field(default_factory=anyio.Event, init=False)

    def stops(self, supervisor: Supervisor) -> None:
        """Stop this bot from now on: at once, if a signal has come already."""
        self._supervisor = supervisor
        if self._reason is not None:
            supervisor.request_stop(self._reason)

    async def receive(self) -> None:
        """Request a stop on a signal. Further signals do not interrupt the stopping bot."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                reason = signal.Signals(number).name
                _log.info("stop_requested", signal=reason)
                self.manager.stopping(reason)
                self._reason = self._reason or reason
                self._asked.set()
                if self._supervisor is not None:
                    self._supervisor.request_stop(reason)

    async def pause(self, seconds: float) -> None:
        """Wait for so long, or until a signal comes."""
        with anyio.move_on_after(seconds):
            await self._asked.wait()


def end_process_within(seconds: float, code: int) -> None:
    """End the process with this exit code, if it still exists after so many seconds.

    Called when all files are closed. A task that swallows its cancellation, or a thread that does
    not return, could otherwise keep the process for ever. Signals no longer interrupt the end.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end, args=(seconds, code), name="end", daemon=True).start()


def _end(seconds: float, code: int) -> None:
    time.sleep(seconds)
    threads = [each.name for each in threading.enumerate() if not each.daemon]
    _log.error("ended_by_force", threads=threads, reason="a task or a thread does not end")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
