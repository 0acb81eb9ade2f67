"""Requests to one server over HTTP. Failures come out as errors of the port."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from actors.port_errors import PlatformFailed, PlatformMisconfigured, PortError
from adapter.platform.http import Http
from adapter.platform.openai.errors import TRANSPORT_ERRORS, Asked, transport_error
from adapter.proxy import Proxy

BODY_BYTES: Final = 64 * 2**20
"""The longest answer that comes in one piece."""
_ERROR_BYTES: Final = 2**16
_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_MOST_REDIRECTS: Final = 3


class Connection:
    """Sends requests with the key and through the proxy.

    Redirects are followed within the host only, so that the key goes to no other server.
    """

    def __init__(
        self, *, key: str, ca_file: Path | None, proxy: Proxy | None, connect_s: float
    ) -> None:
        self._key = key
        self._ca_file = ca_file
        self._proxy = proxy
        self._http = Http(connect_s=connect_s, proxy=proxy, tls=self._tls)

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        asked: Asked,
        *,
        json: bytes | None = None,
        form: aiohttp.FormData | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response; it is closed on exit at once, whatever is still to come.

        Raises the errors of the port in place of those of a connection, in the block as well.
        """
        try:
            response = await self._redirected(method, url, json if form is None else form)
            with self._http.reading(response):
                yield response
        except PortError:
            raise
        except TRANSPORT_ERRORS as error:
            raise transport_error(error, asked, self._proxy) from None

    async def close(self) -> None:
        """Close all connections. Answers in work end with PlatformFailed."""
        await self._http.close()

    async def _redirected(
        self, method: str, url: str, data: bytes | aiohttp.FormData | None
    ) -> aiohttp.ClientResponse:
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._http.send(method, url, data, self._headers(data))
            target = response.headers.get("Location")
            if response.status not in _REDIRECTS or not target:
                return response
            response.close()
            url = _next(url, target)
        raise PlatformFailed(f"{urlsplit(url).netloc} redirects in a circle")

    def _headers(self, data: object) -> Mapping[str, str]:
        typed = {"Content-Type": "application/json"} if isinstance(data, bytes) else {}
        allowed = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        return {"Accept": "text/event-stream, application/json", **typed, **allowed}

    def _tls(self) -> ssl.SSLContext | bool:
        if self._ca_file is None:
            return True
        context = ssl.create_default_context()
        try:
            context.load_verify_locations(self._ca_file)
        except OSError:  # an SSLError as well
            raise PlatformMisconfigured(
                "OPENAI_CA_FILE has no certificates that can be read: name a file in PEM format"
            ) from None
        return context


async def body_of(response: aiohttp.ClientResponse, first: bytes = b"") -> bytes:
    """The rest of a response behind `first`. Raises PlatformFailed if it is too long."""
    body = bytearray(first)
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > BODY_BYTES:
            break
    if len(body) > BODY_BYTES:
        raise PlatformFailed(f"the server sends an answer of more than {BODY_BYTES} bytes")
    return bytes(body)


async def refusal_of(response: aiohttp.ClientResponse) -> bytes:
    """The beginning of the body of a refusal. A body that breaks off is as good."""
    body = bytearray()
    try:
        async for piece in response.content.iter_any():
            body += piece
            if len(body) >= _ERROR_BYTES:
                break
    except TRANSPORT_ERRORS:
        pass
    return bytes(body)


def _next(url: str, target: str) -> str:
    """The URL that a redirect leads to. Raises PlatformMisconfigured for another host."""
    found = URL(url).join(URL(target))
    is_downgrade = url.startswith("https:") and found.scheme != "https"
    if found.host != URL(url).host or is_downgrade:
        raise PlatformMisconfigured(
            f"{urlsplit(url).netloc} redirects to {found.origin()}: "
            "set OPENAI_BASE_URL to the address of the server itself"
        )
    return str(found)
