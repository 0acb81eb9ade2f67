"""What a service manager is told: systemd's sd_notify(3), a datagram to the socket it names."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog

from supervisor.lifecycle import State
from supervisor.text.console import harmless

_log = structlog.get_logger()

FEED_S: Final = 20.0
"""Signs of life are given this often, or as often as the watchdog asks for."""
STARTUP_MARGIN_S: Final = 120.0
"""Until the bot is live for the first time, each sign of life extends the start by so much."""
_STATUS_LIMIT: Final = 200


@dataclass(slots=True)
class ServiceManager:
    """Tells a service manager about the bot; does nothing where there is none. Never raises."""

    address: str | None = None
    """The socket's path; one that begins with @ is in the abstract namespace."""
    watchdog_s: float | None = None
    """A sign of life is due within this time."""
    _ready: bool = field(default=False, init=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ServiceManager":
        """The one that started this process, as its variables say."""
        pid = environment.get("WATCHDOG_PID", str(os.getpid()))
        micros = environment.get("WATCHDOG_USEC", "")
        watched = pid == str(os.getpid()) and micros.isdecimal() and int(micros) > 0
        return cls(environment.get("NOTIFY_SOCKET") or None, int(micros) / 1e6 if watched else None)

    def changed(self, state: State, reason: str) -> None:
        """The bot has got to another state."""
        sentence = harmless(f"{state}: {reason}" if reason else str(state))
        lines = [f"STATUS={sentence[:_STATUS_LIMIT]}"]
        if state is State.LIVE and not self._ready:
            self._ready = True
            lines.insert(0, "READY=1")
        self._tell(*lines)

    def stopping(self, reason: str) -> None:
        """The bot has been asked to stop."""
        self._tell("STOPPING=1", f"STATUS=stopping: {harmless(reason)}")

    async def feed(self, is_stuck: Callable[[], bool]) -> None:
        """Give signs of life for as long as there are any. Runs until cancelled.

        That this runs shows that the event loop does; `is_stuck` speaks for the rest.
        """
        if self.address is None:
            return
        said = False
        while True:
            stuck = is_stuck()
            if stuck and not said:
                _log.error("no_progress", watchdog_s=self.watchdog_s)
            said = stuck
            if not stuck:
                self._give_sign()
            await anyio.sleep(min(FEED_S, (self.watchdog_s or FEED_S) / 3))

    def _give_sign(self) -> None:
        if self._ready:
            self._tell("WATCHDOG=1")
        else:
            self._tell("WATCHDOG=1", f"EXTEND_TIMEOUT_USEC={STARTUP_MARGIN_S * 1e6:.0f}")

    def _tell(self, *lines: str) -> None:
        if self.address is None:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
                datagrams.settimeout(0)
                datagrams.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            _log.warning("service_manager_not_reached", reason=str(error))
