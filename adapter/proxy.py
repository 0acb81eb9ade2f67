"""The proxy between the bot and a server, and how requests go through it."""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import unquote, urlsplit

import aiohttp

_AUTHORIZATION: Final = "Proxy-Authorization"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. Its address has no password, so it may be logged."""

    address: str
    _authorization: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str) -> Self:
        """The proxy at a URL, which may have a user name and a password."""
        parts = urlsplit(url)
        netloc = parts.netloc.rpartition("@")[2]
        address = f"{parts.scheme}://{netloc}"
        if parts.username is None:
            return cls(address)
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return cls(address, f"Basic {b64encode(credentials.encode()).decode()}")

    @property
    def has_credentials(self) -> bool:
        """Whether the bot has a user name and a password for the proxy."""
        return self._authorization is not None

    def headers(self, url: str) -> tuple[dict[str, str], dict[str, str]]:
        """The headers of a request to `url`, and those of a request to open a tunnel to it.

        Only a request for an https URL goes through a tunnel; any other is read by the proxy.
        """
        mine = {_AUTHORIZATION: self._authorization} if self._authorization else {}
        return ({}, mine) if url.startswith("https:") else (mine, {})


class ThroughProxy:
    """Sends the requests of nio's client through a proxy.

    nio's own way opens a tunnel even for an http URL, and its errors do not name the proxy.
    """

    through: Proxy
    homeserver: str
    client_session: aiohttp.ClientSession | None

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
        url = f"{self.homeserver}{path}"
        to_proxy, to_tunnel = self.through.headers(url)
        session = self.client_session = self.client_session or aiohttp.ClientSession()
        return await session.request(
            method,
            url,
            data=data,
            headers={**(headers or {}), **to_proxy},
            proxy=self.through.address,
            proxy_headers=to_tunnel,
            timeout=aiohttp.ClientTimeout(total=timeout),
        )
