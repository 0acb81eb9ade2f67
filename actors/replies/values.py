"""A question to the platform, and what a reply to it ends with. Values only."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from actors.model import (
    EventId,
    InboundMessage,
    OutboundMessage,
    PlatformChatId,
    RoomId,
    SharedFile,
    TokensUsed,
    UserId,
)
from actors.platform import Reason
from actors.rules.files import NotSent, Refusal
from actors.rules.formatting import Formatted


@dataclass(frozen=True, slots=True)
class Question:
    """A waiting message that the platform replies to.

    `failed` counts the failed attempts at it. `chat` is the conversation on the platform, `owner`
    the owner of the chat. `about` is the message to answer, if it is another one: it is
    asked anew.
    """

    message: InboundMessage
    failed: int
    chat: PlatformChatId
    owner: UserId
    about: InboundMessage | None = None

    @property
    def key(self) -> EventId:
        """The waiting message's event id, which names the question to the platform."""
        return self.message.event_id

    @property
    def room_id(self) -> RoomId:
        """The room of the question."""
        return self.message.room_id

    @property
    def asked(self) -> InboundMessage:
        """The message to answer."""
        return self.about or self.message


@dataclass(frozen=True, slots=True)
class Lost:
    """A file of the answer that can't be shown."""

    name: str
    reason: NotSent


Piece: TypeAlias = str | SharedFile | Lost
"""A text in Markdown, a file that is uploaded already, or one that is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The platform has answered. `reason` is None for an answer that the owner has stopped.

    `left_out` are the files of the question that the platform did not get. `trimmed`: the
    conversation no longer fits, and begins to be cut.
    """

    pieces: tuple[Piece, ...] = ()
    reason: Reason | None = None
    tokens: TokensUsed | None = None
    left_out: tuple[Refusal, ...] = ()
    trimmed: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The platform refuses the question for good. `say` is a sentence for the person."""

    say: str


@dataclass(frozen=True, slots=True)
class TooLong:
    """The question alone, or with the shortest history, is too long for the platform.

    `by_instructions`: most of it are the chat's own instructions.
    """

    by_instructions: bool = False


@dataclass(frozen=True, slots=True)
class ModelRefused:
    """The platform has not the model that the owner chose for the chat."""

    model: str


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt at the question has failed, and the question is to blame."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Dropped:
    """Nothing is to be said: the question was redacted."""


Outcome: TypeAlias = Answered | Refused | TooLong | ModelRefused | Failed | Dropped


class Stage(StrEnum):
    """What a reply does at present; the stage that is nearest to an answer comes first."""

    STREAMING = "streaming"
    """The platform says the answer, and the room shows a part of it."""
    ANSWERING = "answering"
    """The platform says the answer, and the room shows nothing of it yet."""
    ENDING = "ending"
    """The outcome is certain, and is about to be committed."""
    ASKED = "asked"
    """The platform has been asked, and has said nothing yet."""
    WAITING = "waiting"
    """It waits until the platform or the homeserver can be asked again."""
    QUEUED = "queued"
    """It waits for its turn, or its question is being prepared."""


class Occasion(StrEnum):
    """The reasons for which a person is told that the reply takes its time."""

    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    MISCONFIGURED = "misconfigured"


def reply_message(
    message: InboundMessage, txn_id: str, said: Formatted, *, notice: bool = False
) -> OutboundMessage:
    """A reply to a message, in the message's thread if it has one."""
    named = None if message.thread is None else message.event_id
    return OutboundMessage(
        txn_id, message.room_id, said.body, notice, message.thread, named, html=said.html
    )
