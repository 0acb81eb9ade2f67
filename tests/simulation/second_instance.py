"""A second instance: another program that uses the bot's account and device id."""

from typing import Final

from tests.simulation.process import BOT
from tests.simulation.server import SimulatedServer

CHECK_EVERY_S: Final = 1.0


class SecondInstance:
    """While `running`, it logs in whenever its session has ended, which ends the bot's session."""

    def __init__(self, server: SimulatedServer, device_id: str = "SURFACESBOT") -> None:
        self.running = False
        self._server = server
        self._device_id = device_id
        self._token: str | None = None

    def start(self) -> None:
        """Log in, and log in again whenever the session has ended, until `running` is false."""
        if not self.running:
            self.running = True
            self._check_session()

    def _check_session(self) -> None:
        if not self.running:
            return
        sessions = self._server.sessions
        if not sessions.is_good(BOT, self._device_id, self._token):
            self._token = sessions.log_in(BOT, self._device_id)
            self._server.wake()
        self._server.later(CHECK_EVERY_S, self._check_session)
