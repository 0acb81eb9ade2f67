"""Delivering the outbox: in order within a room, rooms side by side, until the server confirms.

The transaction id makes a repeated request harmless: the server sends nothing twice.
"""

from random import Random

import anyio
import structlog

from actors.model import OutboundMessage, RoomId
from actors.ports import (
    Homeserver,
    HomeserverRefused,
    HomeserverUnavailable,
    RateLimited,
    StateStore,
)
from actors.restart import Backoff
from actors.system import ActorSystem
from actors.writes import MarkSent

_log = structlog.get_logger()

BATCH = 16


class Outbox:
    """One sender for each room that has something to send; none for the others."""

    def __init__(
        self,
        homeserver: Homeserver,
        store: StateStore,
        system: ActorSystem,
        slots: anyio.CapacityLimiter,
        random: Random,
    ) -> None:
        self._homeserver = homeserver
        self._store = store
        self._system = system
        self._slots = slots
        self._random = random
        self._backoff = Backoff()
        self._sending: dict[RoomId, bool] = {}
        """Rooms with a sender; True when something was queued since it last looked."""

    def wake(self, room_id: RoomId) -> None:
        """Something of this room has been committed to the outbox."""
        known = room_id in self._sending
        self._sending[room_id] = True
        if not known:
            self._system.background(self._send_all, room_id)

    async def _send_all(self, room_id: RoomId) -> None:
        try:
            failures = 0
            while self._system.live:
                self._sending[room_id] = False
                batch = await self._store.unsent(room_id, BATCH)
                if not batch and not self._sending[room_id]:
                    return
                wait_s = await self._send_batch(batch, failures)
                failures = failures + 1 if wait_s else 0
                await anyio.sleep(wait_s)
        finally:
            del self._sending[room_id]

    async def _send_batch(self, batch: tuple[OutboundMessage, ...], failures: int) -> float:
        """Send until the first failure; the seconds to wait after it, 0 when there was none."""
        for message in batch:
            try:
                async with self._slots:
                    event_id = await self._homeserver.send(message)
            except RateLimited as limit:
                return limit.retry_after_s
            except HomeserverUnavailable as error:
                _log.info("send_failed", room_id=message.room_id, error=str(error))
                return self._backoff.delay_s(failures + 1, self._random)
            except HomeserverRefused as refusal:
                _log.warning("send_refused", room_id=message.room_id, reason=str(refusal))
                await self._store.commit([MarkSent(message.txn_id, None)])
            else:
                await self._store.commit([MarkSent(message.txn_id, event_id)])
        return 0.0
