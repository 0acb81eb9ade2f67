"""Spacing out requests that share one rate limit."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio

from actors.port_errors import RateLimited

SHARED_UP_TO_S: Final = 30.0
"""A longer wait concerns one request only, such as the invitee's own limit, not the account."""
WAIT_UP_TO_S: Final = 10.0
"""A request that would wait longer raises RateLimited instead; the caller repeats it later."""
SPACED_FOR_S: Final = 15.0
"""Requests stay spaced out for this long after the last refusal."""
URGENT_IN_A_ROW: Final = 3
"""Urgent requests that go before another one, at most, if that one waits."""

A = TypeVar("A")


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A request that waits for its turn."""

    urgent: bool


class Pace:
    """Sends requests that share a limit one after another once the homeserver has refused one.

    If all of them were repeated at the same moment, one would pass and the others would be refused
    again. Synapse counts a refused invite towards the invitee's limit, so refusals are not free.
    Urgent requests go first: what the bot says to people does not wait for rooms that it creates.
    """

    def __init__(self) -> None:
        self._distance_s = 0.0
        self._next_at = 0.0
        self._spaced_until = 0.0
        self._waiting: list[_Waiting] = []
        self._urgent_in_a_row = 0

    async def send(self, request: Callable[[], Awaitable[A]], *, urgent: bool = False) -> A:
        """Send a request at its turn. Also raises RateLimited if the turn is too far in the future.

        A request that had a turn and is still refused, because the distance was too short, is
        repeated once after the wait.
        """
        had_turn = await self._wait_for_turn(_Waiting(urgent))
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

    async def _wait_for_turn(self, waiting: _Waiting) -> bool:
        """Wait for a request's turn; False if requests need no turns at the moment."""
        if anyio.current_time() >= self._spaced_until:
            return False
        self._waiting.append(waiting)
        try:
            while (wait_s := self._wait_s(waiting)) > 0:
                if wait_s > WAIT_UP_TO_S:
                    raise RateLimited(wait_s)
                await anyio.sleep(wait_s)
        finally:
            self._waiting.remove(waiting)
        self._next_at = anyio.current_time() + self._distance_s
        self._urgent_in_a_row = self._urgent_in_a_row + 1 if waiting.urgent else 0
        return True

    def _wait_s(self, waiting: _Waiting) -> float:
        """The time until a request's turn, if no other request comes before it."""
        urgent = [it for it in self._waiting if it.urgent]
        others = [it for it in self._waiting if not it.urgent]
        first = others[:1] if self._urgent_in_a_row >= URGENT_IN_A_ROW else []
        in_order = [*first, *urgent, *others[len(first) :]]
        until_next_s = max(0.0, self._next_at - anyio.current_time())
        return until_next_s + in_order.index(waiting) * self._distance_s

    def _slow_down(self, retry_after_s: float, *, had_turn: bool) -> None:
        now = anyio.current_time()
        if had_turn:
            self._distance_s = min(self._distance_s + retry_after_s, SHARED_UP_TO_S)
            after_us = now + retry_after_s + self._distance_s
            self._next_at = max(self._next_at + retry_after_s, after_us)
        else:
            known_s = self._distance_s if now < self._spaced_until else 0.0
            self._distance_s = max(retry_after_s, known_s)
            self._next_at = max(self._next_at, now + retry_after_s)
        self._spaced_until = now + retry_after_s + SPACED_FOR_S
