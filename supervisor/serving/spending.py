"""Telling the governor what the account's rate limit counts: requests that write events."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, TypeVar

from actors.governor import Governor
from actors.model import EventId, OutboundKind, OutboundMessage, RoomId
from actors.port_errors import RateLimited
from supervisor.serving.refusals import Refusals

A = TypeVar("A")

OF_THE_ACCOUNT_UP_TO_S: Final = 30.0
"""A request other than a message that has to wait longer has a limit of its own, such as that for
new rooms or that of an invited person."""


@dataclass(frozen=True, slots=True)
class Spending:
    """Awaits requests that write events. Raises what the requests raise.

    Typing notices, read receipts, files, account data and everything that reads have other limits.
    """

    refusals: Refusals
    governor: Governor

    async def write(
        self, request: Awaitable[A], room_id: RoomId | None = None, *, joining: bool = False
    ) -> A:
        """Await a request and count it. Its refusal for now is noted."""
        return await self.count(self.refusals.watch(request, room_id, joining=joining))

    async def count(self, request: Awaitable[A]) -> A:
        """Await a request and count it."""
        self.governor.spent()
        return await self._noting_limits(request, OF_THE_ACCOUNT_UP_TO_S)

    async def send(self, request: Awaitable[EventId], message: OutboundMessage) -> EventId:
        """Await the sending of a message. The governor has counted anchors and live edits."""
        if message.kind not in {OutboundKind.ANCHOR, OutboundKind.LIVE}:
            self.governor.spent()
        watched = self.refusals.watch(request, message.room_id)
        return await self._noting_limits(watched, float("inf"))

    async def _noting_limits(self, request: Awaitable[A], up_to_s: float) -> A:
        try:
            return await request
        except RateLimited as limit:
            if limit.retry_after_s <= up_to_s:
                self.governor.limited(limit.retry_after_s)
            raise
