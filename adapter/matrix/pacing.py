"""Keeping to a rate limit that many requests share."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from actors.ports import RateLimited

SHARED_UP_TO_S: Final = 30.0
"""A longer wait is not the account's but one request's own: an invitee has had enough of them."""
WAIT_UP_TO_S: Final = 10.0
"""Who would have to wait longer is sent away with RateLimited, to come again."""
CALM_S: Final = 15.0
"""How long after the last refusal requests still follow each other at a distance."""

A = TypeVar("A")


class Pace:
    """Lets requests that share a limit follow each other, once the homeserver has refused one.

    If they all came again at the same moment, one would pass and the others be refused: that costs
    more than time, since Synapse counts a refused invite towards the invitee's limit.
    """

    def __init__(self) -> None:
        self._distance_s = 0.0
        self._next_at = 0.0
        self._calm_at = 0.0

    async def keep(self, request: Callable[[], Awaitable[A]]) -> A:
        """Make a request when its turn comes. Raises RateLimited, too, where that is too late.

        Whose turn came a little early, because the distance was too short, does not lose it.
        """
        had_turn = await self._turn()
        try:
            return await request()
        except RateLimited as limit:
            if limit.retry_after_s > SHARED_UP_TO_S:
                raise
            self._slow_down(limit.retry_after_s, had_turn=had_turn)
            if not had_turn or limit.retry_after_s > WAIT_UP_TO_S:
                raise
            await anyio.sleep(limit.retry_after_s)
        return await request()

    async def _turn(self) -> bool:
        """Wait for a turn; False: there are none at the moment, everybody may go."""
        now = anyio.current_time()
        if now >= self._calm_at:
            return False
        wait_s = max(0.0, self._next_at - now)
        if wait_s > WAIT_UP_TO_S:
            raise RateLimited(wait_s)
        self._next_at = now + wait_s + self._distance_s
        await anyio.sleep(wait_s)
        return True

    def _slow_down(self, retry_after_s: float, *, had_turn: bool) -> None:
        now = anyio.current_time()
        if had_turn:
            self._distance_s = min(self._distance_s + retry_after_s, SHARED_UP_TO_S)
            after_us = now + retry_after_s + self._distance_s
            self._next_at = max(self._next_at + retry_after_s, after_us)
        else:
            known_s = self._distance_s if now < self._calm_at else 0.0
            self._distance_s = max(retry_after_s, known_s)
            self._next_at = max(self._next_at, now + retry_after_s)
        self._calm_at = now + retry_after_s + CALM_S
