"""Shows the messages of one room as read."""

import math
from collections.abc import Sequence

import anyio

from actors.model import EventId, RoomId
from actors.port_errors import RateLimited
from actors.ports import Waiting
from actors.services import Services


class Receipts:
    """The read receipts of one room."""

    def __init__(self, room_id: RoomId, services: Services) -> None:
        self._room_id = room_id
        self._services = services
        self._shown: EventId | None = None
        """The message of the latest read receipt, sent or pending."""
        self._pending = False
        self._sent_at = -math.inf
        """When the latest read receipt was sent."""

    def show(self, waiting: Sequence[Waiting]) -> None:
        """Show all waiting messages as read, with one receipt for the newest."""
        if self._shown not in {item.message.event_id for item in waiting}:
            pending, self._shown = self._pending, waiting[-1].message.event_id
            self._pending = True
            if not pending:
                self._services.system.background.run(self._mark_read)

    async def _mark_read(self) -> None:
        """Send the pending receipt after a moment, so that a quick reply goes first.

        In a quick exchange one receipt shows what was said in a while. A rate limit is waited out,
        unless a later receipt is pending by then: that one includes it.
        """
        bounds = self._services.bounds
        next_at = self._sent_at + bounds.read_every_s
        pause_s = max(bounds.read_after_s, next_at - anyio.current_time())
        while self._pending:
            await anyio.sleep(pause_s)
            self._pending = False
            if self._shown is None:
                return
            self._sent_at = anyio.current_time()
            try:
                await self._services.homeserver.mark_read(self._room_id, self._shown)
            except RateLimited as limit:
                if self._pending:
                    return
                self._pending, pause_s = True, limit.retry_after_s
            else:
                return
