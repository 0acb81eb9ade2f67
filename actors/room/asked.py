"""One message that a chat room has to answer, and what follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from actors.model import ChatContext, InboundMessage, OutboundMessage, RoomId
from actors.rules.settlement import DesiredRows
from actors.runtime.letters import Address, Message
from actors.services import Services
from actors.texts import Texts
from actors.writes import QueueMessage, Write

BODY_LIMIT: Final = 10_000
"""Characters in one message: a Matrix event may have 65,536 bytes, JSON may need six for one."""


@dataclass(frozen=True, slots=True)
class Response:
    """What follows from one message.

    `desired` is set when the room's rows must change; `promised` is told after the commit.
    """

    writes: Sequence[Write] = ()
    desired: DesiredRows | None = None
    promised: tuple[Address, Message] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One message in a chat room, with everything that its handler works with.

    `argument` is what follows a command's word, as the command's row says how to read it.
    """

    room_id: RoomId
    services: Services
    message: InboundMessage
    desired: DesiredRows
    argument: str | None = None

    @property
    def texts(self) -> Texts:
        """The catalogue in the bot's language."""
        return self.services.texts

    @property
    def chat(self) -> ChatContext:
        """The room's chat. Raises ValueError for a room that has none."""
        if self.desired.chat is None:
            raise ValueError(self.desired)
        return self.desired.chat

    def say(self, body: str, *, notice: bool = True) -> Response:
        """Answer in this room. Handling the message again sends nothing more."""
        return Response(
            [
                QueueMessage(
                    OutboundMessage(f"{self.message.event_id}.{part}", self.room_id, text, notice)
                )
                for part, text in enumerate(pieces(body))
            ]
        )

    def say_once(self, occasion: str, body: str) -> Response:
        """Say something once in this room: the transaction id is always the same."""
        txn_id = f"{occasion}.{self.room_id}"
        return Response([QueueMessage(OutboundMessage(txn_id, self.room_id, body, notice=True))])


def pieces(body: str) -> list[str]:
    """A text in pieces that each fit into one event."""
    return [body[at : at + BODY_LIMIT] for at in range(0, len(body), BODY_LIMIT)] or [""]
