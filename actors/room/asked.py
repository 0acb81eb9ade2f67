"""One message in a chat, with what its handler needs, and the response to it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from actors.model import ChatContext, InboundMessage, OutboundMessage, RoomId
from actors.replies.values import Question, reply_message
from actors.rules.classify import derived_platform_chat_id
from actors.rules.formatting import Formatted
from actors.rules.settlement import DesiredRows
from actors.rules.wording import Value, parts_of_lines, worded
from actors.runtime.letters import Address, Message
from actors.services import Services
from actors.texts import Texts
from actors.writes import QueueMessage, Write


@dataclass(frozen=True, slots=True)
class Response:
    """What a handler answers to one message.

    `writes` are committed together with the end of the message. `desired` is set if the room's rows
    must change. `promised` is a message to an actor, told after the commit. `question` is set if
    the platform is to reply: the reply ends the message later, and the rest is empty.
    """

    writes: Sequence[Write] = ()
    desired: DesiredRows | None = None
    promised: tuple[Address, Message] | None = None
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One message in a chat, with what its handler needs.

    `desired` are the room's present rows. `texts` is the catalogue in the owner's language, or in
    the bot's for a question that needs none. `argument` is the command's argument, read as the
    command's row in `COMMANDS` says. `is_begun`: the room shows a part of the answer already.
    """

    room_id: RoomId
    services: Services
    message: InboundMessage
    desired: DesiredRows
    texts: Texts
    argument: str | None = None
    is_begun: bool = False

    @property
    def chat(self) -> ChatContext:
        """The room's chat. Raises ValueError for a room without one."""
        if self.desired.chat is None:
            raise ValueError(self.desired)
        return self.desired.chat

    @property
    def is_for_archive(self) -> bool:
        """Whether the message is not answered because the chat is archived."""
        return self.chat.is_archived and not self.is_begun

    def question(self, about: InboundMessage | None = None) -> Question:
        """The message as a question to the platform, or `about` instead, which is asked anew."""
        known = self.desired.room.platform_chat_id
        chat = known or derived_platform_chat_id(self.room_id)
        return Question(self.message, 0, chat, self.chat.user_id, about)

    def say(self, sentence: str, **values: Value) -> Response:
        """Reply in this room with a sentence of the catalogue."""
        return self.say_lines(worded(sentence, **values))

    def say_lines(self, *lines: Formatted) -> Response:
        """Reply in this room. If the message is handled again, nothing is sent twice."""
        replies = reply_messages(self.message, parts_of_lines(lines))
        return Response(list(map(QueueMessage, replies)))

    def say_once(self, occasion: str, sentence: str, **values: Value) -> Response:
        """Say something in this room at most once: its transaction id is always the same."""
        txn_id, said = f"{occasion}.{self.room_id}", worded(sentence, **values)
        return Response([QueueMessage(reply_message(self.message, txn_id, said, notice=True))])


def reply_messages(message: InboundMessage, parts: Sequence[Formatted]) -> list[OutboundMessage]:
    """The notices of a reply. All but the last one say that more follows."""
    last = len(parts) - 1
    return [
        replace(
            reply_message(message, f"{message.event_id}.{number}", part, notice=True),
            more=number < last,
        )
        for number, part in enumerate(parts)
    ]
