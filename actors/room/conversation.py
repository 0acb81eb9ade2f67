"""Replies to a message in a chat: commands are carried out, the platform replies to the rest."""

from dataclasses import dataclass, replace

import structlog

from actors.model import ENCRYPTED_TYPE, InboundMessage, RoomId, UserId
from actors.port_errors import HomeserverRefused
from actors.room.asked import Asked, Response
from actors.room.commands import ANSWERED_LATER, WORDS, carry_out
from actors.room.edits import about_edit
from actors.room.unreadable import about_encryption
from actors.rules.commands import CommandLine, parse
from actors.rules.files import TEXT_TYPES, about_unanswered, is_question
from actors.rules.settlement import DesiredRows
from actors.services import Services

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Conversation:
    """The bot's side of one chat's conversation. It is stateless."""

    room_id: RoomId
    services: Services

    async def respond(
        self, message: InboundMessage, desired: DesiredRows, *, is_begun: bool = False
    ) -> Response:
        """The response to one message. Raises the errors of the homeserver.

        It may be repeated for the same message, because every step is idempotent. With `is_begun`,
        the room shows a part of the answer, so the question is asked again.
        """
        services = self.services
        asked = Asked(self.room_id, services, message, desired, services.texts, is_begun=is_begun)
        if message.edits is not None:
            return await about_edit(asked)
        line, is_encrypted = _command_in(message), message.msgtype == ENCRYPTED_TYPE
        capabilities = services.platform.capabilities
        is_asking = is_question(message, capabilities) or (is_begun and not is_encrypted)
        if is_asking and line is None and not asked.is_for_archive:
            return Response(question=asked.question())
        texts = await services.languages.texts_of(asked.chat.user_id)
        asked = replace(asked, texts=texts)
        if is_encrypted:
            return await about_encryption(asked)
        if line is not None:
            return await self._run_command(line, asked)
        if is_asking:
            return asked.say(texts.chats.is_archived, chat_id=asked.chat.chat_id)
        if message.msgtype in TEXT_TYPES and message.file is None:
            return Response()
        return asked.say_lines(about_unanswered(message, capabilities, asked.texts))

    async def _run_command(self, line: CommandLine, asked: Asked) -> Response:
        """Carry out a command if the chat's owner gave it. One that was begun goes on."""
        texts, owner = asked.texts, asked.chat.user_id
        if asked.message.sender != owner and not asked.is_begun:
            name = await self.services.name_of(owner, self.room_id)
            return asked.say(texts.owner_only, owner=name)
        try:
            return await carry_out(line, asked)
        except HomeserverRefused as refusal:
            _log.warning("command_refused", room_id=self.room_id, reason=str(refusal))
            reason = (refusal.message or refusal.errcode).rstrip(".")
            return asked.say(texts.not_allowed_by_server, reason=reason)


def is_command(message: InboundMessage) -> bool:
    """Whether a message is a command line, known or not."""
    return _command_in(message) is not None


def is_answered_at_once(message: InboundMessage, owner: UserId) -> bool:
    """Whether a message is a command that is answered before any later command."""
    line = _command_in(message) if message.edits is None else None
    return line is not None and message.sender == owner and line.word not in ANSWERED_LATER


def _command_in(message: InboundMessage) -> CommandLine | None:
    return parse(message.body, WORDS) if message.msgtype == "m.text" else None
