"""A process for each account: a small parent starts them, and starts again what has ended.

A child is a fork of the parent, so they share the memory of the modules that the parent has loaded.
The parent runs neither threads nor an event loop.
"""

import math
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import structlog

from actors.bounds import Bounds
from supervisor.app.spread import Led
from supervisor.lock import silence_s
from supervisor.notify import KEEP_ALIVE_EVERY_S, ServiceManager

_log = structlog.get_logger()

EXIT_REFUSED: Final = 78
_EXIT_FAILED: Final = 1
_STOPS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_SIGNALS: Final = frozenset({*_STOPS, signal.SIGCHLD})
_LOOKS: Final = 2
"""A process is killed after so many looks at which it was silent for too long: after a pause of the
whole machine, it has the time between them to show that it lives."""


class Ended(Exception):
    """All processes have ended, and the parent ends with this exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class Child:
    """The process of an account, and when it is started again. Times are those of one clock."""

    name: str
    store_path: Path | None
    """The folder that it holds, in which it leaves signs of life."""
    pid: int | None = None
    began: float = 0.0
    due: float = 0.0
    """When it is started, unless it runs; infinite if it must not be."""
    failures: int = 0
    silent_looks: int = 0

    def started(self, pid: int, now: float) -> None:
        """Note a new process."""
        self.pid, self.began, self.silent_looks = pid, now, 0

    def ended(self, code: int, now: float, bounds: Bounds, random: Random) -> None:
        """Note the end of the process, and when another one is started.

        The pause grows with each end that comes soon after the start. Refused settings or
        credentials are not tried again.
        """
        was_well = now - self.began >= bounds.healthy_after_s
        self.pid, self.failures = None, 1 if was_well else self.failures + 1
        pause_s = bounds.probe.delay_s(self.failures, random)
        self.due = math.inf if code == EXIT_REFUSED else now + pause_s

    def is_frozen(self, silence: float | None, bounds: Bounds) -> bool:
        """Whether the process was silent for too long, at this look and the one before.

        `silence` is in seconds; None if the process does not hold its store folder.
        """
        is_silent = silence is not None and silence > bounds.silent_s
        self.silent_looks = self.silent_looks + 1 if is_silent else 0
        return self.silent_looks >= _LOOKS


class Parent:
    """Starts the process of each child, and again after it has ended. `serve` does all of it."""

    def __init__(
        self,
        children: Sequence[Child],
        led: Led,
        manager: ServiceManager,
        bounds: Bounds = Bounds(),
    ) -> None:
        self._children = children
        self._led = led
        self._manager = manager
        self._bounds = bounds
        self._random = Random()  # noqa: S311
        self._stopping = False
        self._look_due = -math.inf

    def serve(self) -> int:
        """Return the number of its account in each child, and raise Ended in the parent.

        The children have the signal handlers that the caller has set. If the parent dies, they are
        stopped as by SIGTERM.
        """
        signals, lifeline = _Signals(), _Lifeline()
        while True:
            for number in self._due():
                if self._fork(number):
                    signals.restore()
                    lifeline.hold()
                    return number
            self._look()
            for received in signals.wait(self._pause_s()):
                self._stop(received)
            self._reap()
            if self._is_over():
                raise Ended(0 if self._stopping else EXIT_REFUSED)

    def _due(self) -> list[int]:
        now = time.monotonic()
        waiting = [n for n, child in enumerate(self._children) if child.pid is None]
        return [n for n in waiting if self._children[n].due <= now and not self._stopping]

    def _pause_s(self) -> float:
        due = [child.due for child in self._children if child.pid is None and not self._stopping]
        return max(0.0, min([*due, self._look_due]) - time.monotonic())

    def _is_over(self) -> bool:
        return all(
            child.pid is None and (self._stopping or child.due == math.inf)
            for child in self._children
        )

    def _fork(self, number: int) -> bool:
        """Start the process of a child. Returns whether this is that process.

        There, signals are blocked until its handlers are set.
        """
        child = self._children[number]
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            pid = os.fork()
        except OSError as error:
            _log.error("account_not_started", account=child.name, reason=str(error))
            child.ended(_EXIT_FAILED, time.monotonic(), self._bounds, self._random)
            pid = -1
        if pid == 0:
            return True
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        if pid > 0:
            child.started(pid, time.monotonic())
            _log.info("account_started", account=child.name, pid=pid)
        return False

    def _look(self) -> None:
        """Tell the service manager how it is, and kill what is frozen. Not too often."""
        now = time.monotonic()
        if now < self._look_due:
            return
        self._look_due = now + min(
            KEEP_ALIVE_EVERY_S, (self._manager.watchdog_s or KEEP_ALIVE_EVERY_S) / 3
        )
        running = [child for child in self._children if child.pid is not None]
        for child in running:
            folder = child.store_path
            silence = None if folder is None else silence_s(folder, time.time())
            if child.is_frozen(silence, self._bounds):
                _log.error("account_frozen", account=child.name, pid=child.pid)
                _send(child, signal.SIGKILL)
        led = self._led.count()
        self._manager.alive()
        self._manager.ready(
            f"{len(running)} of {len(self._children)} accounts run here, {led} are led"
        )

    def _stop(self, received: signal.Signals) -> None:
        """Stop all children on the first signal that asks for it."""
        if received not in _STOPS or self._stopping:
            return
        self._stopping = True
        _log.info("stop_requested", signal=received.name)
        self._manager.stopping(received.name)
        for child in self._children:
            _send(child, signal.SIGTERM)

    def _reap(self) -> None:
        for number, child in enumerate(self._children):
            if child.pid is None:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid == 0:
                continue
            code, now = os.waitstatus_to_exitcode(status), time.monotonic()
            self._led.note(number, leads=False)
            child.ended(code, now, self._bounds, self._random)
            self._tell_end(child, code, child.due - now)

    def _tell_end(self, child: Child, code: int, pause_s: float) -> None:
        """Log the end of a process. A negative code is that of the signal that ended it."""
        if self._stopping:
            _log.info("account_ended", account=child.name, code=code)
        elif code == EXIT_REFUSED:
            _log.error("account_refused", account=child.name, code=code)
        else:
            _log.warning("account_ended", account=child.name, code=code, again_in_s=round(pause_s))


def _send(child: Child, number: signal.Signals) -> None:
    if child.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(child.pid, number)


class _Signals:
    """The signals of the parent, from its making until `restore`, which is for the children."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.settimeout(0)
        self._sender.settimeout(0)
        self._woken = signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, _ignore) for number in _SIGNALS}

    def wait(self, timeout_s: float) -> list[signal.Signals]:
        """The next signals; empty after so many seconds."""
        select.select([self._receiver], [], [], timeout_s)
        with suppress(BlockingIOError):
            return [signal.Signals(number) for number in self._receiver.recv(4096)]
        return []

    def restore(self) -> None:
        """Set the handlers that were there before, and let signals through."""
        signal.set_wakeup_fd(self._woken)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._receiver.close()
        self._sender.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _ignore(*_: object) -> None:
    """Do nothing: the number of the signal is on the socket."""


class _Lifeline:
    """A pipe that closes when the parent dies, however it does."""

    def __init__(self) -> None:
        self._ours, self._parents = os.pipe()

    def hold(self) -> None:
        """In a child: stop this process when the parent has died."""
        os.close(self._parents)
        threading.Thread(target=self._wait, name="lifeline", daemon=True).start()

    def _wait(self) -> None:
        os.read(self._ours, 1)
        os.kill(os.getpid(), signal.SIGTERM)
