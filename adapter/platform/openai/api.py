"""The API of one server, wherever under its address it is."""

import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from actors.port_errors import PortError
from adapter.platform.openai.connection import Connection, body_of, refusal_of
from adapter.platform.openai.errors import Asked, error_for, is_wrong_path

_VERSION: Final = "/v1"
_VERSIONED: Final = re.compile(r"/v[0-9]+[a-z0-9]*(?:/|$)")
_SUCCESS: Final = range(200, 300)
_HTML: Final = "text/html"


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer of the server. `refusal` is the body of one that is no success.

    `head` is what was read already of any other. `is_elsewhere`: the API is not at this place.
    """

    response: aiohttp.ClientResponse
    refusal: bytes | None = None
    head: bytes = b""
    is_elsewhere: bool = False

    async def body(self) -> bytes:
        """The whole body of an answer that is no refusal."""
        return await body_of(self.response, self.head)


def places_of(base_url: str) -> tuple[str, ...]:
    """Where the API of a base URL can be, the likeliest place first."""
    path = urlsplit(base_url).path
    if path.endswith(_VERSION):
        return (base_url, base_url.removesuffix(_VERSION))
    if _VERSIONED.search(path):
        return (base_url,)
    with_version = f"{base_url}{_VERSION}"
    return (base_url, with_version) if path else (with_version, base_url)


class Api:
    """Sends requests to the place under the base URL that knows them, and remembers it."""

    def __init__(
        self, base_url: str, connection: Connection, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._places = places_of(base_url)
        self._connection = connection
        self._wall_clock = wall_clock
        self._found: str | None = None

    @property
    def root(self) -> str:
        """The address of the server without the version of the API."""
        return (self._found or self._places[0]).removesuffix(_VERSION)

    @asynccontextmanager
    async def ask(
        self,
        method: str,
        path: str,
        asked: Asked,
        *,
        json: bytes | None = None,
        form: Callable[[], aiohttp.FormData] | None = None,
    ) -> AsyncIterator[Answered]:
        """The answer to a request. Raises the errors of the port, also in the block."""
        known = (self._found,) if self._found else ()
        places = tuple(dict.fromkeys((*known, *self._places)))
        for place in places:
            made = form() if form else None
            url = f"{place}{path}"
            async with self._connection.request(method, url, asked, json=json, form=made) as it:
                answered = await _begun(it)
                if answered.is_elsewhere and place != places[-1]:
                    continue
                self._found = None if answered.is_elsewhere else place
                yield answered
                return

    async def text_at(self, url: str, asked: Asked, *, json: bytes | None = None) -> bytes:
        """The body at an address of the server; empty if there is none."""
        method = "GET" if json is None else "POST"
        try:
            async with self._connection.request(method, url, asked, json=json) as response:
                return await body_of(response) if response.status in _SUCCESS else b""
        except PortError:
            return b""

    def error(self, answered: Answered, asked: Asked) -> PortError:
        """The error that a refusal stands for."""
        response, refusal = answered.response, answered.refusal or b""
        return error_for(response.status, response.headers, refusal, asked, self._wall_clock())

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()


async def _begun(response: aiohttp.ClientResponse) -> Answered:
    if response.status not in _SUCCESS:
        refusal = await refusal_of(response)
        return Answered(response, refusal, is_elsewhere=is_wrong_path(response.status, refusal))
    if response.content_type != _HTML:
        return Answered(response)
    # Some programs send everything as HTML, also the events of a stream.
    head = await response.content.readany()
    return Answered(response, head=head, is_elsewhere=head.lstrip()[:1] == b"<")
