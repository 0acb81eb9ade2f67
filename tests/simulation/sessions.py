"""Access tokens of the simulated server: one for each device of a user."""

import random

from actors.model import UserId


class Sessions:
    """Which access token is good for whom."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._tokens: dict[tuple[UserId, str], str] = {}

    def log_in(self, user_id: UserId, device_id: str) -> str:
        """A new token. The device's earlier one is no longer good."""
        token = f"syt_{self._rng.getrandbits(64):016x}"
        self._tokens[user_id, device_id] = token
        return token

    def is_good(self, user_id: UserId, device_id: str, token: str | None) -> bool:
        """Whether a token opens this device's session."""
        return token is not None and self._tokens.get((user_id, device_id)) == token

    def revoke(self, user_id: UserId) -> None:
        """End every session of a user."""
        for user, device_id in tuple(self._tokens):
            if user == user_id:
                del self._tokens[user, device_id]
