"""Decides which files a platform is shown, and says why others are left out. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from actors.model import InboundMessage, SharedFile
from actors.platform import Capabilities
from actors.port_errors import HomeserverRefused
from actors.reply_texts import ReplyTexts
from actors.rules.file_names import is_text_type
from actors.rules.formatting import Formatted
from actors.rules.wording import in_lines, worded
from actors.texts import Texts

TEXT_TYPES: Final = frozenset({"m.text", "m.emote"})
"""The types of messages that consist of text. A file with a caption is an `m.text` with a file."""


TOO_LARGE: Final = "M_TOO_LARGE"
"""The error code about a file that has too many bytes."""


class Reason(StrEnum):
    """The reasons for which a file is left out."""

    TYPE = "type"
    """The platform does not take files of this type."""
    VOICE = "voice"
    """The platform does not understand speech."""
    ENCRYPTED = "encrypted"
    TOO_LARGE = "too_large"
    GONE = "gone"
    """The homeserver does not have the file, or the message has no address of it."""
    FAILED = "failed"
    """The homeserver has failed to give the file several times."""


class NotSent(StrEnum):
    """The reasons for which a file of the platform is not shown."""

    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    REFUSED = "refused"
    """The homeserver does not take it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was left out. `limit` is in bytes, for one that is too large."""

    file: SharedFile
    reason: Reason
    limit: int = 0


def is_question(message: InboundMessage, capabilities: Capabilities) -> bool:
    """Whether the platform can be asked about a message: its text, or its file."""
    if message.msgtype in TEXT_TYPES and message.body.strip():
        return True
    return message.file is not None and why_left_out(message.file, capabilities) is None


def why_left_out(file: SharedFile, capabilities: Capabilities) -> Reason | None:
    """Why a file is not shown to a platform, as far as its message says; None if it is shown.

    A text needs no capability: it is shown as part of the question's text.
    """
    if capabilities.ignores_files:
        return Reason.TYPE
    if file.encrypted:
        return Reason.ENCRYPTED
    if not file.mxc:
        return Reason.GONE
    if is_text_type(file.mime_type) or is_accepted(file.mime_type, capabilities.accepts):
        return None
    return why_not_taken(file)


def why_not_taken(file: SharedFile) -> Reason:
    """Why a file is left out that the platform does not take."""
    return Reason.VOICE if file.voice else Reason.TYPE


def is_accepted(mime_type: str, accepts: Collection[str]) -> bool:
    """Whether one of the patterns, such as `image/*`, fits a type."""
    return any(fnmatchcase(mime_type, pattern.lower()) for pattern in accepts)


def file_note(file: SharedFile) -> str:
    """What stands in a conversation for a file that is left out of it: `[image: cat.jpg]`."""
    kind = file.mime_type.partition("/")[0]
    return f"[{kind if kind in {'image', 'audio', 'video'} else 'file'}: {file.name}]"


def about_refusals(refusals: Sequence[Refusal], texts: ReplyTexts) -> Formatted:
    """What the person is told about files that were left out."""
    return in_lines(dict.fromkeys(_about(refusal, texts) for refusal in refusals))


def about_unanswered(
    message: InboundMessage, capabilities: Capabilities, texts: Texts
) -> Formatted:
    """What the person is told about a message that is no question."""
    file = message.file
    reason = None if file is None else why_left_out(file, capabilities)
    if file is None or reason in {None, Reason.GONE} or capabilities.ignores_files:
        return worded(texts.not_text)
    return _about(Refusal(file, reason), texts.replies)


def why_not_sent(refusal: HomeserverRefused) -> NotSent:
    """Why the homeserver does not take a file of the platform."""
    return NotSent.TOO_LARGE if refusal.errcode == TOO_LARGE else NotSent.REFUSED


def not_sent(name: str, reason: NotSent, texts: ReplyTexts) -> str:
    """The line of an answer that stands for a file of the platform that could not be sent."""
    said = {
        NotSent.TOO_LARGE: texts.file_not_sent_too_large,
        NotSent.TOO_MANY: texts.file_not_sent_too_many,
        NotSent.REFUSED: texts.file_not_sent_refused,
    }[reason]
    return texts.file_not_sent.format(name=name, reason=said)


def size_text(size: int) -> str:
    """A number of bytes for people, such as `1.5 MB`."""
    unit, name = (2**20, "MB") if size >= 2**20 else (2**10, "KB")
    return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"


def _about(refusal: Refusal, texts: ReplyTexts) -> Formatted:
    text = {
        Reason.TYPE: texts.file_type,
        Reason.VOICE: texts.file_voice,
        Reason.ENCRYPTED: texts.file_encrypted,
        Reason.TOO_LARGE: texts.file_too_large,
        Reason.GONE: texts.file_gone,
        Reason.FAILED: texts.file_failed,
    }[refusal.reason]
    file = refusal.file
    limit = size_text(refusal.limit)
    return worded(text, name=file.name, mime_type=file.mime_type, limit=limit)
