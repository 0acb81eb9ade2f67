"""What a status that is no success means, and a request without an answer. Pure."""

import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
import msgspec

from actors.port_errors import (
    ContextTooLong,
    ConversationLost,
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformRefused,
    PlatformUnreachable,
    PortError,
    Unsupported,
)
from adapter.platform.webhook.answers import SAY_CHARS

TRANSPORT_ERRORS: Final = (aiohttp.ClientError, TimeoutError, OSError, UnicodeError)
"""Errors that a request can raise before it has a whole answer."""
LONGEST_WAIT_S: Final = 3600.0
"""The bot waits no longer than this, even if the receiver asks for more."""
_DEFAULT_WAIT_S: Final = 5.0
_SHOWN: Final = 200
_NOT_CONNECTED: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    UnicodeError,
)
_MISCONFIGURED: Final[Mapping[int, str]] = {
    401: "does not accept the bot's signature: set WEBHOOK_SECRET to the secret that it has",
    403: "forbids the bot's requests: set WEBHOOK_SECRET to the secret that it has",
    404: "knows no such address: correct the path in WEBHOOK_URL",
    405: "takes no POST at this address: correct the path in WEBHOOK_URL",
    407: "is behind a proxy that wants a user name and a password: add them to the proxy's URL",
    410: "wants no more requests: set WEBHOOK_URL to another receiver",
}


class ErrorBody(msgspec.Struct):
    """The body of a refusal: `error` is for the log, `say` a sentence for the person."""

    error: str | None = None
    say: str | None = None
    limit: int | None = None
    """With status 413: the tokens that fit into the context …"""
    sent: int | None = None
    """… and those that were sent."""
    types: tuple[str, ...] = ()
    """With status 415: the MIME types that the receiver does not take."""


_decoder: Final = msgspec.json.Decoder(ErrorBody)


def error_for(
    status: int, headers: Mapping[str, str], body: bytes, *, now: float, keeps_history: bool
) -> PortError:
    """The error for an answer that is no success."""
    told = _told(body)
    if status in _MISCONFIGURED:
        return PlatformMisconfigured(f"the receiver {_MISCONFIGURED[status]} ({status})")
    if 300 <= status < 400:  # noqa: PLR2004 (3xx)
        place = headers.get("Location", "another address")[:_SHOWN]
        return PlatformMisconfigured(f"the receiver is elsewhere ({status}): is it {place}?")
    match status:
        case 429 | 503:
            return PlatformBusy(_wait_s(headers.get("Retry-After", ""), now))
        case 409 if keeps_history:
            return ConversationLost(told.error or "the receiver has not this conversation")
        case 413:
            return ContextTooLong(told.limit, told.sent)
        case 415:
            return Unsupported(told.types)
        case _ if told.say and status < 500:  # noqa: PLR2004 (4xx)
            return PlatformRefused(told.say[:SAY_CHARS])
        case _:
            reason = f": {told.error[:_SHOWN]}" if told.error else ""
            return PlatformFailed(f"the receiver answers with {status}{reason}")


def transport_error(error: Exception) -> PortError:
    """The error for a request that got no whole answer."""
    if isinstance(error, aiohttp.ClientHttpProxyError) and error.status in _MISCONFIGURED:
        return PlatformMisconfigured(f"the receiver {_MISCONFIGURED[407]} ({error.status})")
    if isinstance(error, _NOT_CONNECTED):
        return PlatformUnreachable(f"the receiver cannot be reached: {_cause(error)}")
    return PlatformFailed(f"the receiver gave no whole answer: {_cause(error)}")


def _cause(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"certificate: {error.certificate_error}"[:_SHOWN]
        case aiohttp.ClientConnectorDNSError():
            return f"cannot resolve {error.host}"
        case aiohttp.ClientConnectorError(os_error=ssl.SSLError(reason="WRONG_VERSION_NUMBER")):
            return "it does not speak TLS: correct https in WEBHOOK_URL"
        case aiohttp.ClientConnectorError(os_error=ssl.SSLError() as fault):
            return f"TLS: {fault.strerror or fault}"
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return "the connection is refused"
        case aiohttp.ClientConnectorError(os_error=OSError(strerror=str(text))):
            return text
        case aiohttp.ClientPayloadError():
            return "it broke off"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "the connection was closed"
        case TimeoutError():
            return "no connection in time"
        case _:
            return str(error)[:_SHOWN] or type(error).__name__


def _told(body: bytes) -> ErrorBody:
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ErrorBody()


def _wait_s(value: str, now: float) -> float:
    """The seconds of a Retry-After header, which has a number or a date."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT_S)
    try:
        return min(max(parsedate_to_datetime(text).timestamp() - now, 0.0), LONGEST_WAIT_S)
    except (ValueError, TypeError, OverflowError):
        return _DEFAULT_WAIT_S
