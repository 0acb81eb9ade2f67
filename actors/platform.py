"""The port to chat platforms: what a platform is asked, and what it answers with.

Plugins import this module. The errors that a platform raises are in `actors.port_errors`.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from actors.model import EventId, PlatformChatId, UserId

DEFAULT_CONTEXT_TOKENS = 8_192
"""The context length of a model of which nothing else is known."""


class Role(StrEnum):
    """The two sides of a conversation."""

    PERSON = "user"
    """The people in the room."""
    ASSISTANT = "assistant"
    """The platform."""


@dataclass(frozen=True, slots=True)
class File:
    """A file with its bytes. `mime_type` is in lower case, without parameters."""

    name: str
    mime_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side of a conversation said before the other side spoke again.

    `speaker` names the person if several people speak in the room; else it is empty. `quoted` is
    the text that the turn replies to, if it replies to one.
    """

    role: Role
    text: str
    speaker: str = ""
    quoted: str = ""
    attachments: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to the platform.

    `key` is the question's event id: a repeated key names the same question. `attempt` counts from
    1. `turns` is the conversation as the room has it now, cut to the context; the question is last.
    `fresh` says that the platform must know nothing else of the conversation. A platform that keeps
    the history itself gets only the question while `fresh` is false. `system`, `model` and
    `temperature` are the chat's settings; None leaves them to the platform.
    """

    chat: PlatformChatId
    key: EventId
    attempt: int
    turns: tuple[Turn, ...]
    owner: UserId
    fresh: bool = True
    system: str | None = None
    model: str | None = None
    temperature: float | None = None

    @property
    def question(self) -> Turn:
        """The turn to answer."""
        return self.turns[-1]


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer, in Markdown."""

    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """A sign of life that is not shown: the platform works."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture or another file of the answer."""

    file: File


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that the answer took so far. Of several, the last one counts."""

    prompt_tokens: int
    completion_tokens: int


class Reason(StrEnum):
    """The reasons for which an answer is complete."""

    STOP = "stop"
    """The answer has come to its own end."""
    LENGTH = "length"
    """The answer was cut at the platform's limit."""
    FILTER = "filter"
    """A content filter ended the answer."""


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an answer. It comes once, only with the platform's own sign of the end."""

    reason: Reason = Reason.STOP


Delta: TypeAlias = Text | Thinking | Attachment | Usage | Done


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a platform can do, as far as it is known now.

    `keeps_history`: the platform remembers a conversation by its `Ask.chat`. `context_tokens` is
    the room for the system prompt of the chat and the turns. `accepts` are patterns of MIME types
    such as `image/*`; files of text become a part of the turns in any case, unless `ignores_files`
    says that the platform has no use for files at all. `models` are the models to choose from, the
    default one first; empty if they are not known. `notes` are sentences for the operator, found
    out by `check`.
    """

    streams: bool = False
    keeps_history: bool = False
    context_tokens: int = DEFAULT_CONTEXT_TOKENS
    accepts: tuple[str, ...] = ()
    ignores_files: bool = False
    models: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Platform(Protocol):
    """A chat platform.

    It may be asked again for a key at any time, by another process as well. It keeps nothing on
    disk that could not be made again from `Ask.turns`.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What the platform can do, as far as it is known now. Cheap: it is read for each ask."""
        ...

    def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """An async generator of the answer's parts, which ends with one Done.

        Closing it stops the work and its cost within 5 s. Raises PlatformFailed,
        PlatformUnreachable, PlatformBusy, ContextTooLong, PlatformRefused, Unsupported,
        ConversationLost, PlatformMisconfigured. An end without Done counts as PlatformFailed.
        """
        ...

    async def check(self) -> None:
        """Return if the platform answers questions now. Raises what is wrong, as `answer` does."""
        ...

    async def forget(self, chat: PlatformChatId) -> None:
        """Forget a conversation. An unknown one is no error."""
        ...

    async def close(self) -> None:
        """Close connections. Never raises."""
        ...
