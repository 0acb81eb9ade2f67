"""Decides which messages of a chat the bot answers, so that two programs never talk without end."""

from collections.abc import Collection
from typing import Final

import anyio
import structlog

from actors.model import ChatContext, EventId, InboundMessage, RoomId, UserId
from actors.room.commands import WORDS
from actors.rules.addressing import is_addressed
from actors.rules.answers import Answers
from actors.rules.exchange import Exchange, Hearing, answered, hear
from actors.services import Services

_NONE: Final = frozenset[EventId]()

_log = structlog.get_logger()


class Audience:
    """The senders of one room. It forgets them when the room's actor leaves memory."""

    def __init__(self, room_id: RoomId, services: Services) -> None:
        self._room_id = room_id
        self._services = services
        self._exchanges: dict[UserId, Exchange] = {}
        """By sender; the sender who was silent for the longest time comes first."""
        self._waited: frozenset[EventId] = _NONE
        """Messages that waited already when the bot gave its latest answer."""

    async def hear(self, message: InboundMessage, chat: ChatContext) -> tuple[Hearing, bool]:
        """What becomes of a message, and whether a pause that begins is the sender's first."""
        owner = chat.user_id
        if not await self._is_addressed(message, owner):
            self._log_silence(message, "not addressed to the bot")
            return Hearing.SILENCE, False
        exchange, hearing = hear(
            self._exchanges.pop(message.sender, Exchange()),
            anyio.current_time(),
            self._services.bounds.exchange,
            waited=message.event_id in self._waited,
            is_owner=message.sender == owner,
        )
        self._exchanges[message.sender] = exchange
        if len(self._exchanges) > self._services.bounds.exchange_senders:
            del self._exchanges[next(iter(self._exchanges))]
        if hearing is Hearing.PAUSE:
            _log.warning(
                "exchange_paused",
                room_id=self._room_id,
                sender=message.sender,
                pauses=exchange.pauses,
            )
        elif hearing is Hearing.SILENCE:
            self._log_silence(message, "an exchange between programs")
        return hearing, exchange.pauses == 1

    def note_answer(self, message: InboundMessage, waiting: Collection[EventId]) -> None:
        """Note that the bot has answered a message while others waited."""
        exchange = self._exchanges.get(message.sender)
        if exchange is not None:
            self._exchanges[message.sender] = answered(exchange, anyio.current_time())
        self._waited = frozenset(waiting)

    async def _is_addressed(self, message: InboundMessage, owner: UserId) -> bool:
        answers = self._services.answers
        if is_addressed(message, owner, answers, commands=WORDS, replies_to_bot=False):
            return True
        if answers is not Answers.MENTIONS or message.reply_to is None:
            return False
        return await self._services.store.has_sent(message.reply_to)

    def _log_silence(self, message: InboundMessage, reason: str) -> None:
        _log.info(
            "message_not_answered",
            room_id=self._room_id,
            event_id=message.event_id,
            reason=reason,
        )
