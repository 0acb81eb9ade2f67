"""Another program that uses the bot's account under the bot's device id."""

from typing import Final

from tests.simulation.process import BOT
from tests.simulation.server import SimulatedServer

LOOKS_EVERY_S: Final = 1.0


class Rival:
    """While it is `there`, it logs in whenever its session has ended, which ends the bot's."""

    def __init__(self, server: SimulatedServer, device_id: str = "SURFACESBOT") -> None:
        self.there = False
        self._server = server
        self._device_id = device_id
        self._token: str | None = None

    def come(self) -> None:
        """Log in, and come back whenever that is needed."""
        if not self.there:
            self.there = True
            self._look()

    def _look(self) -> None:
        if not self.there:
            return
        sessions = self._server.sessions
        if not sessions.is_good(BOT, self._device_id, self._token):
            self._token = sessions.log_in(BOT, self._device_id)
            self._server.wake()
        self._server.later(LOOKS_EVERY_S, self._look)
