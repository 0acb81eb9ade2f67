"""Translates refusals and failed connections into the errors of the port. Pure.

Texts of a server pass `problem_in` first, which takes the key out of them.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from actors.port_errors import (
    ContextTooLong,
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformRefused,
    PlatformUnreachable,
    PortError,
    Unsupported,
)
from adapter.platform.openai.overflow import context_too_long
from adapter.platform.openai.problems import Problem, problem_in
from adapter.platform.openai.settings import LEAST_CONTEXT
from adapter.platform.openai.waits import wait_s
from adapter.proxy import Proxy

TRANSPORT_ERRORS: Final = (aiohttp.ClientError, OSError, UnicodeError)
"""Errors that a request can raise before or within an answer. TimeoutError is an OSError."""

_ABOUT_PROXY: Final = (
    "the proxy in front of the platform wants a user name and a password (407): "
    "correct them in the variable that names it"
)
_NOT_CONNECTED: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientProxyConnectionError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    UnicodeError,
)
_OK: Final = range(200, 300)
_REFUSALS: Final = range(400, 500)
_SERVER_ERROR: Final = 500
_BUSY: Final = frozenset({429, 503, 529})
_NO_CREDIT: Final = frozenset(
    {"insufficient_quota", "billing_not_active", "billing_hard_limit_reached"}
)
_OF_A_MODERATOR: Final = re.compile(
    r"moderation|flagged|content[ _-]?(?:filter|policy)", re.IGNORECASE
)
_OF_A_FILTER: Final = frozenset({"content_filter", "content_policy_violation"})
_OF_THE_ACCOUNT: Final = re.compile(
    r"credit balance|insufficient (?:credit|balance|fund)", re.IGNORECASE
)
_OF_THE_KEY: Final = re.compile(
    r"(?:invalid|incorrect|wrong|missing) api[ _-]?key|api[ _-]?key (?:is )?(?:not valid|invalid)",
    re.IGNORECASE,
)
_OF_THE_MODEL: Final = re.compile(
    r"(?:invalid|unknown|no such|unsupported) model|not a valid model"
    r"|model.{0,80}(?:not exist|not found|not valid|not available|is not supported)",
    re.IGNORECASE,
)
_ABOUT_A_MODEL: Final = re.compile(r"model|deployment|endpoints? found", re.IGNORECASE)
_ABOUT_PICTURES: Final = re.compile(r"image|picture|vision|multimodal|multi-modal", re.IGNORECASE)
_ABOUT_PARTS: Final = re.compile(r"content.{0,80}(?:string|str\b)|unknown variant", re.IGNORECASE)
_ABOUT_FILES: Final = re.compile(r"\bfiles?\b|pdf|document", re.IGNORECASE)
_FOR_GOOD: Final = re.compile(
    r"not support|support(?:s|ed) only|only supported|does not have|no endpoints"
    r"|at most 0|missing data|not a (?:multimodal|vision)|unknown variant|mmproj",
    re.IGNORECASE,
)
_NO_FAULT_OF_THE_MODEL: Final = re.compile(
    r"format|decode|corrupt|too (?:large|big)|base64", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request was about. `url` is the address of the server, as the operator may see it.

    `mime_types` are those of the attachments.
    """

    url: str
    model: str = ""
    has_key: bool = False
    mime_types: tuple[str, ...] = ()
    max_tokens: int | None = None
    key: str = field(default="", repr=False)


def error_for(
    status: int, headers: Mapping[str, str], body: bytes, asked: Asked, now: float
) -> PortError:
    """The error for a refused request."""
    problem = problem_in(body, asked.key)
    return _error(status, headers, problem, asked, now)


def error_within(body: str, asked: Asked, now: float) -> PortError:
    """The error for an answer that turns out to be a refusal, whatever its status was."""
    problem = problem_in(body.encode(errors="replace"), asked.key)
    status = problem.status if problem.status in range(400, 600) else _status_of(problem)
    return _error(status or _SERVER_ERROR, {}, problem, asked, now)


def web_page(asked: Asked) -> PlatformMisconfigured:
    """The error for a web page in place of an answer."""
    return PlatformMisconfigured(
        f"{asked.url} answers with a web page and not with the API: correct OPENAI_BASE_URL"
    )


def no_api(asked: Asked) -> PlatformMisconfigured:
    """The error for a server that does not know the path of the API."""
    return PlatformMisconfigured(
        f"{asked.url} has no Chat Completions API: correct OPENAI_BASE_URL"
    )


def is_wrong_path(status: int, body: bytes) -> bool:
    """Whether a refusal is about the path alone: the API may be under another one."""
    if status not in {404, 405}:
        return False
    problem = problem_in(body)
    return status == 405 or not _ABOUT_A_MODEL.search(problem.message)  # noqa: PLR2004


def says_no_pictures(error: PortError, body: bytes) -> bool:
    """Whether a refusal says that the model takes no pictures at all, not only not this one."""
    words = problem_in(body).words
    return (
        isinstance(error, Unsupported)
        and bool(_FOR_GOOD.search(words))
        and not _NO_FAULT_OF_THE_MODEL.search(words)
    )


def transport_error(error: Exception, asked: Asked, proxy: Proxy | None = None) -> PortError:
    """The error for a connection that could not be made, or broke."""
    if isinstance(error, aiohttp.ClientHttpProxyError) and error.status == 407:  # noqa: PLR2004
        return PlatformMisconfigured(_ABOUT_PROXY)
    reason = _proxy_reason(error, proxy) if proxy else None
    if reason is None:
        reason = f"{asked.url}: {_reason(error)}"
    if isinstance(error, _NOT_CONNECTED):
        return PlatformUnreachable(f"no connection to {reason}")
    return PlatformFailed(f"the answer of {reason}")


def _error(
    status: int, headers: Mapping[str, str], problem: Problem, asked: Asked, now: float
) -> PortError:
    if (too_long := context_too_long(problem)) is not None:
        return _leaves_no_room(too_long, asked) or too_long
    if (unsupported := _unsupported(status, problem, asked)) is not None:
        return unsupported
    if status == 402 or _is_about_money(problem):  # noqa: PLR2004
        return PlatformMisconfigured(
            f"the account behind OPENAI_API_KEY has no credit left at {asked.url}: add some"
        )
    if status in _BUSY:
        return PlatformBusy(wait_s(headers, problem.words, now))
    return _refusal(status, problem, asked) or _failure(status, problem, asked)


def _leaves_no_room(error: ContextTooLong, asked: Asked) -> PortError | None:
    """The error for an answer that may be as long as the context; None if there is room."""
    if asked.max_tokens is None or error.limit is None:
        return None
    if error.limit - asked.max_tokens >= LEAST_CONTEXT:
        return None
    return PlatformMisconfigured(
        f"OPENAI_MAX_TOKENS is {asked.max_tokens}, and the context of {asked.model} has only "
        f"{error.limit} tokens: lower it"
    )


def _unsupported(status: int, problem: Problem, asked: Asked) -> Unsupported | None:
    """The error if a request is refused for its attachments."""
    pictures = tuple(each for each in asked.mime_types if each.startswith("image/"))
    others = tuple(each for each in asked.mime_types if not each.startswith("image/"))
    if status == 413 and asked.mime_types:  # noqa: PLR2004
        return Unsupported(asked.mime_types)
    if status in {401, 402, 403, 429, 503}:
        return None
    if pictures and (_ABOUT_PICTURES.search(problem.words) or _ABOUT_PARTS.search(problem.words)):
        return Unsupported(pictures)
    if others and _ABOUT_FILES.search(problem.words):
        return Unsupported(others)
    return None


def _refusal(status: int, problem: Problem, asked: Asked) -> PortError | None:
    """The error for a status that puts the blame on the request; None for any other status."""
    match status:
        case 400 | 401 if status == 401 or _OF_THE_KEY.search(problem.words):  # noqa: PLR2004
            return PlatformMisconfigured(_about_key(status, asked))
        case 403 if _OF_A_MODERATOR.search(problem.words):
            return PlatformRefused(_said("The model refuses this question", problem))
        case 403:
            return PlatformMisconfigured(
                _said(f"{asked.url} does not let this key ask {asked.model or 'it'} (403)", problem)
            )
        case 404 if _ABOUT_A_MODEL.search(problem.message):
            return PlatformMisconfigured(_about_model(problem, asked))
        case 400 | 422 if _OF_THE_MODEL.search(problem.message):
            return PlatformMisconfigured(_about_model(problem, asked))
        case 404 | 405:
            return web_page(asked) if problem.is_page else no_api(asked)
        case 407:
            return PlatformMisconfigured(_ABOUT_PROXY)
        case 408 | 409 | 425 | 499:
            return None
        case _ if status in _REFUSALS:
            if problem.code in _OF_A_FILTER:
                return PlatformRefused("A content filter refuses this question.")
            if problem.is_page or not problem.words:
                return PlatformFailed(f"{asked.url} answers {status} without a reason")
            return PlatformRefused(_said("The model refuses this question", problem))
        case _:
            return None


def _failure(status: int, problem: Problem, asked: Asked) -> PlatformFailed:
    if status == 502 and not problem.is_of_api:  # noqa: PLR2004
        return PlatformUnreachable(f"a proxy at {asked.url} does not reach the server (502)")
    if status in _OK or 300 <= status < 400:  # noqa: PLR2004
        return PlatformFailed(f"{asked.url} answers {status}")
    return PlatformFailed(_said(f"{asked.url} answers {status}", problem))


def _is_about_money(problem: Problem) -> bool:
    is_named = problem.code in _NO_CREDIT or problem.kind in _NO_CREDIT
    return is_named or bool(_OF_THE_ACCOUNT.search(problem.message))


def _about_key(status: int, asked: Asked) -> str:
    if asked.has_key:
        return f"{asked.url} refuses the key ({status}): set OPENAI_API_KEY to a valid one"
    return f"{asked.url} wants a key ({status}): set OPENAI_API_KEY"


def _about_model(problem: Problem, asked: Asked) -> str:
    said = f" ({problem.sentence})" if problem.sentence else ""
    return f"{asked.url} has no model {asked.model!r}{said}: set OPENAI_MODEL to one that it has"


def _said(sentence: str, problem: Problem) -> str:
    return f"{sentence}: {problem.sentence}" if problem.sentence else sentence


def _status_of(problem: Problem) -> int | None:
    """The status that the kind of an error stands for."""
    named = f"{problem.kind} {problem.code}".lower()
    for words, status in _STATUSES:
        if any(word in named for word in words):
            return status
    return None


_STATUSES: Final = (
    (("rate_limit", "overloaded", "too_many"), 429),
    (("authentication", "invalid_api_key"), 401),
    (("permission",), 403),
    (("not_found",), 404),
    (("content_filter",), 400),
    (("invalid_request", "badrequest", "bad_request"), 400),
)


def _proxy_reason(error: Exception, proxy: Proxy) -> str | None:
    """The reason for an error of the proxy itself; None for any other error."""
    match error:
        case aiohttp.ClientHttpProxyError():
            return f"the server: the proxy {proxy.address} answers {error.status}"
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy {proxy.address}: {_reason(error)}"
        case _:
            return None


def _reason(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return (
                f"its certificate is not trusted ({_plain(error.certificate_error)}): "
                "name its authority in OPENAI_CA_FILE"
            )
        case aiohttp.ClientConnectorDNSError():
            return f"the name {error.host} is not known"
        case aiohttp.ClientPayloadError():
            return "it breaks off"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "the connection is closed"
        case TimeoutError():
            return "no connection in time"
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return "the connection is refused"
        case aiohttp.ClientConnectorError():
            return _plain(error.os_error)
        case _:
            return _plain(error)


def _plain(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)[:200] or type(error).__name__
