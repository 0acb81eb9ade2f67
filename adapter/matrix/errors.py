"""Translates failed requests into the errors of the ports. Pure.

No other module translates HTTP or transport errors.
"""

import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp

from actors.port_errors import (
    CredentialsRefused,
    HomeserverRefused,
    HomeserverUnavailable,
    PortError,
    PositionLost,
    RateLimited,
    RefusedUnclearly,
    SessionRevoked,
)
from adapter.matrix.codes import About, about
from adapter.matrix.lenient import UNDECODABLE, Decoder, Malformed
from adapter.matrix.problems import Problem, problem_in, refusal_for_now
from adapter.proxy import Proxy

TRANSPORT_ERRORS: Final = (aiohttp.ClientError, TimeoutError, OSError, UnicodeError)
"""Errors that a request can raise before it has an answer.

The resolver raises UnicodeError for a host name that no host can have, as in a redirect.
"""

MAX_RETRY_AFTER_S: Final = 3600.0
"""The bot waits no longer than this, even if the homeserver asks for more."""
_DEFAULT_RETRY_AFTER_S: Final = 5.0
_REASON_LIMIT: Final = 200
_TOO_MANY_REQUESTS: Final = 429
_REQUEST_TIMEOUT: Final = 408
_CONTENT_TOO_LARGE: Final = 413
_BAD_REQUEST: Final = 400
_UNAUTHORIZED: Final = 401
_body_decoder: Final = Decoder(dict[str, object])
_ABOUT_TOKENS: Final = frozenset({"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"})
PROXY_LOGIN_WANTED: Final = 407


def error_for(
    status: int, headers: Mapping[str, str], body: bytes, *, has_token: bool = True
) -> PortError | None:
    """The port error for an answer; None for a 2xx answer with a body that looks like JSON.

    The HTTP status decides first, then what the error code is about. A 4xx answer without a Matrix
    error code comes from a proxy in front of the homeserver and says nothing about the request.
    `has_token` says whether the request had an access token.
    """
    if status // 100 == 2:  # noqa: PLR2004 (2xx)
        if body.lstrip()[:1] in {b"{", b"["} or body.strip() == b"null":
            return None
        return HomeserverUnavailable(f"{status} from a proxy (not Matrix)")
    problem = _problem(body)
    if status == _TOO_MANY_REQUESTS and not _names_server_limit(problem):
        return RateLimited(_retry_after_s(problem, headers))
    if status // 100 != 4 or status == _REQUEST_TIMEOUT:  # noqa: PLR2004 (4xx)
        return HomeserverUnavailable(_unavailable_reason(status, problem))
    if not problem.errcode and status != _CONTENT_TOO_LARGE:
        return HomeserverUnavailable(_unavailable_reason(status, problem))
    return _refusal(status, headers, problem, has_token=has_token)


def unavailable(
    error: Exception, timeout_s: float, proxy: Proxy | None = None
) -> HomeserverUnavailable:
    """The port error for a transport failure, with a short reason and no request details."""
    reason = _transport_reason(error, timeout_s)
    if proxy is not None:
        reason = _proxy_reason(error, proxy) or f"{reason} (through the proxy {proxy.address})"
    return HomeserverUnavailable(reason[:_REASON_LIMIT])


def login_wanted(proxy: Proxy) -> str:
    """The reason for an answer with status 407."""
    wants = "does not accept the user name and the password in the variable that names it"
    if not proxy.has_credentials:
        wants = "wants a user name and a password: add them to the variable that names it"
    return f"the proxy {proxy.address} {wants} (407)"


def _proxy_reason(error: Exception, proxy: Proxy) -> str | None:
    """The reason for an error of the proxy itself; None for any other error."""
    match error:
        case aiohttp.ClientHttpProxyError(status=407):
            return login_wanted(proxy)
        case aiohttp.ClientHttpProxyError():
            said = f"{error.status} {error.message}".strip()
            return f"the proxy {proxy.address} opens no way to the homeserver: {said}"
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientConnectorDNSError():
            return f"the proxy {proxy.address} cannot be reached: {_transport_reason(error, 0)}"
        case _:
            return None


def _refusal(
    status: int, headers: Mapping[str, str], problem: Problem, *, has_token: bool
) -> PortError:
    """The error for a Matrix error code. With a token, 401 is never about the request itself."""
    errcode = problem.code or "M_TOO_LARGE"
    match about(errcode):
        case About.ACCOUNT_FOR_GOOD:
            return CredentialsRefused(
                "the homeserver says that this account is deactivated: use another account"
            )
        case About.ACCOUNT_FOR_NOW:
            return refusal_for_now(problem)
        case About.SERVER_FOR_NOW if problem.code == "M_LIMIT_EXCEEDED":
            return RateLimited(_retry_after_s(problem, headers))
        case About.SERVER_FOR_NOW if status == _BAD_REQUEST and not problem.names_limit:
            # Synapse refuses to join a room that is too large for it with the same code.
            return RefusedUnclearly(status, errcode, problem.error)
        case About.SERVER_FOR_NOW:
            return refusal_for_now(problem, _retry_after_s(problem, headers, default_s=0))
        case About.POSITION:
            return PositionLost(problem.error or errcode)
        case About.SESSION if has_token or problem.code in _ABOUT_TOKENS:
            return SessionRevoked(problem.error or errcode)
        case _ if has_token and status == _UNAUTHORIZED:
            return SessionRevoked(f"{status} {errcode}: {problem.error}"[:_REASON_LIMIT])
        case About.REQUEST | About.ROOM:
            return HomeserverRefused(status, errcode, problem.error)
        case About.REQUEST_FOR_NOW | About.SESSION:
            return RefusedUnclearly(status, errcode, problem.error)


def _names_server_limit(problem: Problem) -> bool:
    return problem.code == "M_RESOURCE_LIMIT_EXCEEDED" and problem.names_limit


def _problem(body: bytes) -> Problem:
    try:
        return problem_in(_body_decoder.decode(body, Malformed()))
    except UNDECODABLE:
        return Problem()


def _retry_after_s(
    problem: Problem, headers: Mapping[str, str], default_s: float = _DEFAULT_RETRY_AFTER_S
) -> float:
    if problem.retry_after_ms is not None and problem.retry_after_ms >= 0:
        return min(problem.retry_after_ms, MAX_RETRY_AFTER_S * 1000) / 1000
    seconds = headers.get("Retry-After", "").strip()
    if seconds.isascii() and seconds.isdigit():
        return min(float(seconds), MAX_RETRY_AFTER_S)
    return default_s


def _unavailable_reason(status: int, problem: Problem) -> str:
    if not problem.errcode:
        return f"{status} from a proxy (not Matrix)"
    return f"{status} {problem.errcode}: {problem.error}"[:_REASON_LIMIT]


def _transport_reason(error: Exception, timeout_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"timed out after {timeout_s:g} s"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return _reason_by_type(error) or _reason_by_type(cause) or _system_reason(cause)


def _reason_by_type(error: Exception) -> str | None:
    """The reason for an error with a type that is clearer than its text; None for other types."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = f"certificate: {error.certificate_error}"
        case ssl.SSLError():
            reason = f"TLS: {error.strerror or error}"
        case aiohttp.ClientConnectorDNSError():
            reason = f"cannot resolve {error.host}"
        case ConnectionRefusedError():
            reason = "connection refused"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            reason = "the connection was closed without an answer"
        case aiohttp.ClientPayloadError():
            reason = "the answer broke off"
        case aiohttp.InvalidURL() | UnicodeError():
            reason = "the homeserver's URL is not a URL"
        case _:
            return None
    return reason


def _system_reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
