"""Messages to a service manager: systemd's sd_notify(3), datagrams to the socket that it names."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog

from supervisor.lifecycle import State
from supervisor.text.plain import harmless

_log = structlog.get_logger()

KEEP_ALIVE_EVERY_S: Final = 20.0
"""The longest pause between keep-alive messages; the watchdog may ask for a shorter one."""
STARTUP_MARGIN_S: Final = 120.0
"""Until the bot is live for the first time, each keep-alive extends the start by this much."""
_STATUS_LIMIT: Final = 200


@dataclass(slots=True)
class ServiceManager:
    """Sends messages to a service manager; does nothing without one. Never raises."""

    address: str | None = None
    """The path of the socket. A path that begins with @ is in the abstract namespace."""
    watchdog_s: float | None = None
    """The watchdog expects a keep-alive within this time."""
    _ready: bool = field(default=False, init=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ServiceManager":
        """The service manager that started this process, according to its variables."""
        pid = environment.get("WATCHDOG_PID", str(os.getpid()))
        micros = environment.get("WATCHDOG_USEC", "")
        watched = pid == str(os.getpid()) and micros.isdecimal() and int(micros) > 0
        return cls(environment.get("NOTIFY_SOCKET") or None, int(micros) / 1e6 if watched else None)

    def changed(self, state: State, reason: str) -> None:
        """Report that the bot has entered another state."""
        sentence = harmless(f"{state}: {reason}" if reason else str(state))
        lines = [f"STATUS={sentence[:_STATUS_LIMIT]}"]
        if state is State.LIVE and not self._ready:
            self._ready = True
            lines.insert(0, "READY=1")
        self._send(*lines)

    def standing_by(self, reason: str) -> None:
        """Report that this process stands by: for a service manager, it is ready."""
        self.ready(f"standby: {reason}")

    def ready(self, sentence: str) -> None:
        """Report that this process does what it was started for, and how it is."""
        lines = [f"STATUS={harmless(sentence)[:_STATUS_LIMIT]}"]
        if not self._ready:
            self._ready = True
            lines.insert(0, "READY=1")
        self._send(*lines)

    def stopping(self, reason: str) -> None:
        """Report that the bot was asked to stop."""
        self._send("STOPPING=1", f"STATUS=stopping: {harmless(reason)}")

    async def keep_alive(self, is_stuck: Callable[[], bool]) -> None:
        """Send keep-alive messages while the bot is not stuck. Runs until cancelled.

        A running event loop is needed to send them; `is_stuck` checks the rest of the bot.
        """
        if self.address is None:
            return
        logged = False
        while True:
            stuck = is_stuck()
            if stuck and not logged:
                _log.error("no_progress", watchdog_s=self.watchdog_s)
            logged = stuck
            if not stuck:
                self.alive()
            await anyio.sleep(min(KEEP_ALIVE_EVERY_S, (self.watchdog_s or KEEP_ALIVE_EVERY_S) / 3))

    def alive(self) -> None:
        """Send one keep-alive message."""
        if self._ready:
            self._send("WATCHDOG=1")
        else:
            self._send("WATCHDOG=1", f"EXTEND_TIMEOUT_USEC={STARTUP_MARGIN_S * 1e6:.0f}")

    def _send(self, *lines: str) -> None:
        if self.address is None:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
                datagrams.settimeout(0)
                datagrams.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            _log.warning("service_manager_not_reached", reason=str(error))
