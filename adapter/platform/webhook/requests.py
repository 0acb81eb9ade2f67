"""The bodies of requests, as JSON. Fields without a value are left out."""

from datetime import UTC, datetime
from typing import Self

import msgspec

from actors.model import EventId, PlatformChatId, UserId
from actors.platform import Ask, Role, Turn


class AttachmentBody(msgspec.Struct, frozen=True):
    """A file of a turn; `data` is base64 in JSON."""

    name: str
    type: str
    data: bytes


class TurnBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn, as in `actors.platform.Turn`."""

    role: Role
    text: str
    speaker: str = ""
    quoted: str = ""
    attachments: tuple[AttachmentBody, ...] = ()

    @classmethod
    def of(cls, turn: Turn) -> Self:
        """The body of a turn."""
        files = tuple(AttachmentBody(it.name, it.mime_type, it.data) for it in turn.attachments)
        return cls(turn.role, turn.text, turn.speaker, turn.quoted, files)


class AskBody(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag="ask"):
    """A question. `question` is the text of the last turn."""

    timestamp: str
    chat: PlatformChatId
    key: EventId
    attempt: int
    fresh: bool
    owner: UserId
    question: str
    turns: tuple[TurnBody, ...]
    model: str | None = None
    system: str | None = None
    temperature: float | None = None


class ForgetBody(msgspec.Struct, frozen=True, kw_only=True, tag="forget"):
    """The conversation is to be forgotten. No answer is expected but a status."""

    timestamp: str
    chat: PlatformChatId


class CheckBody(msgspec.Struct, frozen=True, kw_only=True, tag="check"):
    """Does the receiver take the bot's requests? No answer is expected but a status."""

    timestamp: str


def ask_body(ask: Ask, now: float, *, keeps_history: bool) -> bytes:
    """The body of an ask. A receiver that keeps the history gets only the turns that it lacks."""
    turns = ask.turns[-1:] if keeps_history and not ask.fresh else ask.turns
    return msgspec.json.encode(
        AskBody(
            timestamp=_written(now),
            chat=ask.chat,
            key=ask.key,
            attempt=ask.attempt,
            fresh=ask.fresh,
            owner=ask.owner,
            question=ask.question.text,
            turns=tuple(map(TurnBody.of, turns)),
            model=ask.model,
            system=ask.system,
            temperature=ask.temperature,
        )
    )


def forget_body(chat: PlatformChatId, now: float) -> bytes:
    """The body that tells the receiver to forget a conversation."""
    return msgspec.json.encode(ForgetBody(timestamp=_written(now), chat=chat))


def check_body(now: float) -> bytes:
    """The body that asks the receiver whether it takes the bot's requests."""
    return msgspec.json.encode(CheckBody(timestamp=_written(now)))


def _written(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
