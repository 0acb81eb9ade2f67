"""Delivers the outbox: rooms in parallel, and the messages of a room in order.

A message stays in the outbox until the server confirms it, or refuses it clearly. The transaction
id makes a repeated request harmless: the server sends no message twice. A server forgets the id
after a day, or with the session, and some never heed it. Then the bot looks for the message in its
room before it sends it again.

An anchor may have been redacted before the bot knew its event, so that the news of it named an
unknown event. If its event becomes known late, the bot looks at it.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import anyio
import structlog

from actors.anchors import redaction_of
from actors.bounds import Bounds
from actors.gaps import Gaps
from actors.gate import Gate
from actors.model import Attempt, EventId, OutboundKind, OutboundMessage, RoomId
from actors.port_errors import (
    HomeserverRefused,
    HomeserverUnavailable,
    RateLimited,
    RefusedUnclearly,
)
from actors.ports import Homeserver, StateStore
from actors.runtime.background import Background
from actors.runtime.restart import WELL, Streak
from actors.traits import Traits
from actors.writes import DetachFinal, MarkSent, MarkTried, QueueMessage, VoidAnchor, Write

_AT_ONCE_S: Final = 1.0
"""An anchor whose event is known within this time of the first attempt was not redacted before."""

_log = structlog.get_logger()


class Outbox:
    """Runs one sender for each room that has unsent messages."""

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
        traits: Traits,
        wall_clock: Callable[[], float],
        bounds: Bounds,
    ) -> None:
        self._homeserver = homeserver
        self._store = store
        self._background = background
        self._gate = gate
        self._slots = slots
        self._random = random
        self._gaps = gaps
        """The messages of a room wait while its gap is in doubt: the bot may have been absent."""
        self._traits = traits
        self._wall_clock = wall_clock
        self.on_refusal: Callable[[RoomId], None] = _ignore
        """Called with the room of a message that the homeserver has refused for good."""
        self.on_edit: Callable[[RoomId, EventId], None] = _ignore
        """Called with the room and the anchor of an answer whose end was sent."""
        self._resend_s = bounds.resend_s
        self._backoff = bounds.send
        self._batch = bounds.send_batch
        self._healthy_after_s = bounds.healthy_after_s
        self._streaks: dict[RoomId, Streak] = {}
        """The failures of each room in which sending has failed lately."""
        self._sending: dict[RoomId, bool] = {}
        """Rooms with a sender. True: a message was queued since the sender last looked."""
        self._pause_ended = anyio.Event()
        """Ends the pauses of all senders; replaced by a new event each time."""
        self._paused = 0
        """The number of senders that pause because the homeserver did not answer."""
        self._untried: set[RoomId] = set()
        """Rooms with no attempt to send since the last `wake`."""
        self._all_tried = anyio.Event()
        """Set when `_untried` becomes empty; replaced by a new event each time."""

    def end_pauses(self) -> None:
        """Let paused senders try again, because the homeserver answers again."""
        if self._paused:
            self._pause_ended.set()
            self._pause_ended = anyio.Event()

    @property
    def is_busy(self) -> bool:
        """Whether a message is being sent, or waits for that, in a room that is well.

        A room in which the latest attempt failed does not count: it may fail for long. One that
        waits for a rate limit does.
        """
        return any(not self._streaks.get(room_id, WELL).is_failing for room_id in self._sending)

    def wake(self, room_id: RoomId) -> None:
        """Send the unsent messages of a room. Called after a commit to the outbox."""
        known = room_id in self._sending
        self._untried.add(room_id)
        self._sending[room_id] = True
        if not known:
            self._background.run(self._send_all, room_id)

    async def wait_until_tried(self) -> None:
        """Return after at least one attempt to send in each room since its last `wake`."""
        while self._untried:
            await self._all_tried.wait()

    def _mark_tried(self, room_id: RoomId) -> None:
        self._untried.discard(room_id)
        if not self._untried:
            self._all_tried.set()
            self._all_tried = anyio.Event()

    async def _send_all(self, room_id: RoomId) -> None:
        try:
            if self._streaks.get(room_id, WELL).was_well(
                anyio.current_time(), self._healthy_after_s
            ):
                self._streaks.pop(room_id, None)
            while self._gate.live and self._gaps.doubt(room_id) is None:
                self._sending[room_id] = False
                batch = await self._store.unsent(room_id, self._batch)
                if not batch and not self._sending[room_id]:
                    return
                await self._send_batch(batch)
        finally:
            del self._sending[room_id]
            self._mark_tried(room_id)

    async def _send_batch(self, batch: tuple[OutboundMessage, ...]) -> None:
        """Send until the first anchor, or until the first failure, and pause after that."""
        await self._note_attempts(batch)
        for message in batch:
            try:
                event_id = await self._send(message)
                is_gone = event_id is not None and await self._is_gone(message, event_id)
            except RateLimited as limit:
                await anyio.sleep(limit.retry_after_s)
                return
            except (HomeserverUnavailable, RefusedUnclearly) as error:
                wait_s = self._backoff.delay_s(self._failed(message.room_id), self._random)
                _log.warning(
                    "send_failed",
                    room_id=message.room_id,
                    error=str(error),
                    next_try_in_s=round(wait_s, 1),
                )
                await self._pause(wait_s)
                return
            except HomeserverRefused as refusal:
                _log.warning("send_refused", room_id=message.room_id, reason=str(refusal))
                if message.kind is OutboundKind.FINAL and message.target is not None:
                    await self._store.commit(_instead_of_edit(message))
                    return  # it is read again, as the message that it has become
                await self._store.commit([MarkSent(message.txn_id, None)])
                self.on_refusal(message.room_id)
            else:
                gone = [VoidAnchor(event_id)] if event_id is not None and is_gone else []
                await self._store.commit([MarkSent(message.txn_id, event_id), *gone])
                if event_id is not None:
                    self._succeeded(message)
                    self.end_pauses()
                if message.kind is OutboundKind.ANCHOR:
                    return  # what edits it was read before its event was known

    def _failed(self, room_id: RoomId) -> int:
        """Count a failure in a room; the failures there since sending last went well for a while.

        They outlive the room's sender, which ends whenever the bot is not live.
        """
        streak = self._streaks.get(room_id, WELL)
        streak = streak.failed(anyio.current_time(), self._healthy_after_s)
        self._streaks[room_id] = streak
        return streak.failures

    def _succeeded(self, message: OutboundMessage) -> None:
        streak = self._streaks.get(message.room_id)
        if streak is not None:
            self._streaks[message.room_id] = streak.succeeded(anyio.current_time())
        if message.kind is OutboundKind.FINAL and message.target is not None:
            self.on_edit(message.room_id, message.target)

    async def _send(self, message: OutboundMessage) -> EventId | None:
        """The event of a message; None if there is nothing to take back."""
        try:
            if message.kind is OutboundKind.REDACTION and message.target is None:
                return None
            async with self._slots:
                if (found := await self._found(message)) is not None:
                    return found
                return await self._homeserver.send(message)
        finally:
            self._mark_tried(message.room_id)

    async def _note_attempts(self, batch: Sequence[OutboundMessage]) -> None:
        """Store when and with which session each message is tried first, before it is."""
        session = self._homeserver.session
        new = [MarkTried(message.txn_id, session) for message in batch if message.tried is None]
        if new:
            await self._store.commit(new)

    async def _found(self, message: OutboundMessage) -> EventId | None:
        """The event of a message that was sent by an attempt that the server may have forgotten."""
        tried = message.tried
        if tried is None or message.kind is OutboundKind.REDACTION or self._is_harmless(tried):
            return None
        try:
            found = await self._homeserver.find_sent(message)
        except RefusedUnclearly:
            raise
        except HomeserverRefused as refusal:
            if message.room_id in await self._homeserver.joined_rooms():
                raise HomeserverUnavailable(f"joined, but it can't be read: {refusal}") from refusal
            return None  # in a room that the bot is not in, the sending is refused as well
        _log.info("looked_for_message", room_id=message.room_id, found=found is not None)
        return found

    async def _is_gone(self, message: OutboundMessage, event_id: EventId) -> bool:
        """Whether a message is an anchor that was redacted before its event was known."""
        tried = message.tried
        if message.kind is not OutboundKind.ANCHOR or tried is None:
            return False
        if self._is_harmless(tried) and self._wall_clock() - tried.at < _AT_ONCE_S:
            return False
        try:
            async with self._slots:
                found = await self._homeserver.contents.edited(message.room_id, event_id)
        except RefusedUnclearly:
            raise
        except HomeserverRefused:
            return False  # only a redaction that is seen voids an anchor
        return found.original is None

    def _is_harmless(self, tried: Attempt) -> bool:
        """Whether the server still knows what was tried, and sends it no second time."""
        if self._traits.so_far.deduplicates is False:
            return False
        age_s = self._wall_clock() - tried.at
        return tried.by == self._homeserver.session and 0 <= age_s < self._resend_s

    async def _pause(self, wait_s: float) -> None:
        """Wait. `end_pauses` shortens the wait to that of a first failure."""
        ended = self._pause_ended
        self._paused += 1
        try:
            await anyio.sleep(min(wait_s, self._backoff.floor_s))
            with anyio.move_on_after(wait_s - self._backoff.floor_s):
                await ended.wait()
        finally:
            self._paused -= 1


def _instead_of_edit(final: OutboundMessage) -> tuple[Write, ...]:
    """The writes for an end whose edit was refused: a message of its own, and no anchor."""
    taken_back = redaction_of(str(final.edits), final.room_id)
    return DetachFinal(final.txn_id), QueueMessage(taken_back)


def _ignore(*_: object) -> None:
    """Do nothing about what the outbox tells."""
