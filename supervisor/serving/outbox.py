"""Delivering the outbox: in order within a room, rooms side by side, until the server confirms.

The transaction id makes a repeated request harmless: the server sends nothing twice.
"""

from random import Random

import anyio
import structlog

from actors.bounds import Bounds
from actors.gate import Gate
from actors.model import EventId, OutboundMessage, RoomId
from actors.ports import (
    Homeserver,
    HomeserverRefused,
    HomeserverUnavailable,
    RateLimited,
    StateStore,
)
from actors.registry import Gaps
from actors.runtime.background import Background
from actors.writes import MarkSent

_log = structlog.get_logger()


class Outbox:
    """One sender for each room that has something to send; none for the others."""

    def __init__(
        self,
        homeserver: Homeserver,
        store: StateStore,
        background: Background,
        gate: Gate,
        *,
        slots: anyio.CapacityLimiter,
        random: Random,
        gaps: Gaps,
        bounds: Bounds,
    ) -> None:
        self._homeserver = homeserver
        self._store = store
        self._background = background
        self._gate = gate
        self._slots = slots
        self._random = random
        self._gaps = gaps
        """Rooms of which we don't know yet whether we were in them all the time."""
        self._backoff = bounds.send
        self._batch = bounds.send_batch
        self._sending: dict[RoomId, bool] = {}
        """Rooms with a sender; True when something was queued since it last looked."""
        self._answered = anyio.Event()
        """The homeserver answers again; a new one for those who find that it does not."""
        self._resting = 0
        """Senders that have found so."""
        self._behind: set[RoomId] = set()
        """Rooms with something queued, since when nothing has been tried there."""
        self._caught_up = anyio.Event()
        """There is none left; a new one for those who wait for the next time."""

    def homeserver_answers(self) -> None:
        """The homeserver answers again: senders that rest because it did not try again."""
        if self._resting:
            self._answered.set()
            self._answered = anyio.Event()

    def wake(self, room_id: RoomId) -> None:
        """Something of this room has been committed to the outbox."""
        known = room_id in self._sending
        self._behind.add(room_id)
        self._sending[room_id] = True
        if not known:
            self._background.run(self._send_all, room_id)

    async def all_tried(self) -> None:
        """Return as soon as something was sent, or tried, in each room that was woken."""
        while self._behind:
            await self._caught_up.wait()

    def _has_tried(self, room_id: RoomId) -> None:
        self._behind.discard(room_id)
        if not self._behind:
            self._caught_up.set()
            self._caught_up = anyio.Event()

    async def _send_all(self, room_id: RoomId) -> None:
        try:
            failures = 0
            while self._gate.live and room_id not in self._gaps:
                self._sending[room_id] = False
                batch = await self._store.unsent(room_id, self._batch)
                if not batch and not self._sending[room_id]:
                    return
                failures = 0 if await self._send_batch(batch, failures) else failures + 1
        finally:
            del self._sending[room_id]
            self._has_tried(room_id)

    async def _send_batch(self, batch: tuple[OutboundMessage, ...], failures: int) -> bool:
        """Send until the first failure, and wait after it. Whether there was none."""
        for message in batch:
            try:
                event_id = await self._send(message)
            except RateLimited as limit:
                await anyio.sleep(limit.retry_after_s)
                return False
            except HomeserverUnavailable as error:
                wait_s = self._backoff.delay_s(failures + 1, self._random)
                _log.warning(
                    "send_failed",
                    room_id=message.room_id,
                    error=str(error),
                    next_try_in_s=round(wait_s, 1),
                )
                await self._rest(wait_s)
                return False
            except HomeserverRefused as refusal:
                _log.warning("send_refused", room_id=message.room_id, reason=str(refusal))
                await self._store.commit([MarkSent(message.txn_id, None)])
            else:
                await self._store.commit([MarkSent(message.txn_id, event_id)])
                self.homeserver_answers()
        return True

    async def _send(self, message: OutboundMessage) -> EventId:
        try:
            async with self._slots:
                return await self._homeserver.send(message)
        finally:
            self._has_tried(message.room_id)

    async def _rest(self, wait_s: float) -> None:
        """Wait; but once the homeserver has answered, no longer than after a first failure."""
        answered = self._answered
        self._resting += 1
        try:
            await anyio.sleep(min(wait_s, self._backoff.floor_s))
            with anyio.move_on_after(wait_s - self._backoff.floor_s):
                await answered.wait()
        finally:
            self._resting -= 1
