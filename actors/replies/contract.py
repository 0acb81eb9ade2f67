"""Turns whatever a platform says or raises into what the port allows. Pure."""

import math
from typing import Final, TypeAlias

from actors.platform import Attachment, Delta, Done, File, Reason, Text, Thinking, Usage
from actors.port_errors import (
    ContextTooLong,
    ConversationLost,
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformRefused,
    PlatformUnreachable,
    Unsupported,
)
from actors.runtime.errors import errors_in

PlatformError: TypeAlias = (
    PlatformFailed
    | PlatformBusy
    | ContextTooLong
    | PlatformRefused
    | Unsupported
    | ConversationLost
    | PlatformMisconfigured
)

MAX_BUSY_S: Final = 3600.0
"""A platform that asks for a longer wait is asked again after this time."""
MIN_BUSY_S: Final = 1.0


def checked_delta(delta: object) -> Delta:
    """A delta whose fields are what the port says. Raises PlatformFailed for anything else."""
    match delta:
        case Text(str() as text):
            return Text(storable(text))
        case Thinking():
            return delta
        case Usage(int() as prompt, int() as completion) if prompt >= 0 and completion >= 0:
            return delta
        case Done(Reason()):
            return delta
        case Attachment(File(str() as name, str() as mime_type, bytes() as data)):
            return Attachment(File(storable(name), storable(mime_type), data))
        case _:
            raise PlatformFailed(f"no part of an answer: {_kind(delta)}")


def _kind(delta: object) -> str:
    if isinstance(delta, Text | Usage | Done | Attachment):
        return f"{type(delta).__name__} with a wrong value"
    return type(delta).__name__


def storable(text: str) -> str:
    """A text that can be encoded. JSON can contain half a surrogate pair, which UTF-8 can't."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def checked_error(raised: BaseException) -> PlatformError:
    """The error of the port that stands for whatever a platform has raised."""
    found = errors_in(raised)
    error = found[0] if len(found) == 1 else raised
    match error:
        case PlatformUnreachable():
            return PlatformUnreachable(_text(error))
        case PlatformFailed():
            return PlatformFailed(_text(error))
        case PlatformBusy():
            return PlatformBusy(_wait_s(error.retry_after_s))
        case ContextTooLong():
            return ContextTooLong(_count(error.limit), _count(error.sent))
        case PlatformRefused():
            return PlatformRefused(_sentence(error.say))
        case Unsupported():
            return Unsupported(_names(error.mime_types))
        case ConversationLost():
            return error
        case PlatformMisconfigured():
            return PlatformMisconfigured(_sentence(error.say))
        case _:
            return PlatformFailed(f"{type(error).__name__}: {_text(error)}")


def _text(error: BaseException) -> str:
    try:
        return storable(str(error))
    except Exception:  # noqa: BLE001  even its text may be a bug of the platform
        return type(error).__name__


def _wait_s(seconds: object) -> float:
    if isinstance(seconds, int | float) and math.isfinite(seconds):
        return min(max(float(seconds), MIN_BUSY_S), MAX_BUSY_S)
    return MIN_BUSY_S


def _count(number: object) -> int | None:
    return number if isinstance(number, int) and number > 0 else None


def _sentence(say: object) -> str:
    return storable(say) if isinstance(say, str) else repr(say)


def _names(mime_types: object) -> tuple[str, ...]:
    if not isinstance(mime_types, tuple | list):
        return ()
    return tuple(each for each in mime_types if isinstance(each, str))
