"""The messages of one room: shows them as read, handles them, and commits the replies to them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from actors.anchors import Anchor
from actors.model import (
    ChatContext,
    EventId,
    InboundMessage,
    OutboundMessage,
    ReplyState,
    RoomId,
    RoomMeta,
    UserId,
)
from actors.port_errors import HomeserverRefused, OutdatedWrite, PlatformFailed, PortError
from actors.ports import Waiting
from actors.replies.reply import Reply
from actors.replies.values import Answered, Failed, reply_message
from actors.room.asked import Asked, Response
from actors.room.audience import Audience
from actors.room.conversation import Conversation, is_command
from actors.room.endings import (
    end_of,
    events_of,
    is_behind,
    keeping,
    longer,
    messages_of,
    notice_of,
    replaces_answer,
    says_something,
)
from actors.room.receipts import Receipts
from actors.rows import from_row, room_key
from actors.rules.classify import RoomRows
from actors.rules.exchange import Hearing
from actors.rules.settlement import DesiredRows, repairs_for, rows_of
from actors.rules.wording import worded
from actors.services import Services
from actors.writes import CountAttempt, FinishMessage, MarkTried, QueueMessage, Write

_NONE: Final = frozenset[EventId]()

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
        self._in_turn: frozenset[EventId] = _NONE
        """Commands and edits that turned out to be questions: they wait for the one in work."""
        self._receipts = Receipts(room_id, services)

    @property
    def reads(self) -> int:
        """How many messages to read: all, if a command may come before the question in work."""
        bounds = self._services.bounds
        in_work = self._services.replies.of(self._room_id) is not None
        return bounds.inbox_room_limit if in_work else bounds.inbox_batch

    def show_as_read(self, waiting: Sequence[Waiting]) -> None:
        """Show all waiting messages as read."""
        self._receipts.show(waiting)

    def next_of(self, waiting: Sequence[Waiting], owner: UserId) -> Waiting | None:
        """The message to handle now: the first one, or a command of the owner.

        While a question is in work, or its answer not committed, only edits and the owner's
        commands are handled; None if there is none. A reply whose question does not wait any more
        is dropped.
        """
        reply = self._reply_to(waiting)
        if reply is None:
            self._in_turn = _NONE
            return waiting[0]
        for item in waiting:
            message = item.message
            is_free = message.event_id not in {reply.question.key, *self._in_turn}
            is_at_once = message.sender == owner and is_command(message)
            if is_free and (is_at_once or message.edits is not None):
                return item
        return None

    def _reply_to(self, waiting: Iterable[Waiting]) -> Reply | None:
        """The room's reply, if its question still waits; else the reply is dropped."""
        replies = self._services.replies
        reply = replies.of(self._room_id)
        if reply is None or _waiting_for(reply, waiting) is not None:
            return reply
        replies.drop(self._room_id)
        return None

    # ------------------------------------------------------------ one message

    async def answer(
        self,
        item: Waiting,
        waiting: Sequence[Waiting],
        rows: RoomRows,
        room: RoomMeta,
        chat: ChatContext,
    ) -> RoomRows:
        """Handle one of the waiting messages.

        A question is given to the platform. The end of any other message is committed together with
        its response. Returns the rows that the cache holds about the room after that.
        """
        self._current = item
        message = item.message
        response = await self._response(item, DesiredRows(room, chat), chat)
        if response.question is not None:
            self._current = None
            if self._services.replies.of(self._room_id) is None:
                self._services.replies.start(replace(response.question, failed=item.attempts))
            else:
                self._in_turn |= {message.event_id}
            return rows
        # A command may have stopped the question in work: both end together.
        stopped = self._services.replies.of(self._room_id)
        if stopped is not None and (stopped.outcome is None or isinstance(stopped.outcome, Failed)):
            stopped = None
        writes = [] if stopped is None else await self._end_of(stopped, waiting)
        writes += [FinishMessage(message.event_id), *await self._ended_with(response.writes, item)]
        if response.desired is not None:
            writes += repairs_for(self._room_id, rows, response.desired)[0]
        if not await self._commit(writes):
            return rows
        if stopped is not None:
            self._services.replies.finished(stopped)
        if response.writes:
            self._note_answer(message, waiting)
        if response.promised is not None:
            self._services.system.tell(*response.promised)
        return rows if response.desired is None else rows_of(response.desired)

    async def _response(self, item: Waiting, desired: DesiredRows, chat: ChatContext) -> Response:
        """The response to a message; an empty one if the bot does not answer it.

        An answer that was begun goes on, whatever has changed in the chat since.
        """
        message = item.message
        if item.has_anchors:
            return await self._conversation.respond(message, desired, is_begun=True)
        if message.edits is not None and not await self._answers_edits():
            return Response()
        hearing, is_first = await self._audience.hear(message, chat)
        if hearing is Hearing.ANSWER:
            return await self._conversation.respond(message, desired)
        if hearing is Hearing.PAUSE and is_first:
            texts = await self._services.languages.texts_of(chat.user_id)
            name = await self._services.name_of(message.sender, self._room_id)
            asked = Asked(self._room_id, self._services, message, desired, texts)
            return asked.say(texts.exchange_paused, sender=name)
        return Response()

    async def _answers_edits(self) -> bool:
        return (await self._services.settings_of_chats.of(self._room_id)).answer_edits

    # ------------------------------------------------------------ the room's reply

    async def settle(self) -> None:
        """Commit the end of the room's reply, or tell the person that it takes its time."""
        services, reply = self._services, self._services.replies.of(self._room_id)
        if reply is None or (reply.outcome is None and not reply.occasions):
            return
        waiting = await services.store.waiting(self._room_id, services.bounds.inbox_room_limit)
        reply = self._reply_to(waiting)
        if reply is None:
            return
        if reply.outcome is None:
            await self._tell_delay(reply)
            return
        self._current = _waiting_for(reply, waiting)
        if isinstance(reply.outcome, Failed):
            await self.note_failure(reply.outcome.error)
            return
        if await self._commit(await self._end_of(reply, waiting)):
            services.replies.finished(reply)
            self._note_answer(reply.question.message, waiting)
        else:
            services.replies.drop(self._room_id)

    async def _tell_delay(self, reply: Reply) -> None:
        occasions = tuple(reply.occasions)
        if occasions:
            texts = (await self._services.languages.texts_of(reply.question.owner)).replies
            notices = (notice_of(reply.question, each, texts) for each in occasions)
            await self._commit([QueueMessage(notice) for notice in notices])
            del reply.occasions[: len(occasions)]

    async def _end_of(self, reply: Reply, waiting: Iterable[Waiting]) -> list[Write]:
        """The writes that end a question for good."""
        outcome, services, key = reply.outcome, self._services, reply.question.key
        if outcome is None or isinstance(outcome, Failed):
            raise ValueError(outcome)
        item = _waiting_for(reply, waiting)
        anchors = await self._anchors_of(key, reply, item)
        if isinstance(outcome, Answered) and is_behind(outcome, reply.showing.shown):
            outcome = longer(outcome, await _shown_by(anchors, self._room_id, services))
        texts = services.texts
        if says_something(outcome):
            texts = await services.languages.texts_of(reply.question.owner)
        said = messages_of(reply.question, outcome, texts.replies, services.formatted)
        return [FinishMessage(key), *await self._ended(reply.question.message, said, anchors)]

    async def _ended(
        self, question: InboundMessage, said: Sequence[OutboundMessage], anchors: Sequence[Anchor]
    ) -> list[Write]:
        """The writes that end an answer. What has failed replaces nothing that the room shows.

        Raises the errors of the homeserver, except a refusal: the room can't be read then.
        """
        if anchors and replaces_answer(said):
            services, sent = self._services, events_of(anchors)
            try:
                shown = await services.histories.texts_of(self._room_id, sent) if sent else ()
            except HomeserverRefused as refusal:
                _note_unread(self._room_id, refusal)
                shown = ()
            said = keeping(question, said, shown, services.formatted)
        return end_of(question.event_id, said, anchors)

    async def _ended_with(self, writes: Sequence[Write], item: Waiting) -> Sequence[Write]:
        """The writes of a response. An answer that was begun before ends with what they say."""
        key = item.message.event_id
        anchors = await self._anchors_of(key, None, item)
        if not anchors:
            return writes
        others = [write for write in writes if not isinstance(write, QueueMessage)]
        return [*others, *await self._ended(item.message, _queued(writes), anchors)]

    async def _anchors_of(
        self, question: EventId, reply: Reply | None, item: Waiting | None
    ) -> Sequence[Anchor]:
        """The anchors of a question. They are read only if there may be some."""
        is_opened = reply is not None and reply.showing.has_opened
        if not is_opened and (item is None or not item.has_anchors):
            return ()
        return await self._services.store.anchors(question)

    async def note_failure(self, error: Exception) -> None:
        """Count a failed attempt at the present message, unless the homeserver or the store failed.

        After too many attempts the message is dead, and the room is told. Before, a question is
        asked again.
        """
        waiting, self._current = self._current, None
        if waiting is None:
            return
        event_id, services = waiting.message.event_id, self._services
        reply = services.replies.of(self._room_id)
        if isinstance(error, PortError) and not isinstance(error, PlatformFailed):
            if reply is not None and reply.question.key == event_id:
                self._go_on_after(reply, reply.question.failed + 1, is_dead=False)
            return
        if waiting.attempts + 1 >= services.bounds.attempts:
            await self._give_up(waiting, reply)
        else:
            await services.store.commit([CountAttempt(event_id)])
        if reply is not None and reply.question.key == event_id:
            attempts = waiting.attempts + 1
            self._go_on_after(reply, attempts, is_dead=attempts >= services.bounds.attempts)

    def _go_on_after(self, failed: Reply, attempts: int, *, is_dead: bool) -> None:
        """Ask a failed question again, unless it is dead. A bug in its end keeps the answer.

        The pause before that grows with the attempts.
        """
        replies = self._services.replies
        if is_dead or isinstance(failed.outcome, Failed):
            replies.finished(failed)
        if not is_dead and isinstance(failed.outcome, Failed):
            shown = failed.showing.shown
            replies.start(replace(failed.question, failed=attempts), shown)

    async def _give_up(self, waiting: Waiting, reply: Reply | None) -> None:
        message, event_id = waiting.message, waiting.message.event_id
        _log.error("message_dead", room_id=self._room_id, event_id=event_id)
        texts = await self._services.languages.texts_of(await self._owner())
        said = worded(texts.gave_up)
        told = replace(reply_message(message, f"{event_id}.dead", said), state=ReplyState.FAILED)
        anchors = await self._anchors_of(event_id, reply, waiting)
        ended = await self._ended(message, [told], anchors)
        await self._commit([FinishMessage(event_id, dead=True), *ended])

    async def _owner(self) -> UserId:
        """The owner of the room's chat; the bot for a room without one."""
        room = from_row(await self._services.store.row(room_key(self._room_id)), RoomMeta)
        return self._services.homeserver.me if room is None else room.matrix_user_id

    # ------------------------------------------------------------ commits

    async def _commit(self, writes: Sequence[Write]) -> bool:
        """Commit, and send what is queued. False: the message has ended otherwise meanwhile."""
        session = self._services.homeserver.session
        queued = _queued(writes)
        # The outbox sends at once: noting the attempt here saves it a commit before each reply.
        tried = (MarkTried(message.txn_id, session) for message in queued)
        try:
            await self._services.store.commit([*writes, *tried])
        except OutdatedWrite:
            _log.info("ended_otherwise", room_id=self._room_id)
            return False
        self._current = None
        for message in queued:
            self._services.histories.note_queued(message)
        self._services.deliver(self._room_id)
        return True

    def _note_answer(self, message: InboundMessage, waiting: Sequence[Waiting]) -> None:
        others = [each.message.event_id for each in waiting if each.message is not message]
        self._audience.note_answer(message, others)


def _queued(writes: Iterable[Write]) -> list[OutboundMessage]:
    return [write.message for write in writes if isinstance(write, QueueMessage)]


def _waiting_for(reply: Reply, waiting: Iterable[Waiting]) -> Waiting | None:
    """The question of a reply, if it still waits."""
    key = reply.question.key
    return next((each for each in waiting if each.message.event_id == key), None)


async def _shown_by(
    anchors: Iterable[Anchor], room_id: RoomId, services: Services
) -> Sequence[str]:
    """What a room shows of an answer's newest attempt; nothing if it can't be read now."""
    sent = events_of(anchors)
    if not sent:
        return ()
    try:
        return await services.histories.texts_of(room_id, sent)
    except PortError as error:
        _note_unread(room_id, error)
        return ()


def _note_unread(room_id: RoomId, error: PortError) -> None:
    _log.info("shown_answer_not_read", room_id=room_id, reason=str(error))
