"""The HTTP session of a platform: through the proxy, with a connection for each request."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import aiohttp

from adapter.proxy import Proxy


def _usual_tls() -> bool:
    """Trust what the system trusts."""
    return True


class Http:
    """Sends requests, and ends the answers in work when it is closed. It makes no attempt twice.

    A server may close an old connection at the very moment at which it is used again, and llama.cpp
    does so. `connect_s` is the time for a connection; `tls` is called with the first request.
    Redirects are not followed. Raises the errors of aiohttp.
    """

    def __init__(
        self,
        *,
        connect_s: float,
        proxy: Proxy | None,
        tls: Callable[[], ssl.SSLContext | bool] = _usual_tls,
    ) -> None:
        self._connect_s = connect_s
        self._proxy = proxy
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._in_work: set[aiohttp.ClientResponse] = set()

    async def send(
        self,
        method: str,
        url: str,
        data: bytes | aiohttp.FormData | None,
        headers: Mapping[str, str],
    ) -> aiohttp.ClientResponse:
        """The response to a request, as soon as its headers are there."""
        to_proxy, to_tunnel = self._proxy.headers(url) if self._proxy else ({}, {})
        return await self._opened().request(
            method,
            url,
            data=data,
            headers={**headers, **to_proxy},
            proxy=self._proxy.address if self._proxy else None,
            proxy_headers=to_tunnel if self._proxy else None,
            allow_redirects=False,
        )

    @contextmanager
    def reading(self, response: aiohttp.ClientResponse) -> Iterator[None]:
        """Close a response on exit at once, whatever is still to come."""
        self._in_work.add(response)
        try:
            yield
        finally:
            self._in_work.discard(response)
            response.close()

    async def close(self) -> None:
        """Close all connections. Reading what is in work fails."""
        for response in self._in_work:  # aiohttp leaves their readers waiting
            response.content.set_exception(aiohttp.ClientConnectionError("the platform is closed"))
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True, ssl=self._tls()),
                timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_s),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session
