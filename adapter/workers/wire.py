"""Calls, answers, errors and capabilities as bytes: MessagePack. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final, TypeAlias

import msgspec

from actors.model import EventId, PlatformChatId
from actors.platform import (
    Ask,
    Attachment,
    Capabilities,
    Delta,
    Done,
    File,
    Reason,
    Text,
    Thinking,
    Turn,
    Usage,
)
from actors.port_errors import (
    PLATFORM_ERRORS,
    ContextTooLong,
    ConversationLost,
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformRefused,
    PlatformUnreachable,
    Unsupported,
)
from actors.replies.contract import PlatformError, storable


@dataclass(frozen=True, slots=True)
class Check:
    """Ask the platform whether it is well."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Let the platform forget a conversation."""

    chat: PlatformChatId


Call: TypeAlias = Ask | Check | Forget
"""What a worker does on the platform."""


class _Ask(msgspec.Struct, array_like=True, tag="ask"):
    ask: Ask


class _Check(msgspec.Struct, array_like=True, tag="check"):
    pass


class _Forget(msgspec.Struct, array_like=True, tag="forget"):
    chat: PlatformChatId


class _Text(msgspec.Struct, array_like=True, tag="text"):
    text: str


class _Thinking(msgspec.Struct, array_like=True, tag="thinking"):
    pass


class _Attachment(msgspec.Struct, array_like=True, tag="file"):
    file: File


class _Usage(msgspec.Struct, array_like=True, tag="usage"):
    prompt_tokens: int
    completion_tokens: int


class _Done(msgspec.Struct, array_like=True, tag="done"):
    reason: Reason


_Values: TypeAlias = list[str | int | float | list[str] | None]


class _Failure(msgspec.Struct, array_like=True):
    kind: str
    values: _Values


_Part: TypeAlias = _Text | _Thinking | _Attachment | _Usage | _Done
_CALL: Final = msgspec.msgpack.Decoder(_Ask | _Check | _Forget)
_PARTS: Final = msgspec.msgpack.Decoder(list[_Part])
_FAILURE: Final = msgspec.msgpack.Decoder(_Failure)
_CAPABILITIES: Final = msgspec.msgpack.Decoder(Capabilities)
_LARGEST: Final = 2**63 - 1
_KINDS: Final = {kind.__name__: kind for kind in (*PLATFORM_ERRORS, PlatformUnreachable)}
_OF_TEXT: Final = (
    PlatformFailed,
    PlatformUnreachable,
    PlatformRefused,
    ConversationLost,
    PlatformMisconfigured,
)


def call_bytes(call: Call) -> bytes:
    """A call as bytes. Half surrogate pairs, which can't be encoded, are replaced."""
    match call:
        case Ask():
            return msgspec.msgpack.encode(_Ask(_encodable(call)))
        case Check():
            return msgspec.msgpack.encode(_Check())
        case Forget(chat):
            return msgspec.msgpack.encode(_Forget(PlatformChatId(storable(chat))))


def call_of(data: bytes) -> Call:
    """The call. Raises msgspec.MsgspecError for bytes of another release."""
    decoded: _Ask | _Check | _Forget = _CALL.decode(data)
    match decoded:
        case _Ask(ask=ask):
            return ask
        case _Check():
            return Check()
        case _Forget(chat=chat):
            return Forget(chat)


def question_digest(call: Call) -> bytes:
    """The same bytes for the same question, whatever comes with it of the conversation."""
    if not isinstance(call, Ask) or not call.turns:
        return b""
    turn = _encodable_turn(call.question)
    files = [[file.name, file.mime_type] for file in turn.attachments]
    return sha256(msgspec.msgpack.encode([turn.text, turn.quoted, files])).digest()


def parts_bytes(parts: Iterable[Delta]) -> bytes:
    """Parts of an answer as bytes."""
    return msgspec.msgpack.encode([_part(each) for each in parts])


def parts_of(data: bytes) -> list[Delta]:
    """The parts. Raises msgspec.MsgspecError for bytes of another release."""
    return [_delta(each) for each in _PARTS.decode(data)]


def joined(parts: Sequence[Delta]) -> list[Delta]:
    """The parts with fewer of them: neighbours that are texts or signs of life become one."""
    kept: list[Delta] = []
    texts: list[str] = []
    for part in (*parts, None):
        if isinstance(part, Text):
            texts.append(part.text)
            continue
        if texts:
            kept.append(Text("".join(texts)))
            texts.clear()
        if part is not None and not (isinstance(part, Thinking) and kept[-1:] == [part]):
            kept.append(part)
    return kept


def failure_bytes(error: PlatformError) -> bytes:
    """An error of a platform as bytes."""
    return msgspec.msgpack.encode(_Failure(type(error).__name__, _values(error)))


def failure_of(data: bytes) -> PlatformError:
    """The error; PlatformFailed for one that only another release knows."""
    failure = _FAILURE.decode(data)
    return _error(failure.kind, failure.values)


def capabilities_bytes(capabilities: Capabilities) -> bytes:
    """Capabilities as bytes. Raises msgspec.MsgspecError for those that nothing could read."""
    data = msgspec.msgpack.encode(capabilities)
    capabilities_of(data)
    return data


def capabilities_of(data: bytes) -> Capabilities:
    """The capabilities. Raises msgspec.MsgspecError for bytes of another release."""
    return _CAPABILITIES.decode(data)


def _encodable(ask: Ask) -> Ask:
    return replace(
        ask,
        chat=PlatformChatId(storable(ask.chat)),
        key=EventId(storable(ask.key)),
        turns=tuple(map(_encodable_turn, ask.turns)),
        system=ask.system and storable(ask.system),
        model=ask.model and storable(ask.model),
    )


def _encodable_turn(turn: Turn) -> Turn:
    return replace(
        turn,
        text=storable(turn.text),
        speaker=storable(turn.speaker),
        quoted=storable(turn.quoted),
        attachments=tuple(replace(file, name=storable(file.name)) for file in turn.attachments),
    )


def _part(delta: Delta) -> _Part:
    match delta:
        case Text(text):
            return _Text(text)
        case Thinking():
            return _Thinking()
        case Attachment(file):
            return _Attachment(file)
        case Usage(prompt, completion):
            return _Usage(_number(prompt), _number(completion))
        case Done(reason):
            return _Done(reason)


def _delta(part: _Part) -> Delta:
    match part:
        case _Text(text=text):
            return Text(text)
        case _Thinking():
            return Thinking()
        case _Attachment(file=file):
            return Attachment(file)
        case _Usage(prompt_tokens=prompt, completion_tokens=completion):
            return Usage(prompt, completion)
        case _Done(reason=reason):
            return Done(reason)


def _values(error: PlatformError) -> _Values:
    match error:
        case PlatformBusy(retry_after_s=retry_after_s):
            return [retry_after_s]
        case ContextTooLong(limit=limit, sent=sent):
            return [limit and _number(limit), sent and _number(sent)]
        case PlatformRefused(say=say) | PlatformMisconfigured(say=say):
            return [say]
        case Unsupported(mime_types=mime_types):
            return [list(mime_types)]
        case _:
            return [str(error)]


def _number(number: int) -> int:
    """A number that can be encoded. A platform may count with anything that is an integer."""
    return min(int(number), _LARGEST)


def _error(name: str, values: _Values) -> PlatformError:
    match _KINDS.get(name), values:
        case (kind, [int() | float() as retry_after_s]) if kind is PlatformBusy:
            return PlatformBusy(retry_after_s)
        case (kind, [int() | None as limit, int() | None as sent]) if kind is ContextTooLong:
            return ContextTooLong(limit, sent)
        case (kind, [list() as mime_types]) if kind is Unsupported:
            return Unsupported(tuple(mime_types))
        case (kind, [str() as text]) if kind in _OF_TEXT:
            return kind(text)
        case _:
            return PlatformFailed(f"an error of another release: {name}")
