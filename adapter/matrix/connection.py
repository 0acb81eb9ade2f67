"""Requests to the homeserver. Each ends in bounded time with a decoded answer or a port error."""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeAlias, TypeVar, cast
from urllib.parse import quote, urlencode

import aiohttp
import anyio
import msgspec
import structlog
from yarl import URL

from actors.bounds import Bounds
from actors.meter import Meter
from actors.port_errors import (
    CredentialsRefused,
    HomeserverRefused,
    HomeserverUnavailable,
    PortError,
    RequestNotSent,
    SessionRevoked,
)
from adapter.matrix.bodies import WhoAmI
from adapter.matrix.errors import (
    PROXY_LOGIN_WANTED,
    TRANSPORT_ERRORS,
    error_for,
    login_wanted,
    unavailable,
)
from adapter.matrix.lenient import UNDECODABLE, Decoder, Malformed
from adapter.proxy import Proxy

_PREFIX: Final = "/_matrix/client/v3/"
NEWER_PREFIX: Final = "/_matrix/client/v1/"
"""The prefix of the endpoints that came with later versions of the specification."""
_LONG_POLL: Final = f"{_PREFIX}sync"
"""Requests to this path last until there is news, so their duration is not measured."""
WHOAMI: Final = f"{_PREFIX}account/whoami"
_ABOUT_SESSIONS: Final = frozenset({WHOAMI, f"{_PREFIX}login", f"{_PREFIX}logout"})
"""A refusal of these requests needs no confirmation by `WHOAMI`."""

A = TypeVar("A")

_decoders: Final[dict[object, Decoder[Any]]] = {}
"""The decoders by type of answer."""

_CHUNK_BYTES: Final = 64 * 1024
_ERROR_BYTES: Final = 64 * 1024
"""An answer that is an error is read up to this size."""
_OK: Final = range(200, 300)

_log = structlog.get_logger("adapter.matrix.connection")


@dataclass(frozen=True, slots=True)
class Payload:
    """The body of a request that is a file."""

    data: bytes
    mime_type: str


Body: TypeAlias = Mapping[str, object] | Payload | None
"""The body of a request: a JSON object, a file, or none."""


class Client(Protocol):
    """The part of nio's AsyncClient that the bot uses."""

    access_token: str

    def restore_login(self, user_id: str, device_id: str, access_token: str) -> None:
        """Use this session for later requests."""

    async def send(
        self,
        method: str,
        path: str,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 (nio's signature)
    ) -> aiohttp.ClientResponse:
        """Send one request, following redirects, without any retry."""
        ...

    async def close(self) -> None:
        """Close the connections."""


class Connection:
    """Requests over a client, with its access token in a header and never in a URL.

    Only GET requests are sent once `remaining_s` returns 0: a request may have waited for its turn
    while this process was replaced by another one.
    """

    def __init__(
        self,
        client: Client,
        meter: Meter | None = None,
        bounds: Bounds = Bounds(),
        proxy: Proxy | None = None,
        remaining_s: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self._client = client
        self._remaining_s = remaining_s
        self._proxy = proxy
        self.bounds = bounds
        self.revoked_token = ""
        """The last token of which the homeserver said twice that it is no longer good."""
        self._meter = meter or Meter()

    @property
    def access_token(self) -> str:
        """The token in use; empty without a session."""
        return self._client.access_token or ""

    def resume(self, user_id: str, device_id: str, access_token: str) -> None:
        """Use this session for every later request."""
        self._client.restore_login(user_id, device_id, access_token)

    def forget(self) -> None:
        """Send later requests without a token."""
        self._client.access_token = ""

    async def request(
        self,
        method: str,
        path: str,
        answer: type[A],
        body: Body = None,
        *,
        timeout_s: float | None = None,
    ) -> A:
        """Send a request and return the decoded answer. `path_to` makes the `path`.

        `timeout_s` defaults to `Bounds.request_s`. Raises the errors of the Homeserver port;
        SessionRevoked and CredentialsRefused only if the homeserver says the same when it is asked
        about the session alone. If it then says that the session is good, the request is repeated.
        """
        within_s = timeout_s or self.bounds.request_s
        return await self._measured(
            path, partial(self._answer, method, path, answer, body, within_s)
        )

    async def download(self, path: str, *, limit: int, timeout_s: float) -> bytes:
        """The content at a path, which is not JSON. Raises as `request` does.

        HomeserverRefused with M_TOO_LARGE if it has more than `limit` bytes: no more are read.
        """
        return await self._measured(path, partial(self._content, path, limit, timeout_s))

    def note_malformed(self, malformed: Malformed, subject: str) -> None:
        """Log and count what was left out of an answer; `subject` is the answer or a room id."""
        if malformed.count:
            self._meter.malformed += malformed.count
            _log.warning(
                "malformed_events", count=malformed.count, of=subject, places=malformed.places
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _measured(self, path: str, ask: Callable[[], Awaitable[A]]) -> A:
        meter, began = self._meter, anyio.current_time()
        try:
            answer = await self._confirmed(path, ask)
        except PortError as error:
            meter.answers[type(error).__name__] += 1
            raise
        else:
            meter.answers["ok"] += 1
            return answer
        finally:
            if not path.startswith(_LONG_POLL):
                meter.requests.add(anyio.current_time() - began)

    async def _confirmed(self, path: str, ask: Callable[[], Awaitable[A]]) -> A:
        try:
            return await ask()
        except (SessionRevoked, CredentialsRefused) as error:
            if path in _ABOUT_SESSIONS or not self.access_token:
                raise
            await self._confirm_session()
            if isinstance(error, CredentialsRefused):
                # Only the account of another person can be meant.
                raise HomeserverRefused(403, "M_USER_DEACTIVATED", str(error)) from error
        try:
            return await ask()
        except SessionRevoked as error:
            reason = f"refused, although the session is good: {error}"
            raise HomeserverUnavailable(reason) from error

    async def _confirm_session(self) -> None:
        """Return if the homeserver says that the session is good; raise its error otherwise."""
        try:
            await self._answer("GET", WHOAMI, WhoAmI, None, self.bounds.request_s)
        except SessionRevoked:
            self.revoked_token = self.access_token
            raise

    async def _answer(
        self,
        method: str,
        path: str,
        answer: type[A],
        body: Body,
        timeout_s: float,
    ) -> A:
        status, headers, content = await self._exchange(method, path, body, timeout_s)
        self._raise_for(status, headers, content)
        malformed = Malformed()
        try:
            decoder: Decoder[A] = _decoders.get(answer) or Decoder(answer)
            decoded = _decoders.setdefault(answer, decoder).decode(content, malformed)
        except UNDECODABLE as fault:
            raise HomeserverUnavailable(
                f"{status} with an answer that is not Matrix: {str(fault)[:100]}"
            ) from fault
        self.note_malformed(malformed, answer.__name__)
        return cast("A", decoded)

    def _raise_for(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        """Raise the error that an answer is, if it is one."""
        if status == PROXY_LOGIN_WANTED and self._proxy is not None:
            raise HomeserverUnavailable(login_wanted(self._proxy))
        error = error_for(status, headers, content, has_token=bool(self.access_token))
        if error is not None:
            raise error

    async def _exchange(
        self, method: str, path: str, body: Body, timeout_s: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        data, headers = _encoded(body)
        if method != "GET" and self._remaining_s() <= 0:
            raise RequestNotSent("this process may lead no longer")
        try:
            with anyio.fail_after(timeout_s):
                response = await self._client.send(
                    method, path, data, self._headers(headers), timeout=timeout_s
                )
                async with response:
                    content = await response.read()
        except TRANSPORT_ERRORS as error:
            raise unavailable(error, timeout_s, self._proxy) from error
        if response.history:
            target = redirected_to(str(response.url), path)
            raise HomeserverUnavailable(f"redirected: is MATRIX_HOMESERVER {target}?")
        return response.status, response.headers, content

    async def _content(self, path: str, limit: int, timeout_s: float) -> bytes:
        """The content at a path. The homeserver may redirect to the place where it keeps files."""
        headers = self._headers({"Accept-Encoding": "identity"})
        try:
            with anyio.fail_after(timeout_s):
                response = await self._client.send("GET", path, None, headers, timeout=timeout_s)
                async with response:
                    if response.status in _OK:
                        return await _read(response, limit)
                    content = await response.content.read(_ERROR_BYTES)
        except TRANSPORT_ERRORS as error:
            raise unavailable(error, timeout_s, self._proxy) from error
        self._raise_for(response.status, response.headers, content)
        raise HomeserverUnavailable(f"{response.status} without content")

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        """The headers of a request, with the access token."""
        if self.access_token:
            return {**headers, "Authorization": f"Bearer {self.access_token}"}
        return headers


def _encoded(body: Body) -> tuple[bytes | None, dict[str, str]]:
    """The bytes of a body, and the headers that say what they are."""
    match body:
        case None:
            return None, {}
        case Payload():
            return body.data, {"Content-Type": body.mime_type}
        case _:
            return msgspec.json.encode(body), {"Content-Type": "application/json"}


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body of an answer. Never more than a chunk above `limit` is in memory."""
    if (response.content_length or 0) > limit:
        response.close()
        raise _too_large(limit)
    content = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        content += chunk
        if len(content) > limit:
            response.close()
            raise _too_large(limit)
    return bytes(content)


def _too_large(limit: int) -> HomeserverRefused:
    return HomeserverRefused(413, "M_TOO_LARGE", f"more than {limit} bytes")


def redirected_to(url: str, path: str) -> str:
    """The homeserver's URL according to a redirect to `url` of a request for `path`."""
    before, found, _ = url.partition(f"/{path.lstrip('/').partition('/')[0]}/")
    return before if found else str(URL(url).origin())


def path_to(*parts: str, prefix: str = _PREFIX, **query: str | int) -> str:
    """The path of an endpoint, with each part percent-encoded."""
    path = "/".join(quote(part, safe="") for part in parts)
    return f"{prefix}{path}?{urlencode(query)}" if query else f"{prefix}{path}"
