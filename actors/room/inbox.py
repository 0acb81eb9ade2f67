"""The messages of one room: fills its gap, shows messages as read, and handles them."""

from collections.abc import Sequence

import anyio
import structlog

from actors.messages import GapOpened, InboxWaiting
from actors.model import ChatContext, EventId, OutboundMessage, RoomId, RoomMeta
from actors.ports import Gap, PlatformFailed, PortError, Waiting
from actors.reading import accepting, fetch_gap, fetch_recent
from actors.room.conversation import Conversation
from actors.rules.classify import RoomRows
from actors.rules.settlement import DesiredRows, repairs_for, rows_of
from actors.services import Services
from actors.writes import (
    SINCE_KNOWN,
    SINCE_OWN,
    CloseGap,
    CountAttempt,
    FinishMessage,
    OpenGap,
    QueueMessage,
    Write,
    drop_queued,
)

_log = structlog.get_logger()


class Inbox:
    """One room's messages. Only the room's actor uses it, so it handles one message at a time."""

    def __init__(self, room_id: RoomId, services: Services) -> None:
        self._room_id = room_id
        self._services = services
        self._conversation = Conversation(room_id, services)
        self._current: Waiting | None = None
        """The message in handling; after a failure, until the failure is counted."""
        self._shown: EventId | None = None
        """The message of the latest read receipt, sent or pending."""
        self._receipt_pending = False

    async def fill_gap(self) -> None:
        """Fetch the missing messages into the inbox; fetch again if the gap has grown meanwhile."""
        services = self._services
        gap = services.registry.gaps.get(self._room_id)
        if gap is None or not services.gate.live:
            return
        async with services.homeserver_slots:
            found = await self._fetch(gap)
        writes: list[Write] = [*drop_queued(self._room_id)] if found.rejoined else []
        writes += accepting(found.messages, found.answered)
        await services.store.commit([*writes, CloseGap(self._room_id, gap.upto)])
        if services.registry.gaps.close(gap):
            services.deliver(self._room_id)
        else:
            services.tell_room(self._room_id, GapOpened())
        services.tell_room(self._room_id, InboxWaiting())

    async def _fetch(self, gap: OpenGap) -> Gap:
        services, bounds = self._services, self._services.bounds
        if gap.since not in {SINCE_OWN, SINCE_KNOWN}:
            return await fetch_gap(
                services.homeserver,
                self._room_id,
                gap.upto,
                stop_at=gap.since,
                limit=bounds.gap_messages,
            )
        return await fetch_recent(
            services.homeserver,
            services.store,
            gap,
            limit=bounds.gap_messages,
            kept_since=services.wall_clock() - bounds.keep_s + bounds.skew_s,
        )

    def show_as_read(self, waiting: Sequence[Waiting]) -> None:
        """Show all waiting messages as read, with one receipt for the newest."""
        if self._shown not in {item.message.event_id for item in waiting}:
            pending, self._shown = self._receipt_pending, waiting[-1].message.event_id
            self._receipt_pending = True
            if not pending:
                self._services.system.background.run(self._mark_read)

    async def _mark_read(self) -> None:
        """Send the pending receipt after a moment, so that a quick reply goes first."""
        await anyio.sleep(self._services.bounds.read_after_s)
        self._receipt_pending = False
        if self._shown is not None:
            await self._services.homeserver.mark_read(self._room_id, self._shown)

    async def answer(
        self, waiting: Waiting, rows: RoomRows, room: RoomMeta, chat: ChatContext
    ) -> RoomRows:
        """Handle one message, and commit its end together with its response.

        Returns the rows that the cache holds about the room after that.
        """
        self._current = waiting
        response = await self._conversation.respond(waiting.message, DesiredRows(room, chat))
        writes: list[Write] = [FinishMessage(waiting.message.event_id), *response.writes]
        if response.desired is not None:
            writes += repairs_for(self._room_id, rows, response.desired)[0]
        await self._services.store.commit(writes)
        self._current = None
        self._services.deliver(self._room_id)
        if response.promised is not None:
            self._services.system.tell(*response.promised)
        return rows if response.desired is None else rows_of(response.desired)

    async def note_failure(self, error: Exception) -> None:
        """Count a failed attempt at the present message, unless the homeserver or the store failed.

        After too many attempts the message is dead, and the room is told.
        """
        waiting, self._current = self._current, None
        blameless = isinstance(error, PortError) and not isinstance(error, PlatformFailed)
        if waiting is None or blameless:
            return
        event_id = waiting.message.event_id
        if waiting.attempts + 1 < self._services.bounds.attempts:
            await self._services.store.commit([CountAttempt(event_id)])
            return
        _log.error("message_dead", room_id=self._room_id, event_id=event_id)
        notice = OutboundMessage(
            f"{event_id}.dead", self._room_id, self._services.texts.gave_up, notice=True
        )
        await self._services.store.commit(
            [FinishMessage(event_id, dead=True), QueueMessage(notice)]
        )
        self._services.deliver(self._room_id)
