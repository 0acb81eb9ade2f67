"""One message in a chat, with what its handler needs, and the response to it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from actors.model import ChatContext, InboundMessage, OutboundMessage, RoomId
from actors.replies.values import Question, reply_message
from actors.rules.classify import derived_platform_chat_id
from actors.rules.formatting import Formatted, plain_parts
from actors.rules.settlement import DesiredRows
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

    `desired` are the room's present rows. `argument` is the command's argument, read as the
    command's row in `COMMANDS` says. `is_begun`: the room shows a part of the answer already.
    """

    room_id: RoomId
    services: Services
    message: InboundMessage
    desired: DesiredRows
    argument: str | None = None
    is_begun: bool = False

    @property
    def texts(self) -> Texts:
        """The catalogue in the bot's language."""
        return self.services.texts

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

    def say(self, body: str, *, notice: bool = True) -> Response:
        """Reply in this room. If the message is handled again, nothing is sent twice.

        A notice is plain text, any other reply is Markdown.
        """
        parts = plain_parts(body) if notice else self.services.formatted(body)
        return Response(list(map(QueueMessage, reply_messages(self.message, parts, notice=notice))))

    def say_once(self, occasion: str, body: str) -> Response:
        """Say something in this room at most once: its transaction id is always the same."""
        txn_id = f"{occasion}.{self.room_id}"
        return Response([QueueMessage(reply_message(self.message, txn_id, body, notice=True))])


def reply_messages(
    message: InboundMessage, parts: Sequence[Formatted], *, notice: bool = False
) -> list[OutboundMessage]:
    """The messages of a reply. All but the last one say that more follows."""
    last = len(parts) - 1
    return [
        replace(
            reply_message(message, f"{message.event_id}.{number}", part.body, notice=notice),
            html=part.html,
            more=number < last,
        )
        for number, part in enumerate(parts)
    ]
