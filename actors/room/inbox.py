"""The messages of one room: shows them as read, and handles them."""

from collections.abc import Sequence

import anyio
import structlog

from actors.model import ChatContext, EventId, InboundMessage, RoomId, RoomMeta
from actors.port_errors import PlatformFailed, PortError, RateLimited
from actors.ports import Waiting
from actors.room.asked import Asked, Response, reply_message
from actors.room.audience import Audience
from actors.room.conversation import Conversation
from actors.rules.classify import RoomRows
from actors.rules.exchange import Hearing
from actors.rules.settlement import DesiredRows, repairs_for, rows_of
from actors.services import Services
from actors.writes import CountAttempt, FinishMessage, MarkTried, QueueMessage, Write

_log = structlog.get_logger()


class Inbox:
    """One room's messages. Only the room's actor uses it, so it handles one message at a time."""

    def __init__(self, room_id: RoomId, services: Services) -> None:
        self._room_id = room_id
        self._services = services
        self._audience = Audience(room_id, services)
        self._conversation = Conversation(room_id, services)
        self._current: Waiting | None = None
        """The message in handling; after a failure, until the failure is counted."""
        self._shown: EventId | None = None
        """The message of the latest read receipt, sent or pending."""
        self._receipt_pending = False

    def show_as_read(self, waiting: Sequence[Waiting]) -> None:
        """Show all waiting messages as read, with one receipt for the newest."""
        if self._shown not in {item.message.event_id for item in waiting}:
            pending, self._shown = self._receipt_pending, waiting[-1].message.event_id
            self._receipt_pending = True
            if not pending:
                self._services.system.background.run(self._mark_read)

    async def _mark_read(self) -> None:
        """Send the pending receipt after a moment, so that a quick reply goes first.

        A rate limit is waited out, unless a later receipt is pending by then: that one includes it.
        """
        pause_s = self._services.bounds.read_after_s
        while self._receipt_pending:
            await anyio.sleep(pause_s)
            self._receipt_pending = False
            if self._shown is None:
                return
            try:
                await self._services.homeserver.mark_read(self._room_id, self._shown)
            except RateLimited as limit:
                if self._receipt_pending:
                    return
                self._receipt_pending, pause_s = True, limit.retry_after_s
            else:
                return

    async def answer(
        self, waiting: Sequence[Waiting], rows: RoomRows, room: RoomMeta, chat: ChatContext
    ) -> RoomRows:
        """Handle the first message, and commit its end together with its response.

        Returns the rows that the cache holds about the room after that.
        """
        self._current = waiting[0]
        message = waiting[0].message
        response = await self._response(message, DesiredRows(room, chat), chat)
        writes: list[Write] = [FinishMessage(message.event_id), *response.writes]
        # The outbox sends at once: noting the attempt here saves it a commit before each reply.
        session = self._services.homeserver.session
        queued = (write for write in response.writes if isinstance(write, QueueMessage))
        writes += [MarkTried(write.message.txn_id, session) for write in queued]
        if response.desired is not None:
            writes += repairs_for(self._room_id, rows, response.desired)[0]
        await self._services.store.commit(writes)
        self._current = None
        if response.writes:
            self._audience.note_answer(message, [each.message.event_id for each in waiting[1:]])
        self._services.deliver(self._room_id)
        if response.promised is not None:
            self._services.system.tell(*response.promised)
        return rows if response.desired is None else rows_of(response.desired)

    async def _response(
        self, message: InboundMessage, desired: DesiredRows, chat: ChatContext
    ) -> Response:
        """The response to a message; an empty one if the bot does not answer it."""
        hearing, is_first = await self._audience.hear(message, chat)
        if hearing is Hearing.ANSWER:
            return await self._conversation.respond(message, desired)
        if hearing is Hearing.PAUSE and is_first:
            asked = Asked(self._room_id, self._services, message, desired)
            return asked.say(asked.texts.exchange_paused.format(sender=message.sender))
        return Response()

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
        gave_up = self._services.texts.gave_up
        notice = reply_message(waiting.message, f"{event_id}.dead", gave_up, notice=True)
        await self._services.store.commit(
            [FinishMessage(event_id, dead=True), QueueMessage(notice)]
        )
        self._services.deliver(self._room_id)
