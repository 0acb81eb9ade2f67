"""Access tokens of the simulated server: one for each device of a user."""

import random

from actors.model import UserId


class Sessions:
    """The valid access token of each user and device."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._tokens: dict[tuple[UserId, str], str] = {}

    def log_in(self, user_id: UserId, device_id: str) -> str:
        """Return a new token. The device's earlier token becomes invalid."""
        token = f"syt_{self._rng.getrandbits(64):016x}"
        self._tokens[user_id, device_id] = token
        return token

    def present(self, user_id: UserId, device_id: str) -> str | None:
        """The valid token of a device, if it has one."""
        return self._tokens.get((user_id, device_id))

    def is_good(self, user_id: UserId, device_id: str, token: str | None) -> bool:
        """Whether a token is valid for this device."""
        return token is not None and self.present(user_id, device_id) == token

    def revoke(self, user_id: UserId) -> None:
        """End all sessions of a user."""
        for user, device_id in tuple(self._tokens):
            if user == user_id:
                del self._tokens[user, device_id]
