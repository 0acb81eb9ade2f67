"""The platform `webhook`: a POST for each question, and what comes back as it comes."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from fnmatch import fnmatchcase
from typing import Final

import aiohttp

from actors.model import PlatformChatId
from actors.platform import Ask, Capabilities, Delta, Done
from actors.port_errors import PlatformFailed, PlatformMisconfigured, PortError, Unsupported
from adapter.platform.http import Http
from adapter.platform.webhook.answers import ANSWER_BYTES, Events, Lines, next_parts, whole_answer
from adapter.platform.webhook.refusals import TRANSPORT_ERRORS, error_for, transport_error
from adapter.platform.webhook.requests import ask_body, check_body, forget_body
from adapter.platform.webhook.settings import WebhookSettings
from adapter.platform.webhook.signature import headers, idempotency_key, keys_in, message_id
from adapter.proxy import Proxy

_JSON: Final = "application/json"
_LINES: Final = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)
_EVENTS: Final = "text/event-stream"
_ACCEPT: Final = f"{_JSON}, application/x-ndjson, {_EVENTS}"
_ERROR_BYTES: Final = 2**16
_AWAY: Final = frozenset({429, 502, 503, 504})
_UNKNOWN: Final = frozenset({404, 410})
_SUCCESS: Final = range(200, 300)


class WebhookPlatform:
    """Implements `actors.platform.Platform` over a receiver of POST requests.

    `connect_s` is the time for a connection. Redirects are not followed.
    """

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        connect_s: float = 30.0,
        proxy: Proxy | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._connect_s = connect_s
        self._wall_clock = wall_clock
        secret = settings.secret.get_secret_value() if settings.secret else ""
        self._keys = keys_in(secret) if secret else ()
        self._http = Http(connect_s=connect_s, proxy=proxy)
        self._capabilities = Capabilities(
            streams=True,
            keeps_history=settings.keeps_history,
            context_tokens=settings.context_tokens,
            accepts=settings.accepts,
        )

    @property
    def capabilities(self) -> Capabilities:
        """What the settings say about the receiver."""
        return self._capabilities

    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """The parts of the receiver's answer as they come."""
        self._refuse_attachments(ask)
        keeps = self._settings.keeps_history
        body = ask_body(ask, self._wall_clock(), keeps_history=keeps)
        named = {"Idempotency-Key": idempotency_key(ask.key)}
        async with self._posted(body, message_id(ask.key), named) as response:
            if response.status not in _SUCCESS:
                raise await self._refusal(response)
            async with aclosing(_parts(response)) as parts:
                async for part in parts:
                    yield part
                    if isinstance(part, Done):
                        return
        raise PlatformFailed("the receiver's answer ends before it is done")

    async def check(self) -> None:
        """Tell the receiver the event `check`.

        A receiver that does not know the event may answer it with any error that does not say that
        the address or the signature is wrong, or that the receiver is away.
        """
        status, error = await self._told(check_body(self._wall_clock()))
        if isinstance(error, PlatformMisconfigured) or status in _AWAY:
            raise error

    async def forget(self, chat: PlatformChatId) -> None:
        """Tell the receiver the event `forget`. Only one that keeps the history has to take it."""
        status, error = await self._told(forget_body(chat, self._wall_clock()))
        if self._settings.keeps_history and status not in _SUCCESS and status not in _UNKNOWN:
            raise error

    async def close(self) -> None:
        """Close the connections; answers in work end with PlatformFailed."""
        await self._http.close()

    def _refuse_attachments(self, ask: Ask) -> None:
        """Raises Unsupported for attachments that WEBHOOK_ACCEPTS does not name."""
        types = {file.mime_type for turn in ask.turns for file in turn.attachments}
        accepts = self._settings.accepts
        refused = {it for it in types if not any(fnmatchcase(it, each) for each in accepts)}
        if refused:
            raise Unsupported(tuple(sorted(refused)))

    @asynccontextmanager
    async def _posted(
        self, body: bytes, identifier: str, more: dict[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response to a request; it is closed on exit, which ends the receiver's work.

        Raises the errors of the port in place of those of a connection, in the block as well.
        """
        signed = headers(self._keys, identifier, int(self._wall_clock()), body)
        own = {"Content-Type": _JSON, "Accept": _ACCEPT, **signed, **(more or {})}
        try:
            response = await self._http.send("POST", self._settings.url, body, own)
            with self._http.reading(response):
                yield response
        except PortError:
            raise
        except TRANSPORT_ERRORS as error:
            raise transport_error(error) from error

    async def _told(self, event: bytes) -> tuple[int, PortError]:
        """The status that answers an event, and the error that it would be for a question."""
        try:
            async with (
                asyncio.timeout(self._connect_s),
                self._posted(event, f"msg_{uuid.uuid4().hex}") as response,
            ):
                return response.status, await self._refusal(response)
        except TimeoutError:
            raise PlatformFailed(f"no answer from the receiver in {self._connect_s:g} s") from None

    async def _refusal(self, response: aiohttp.ClientResponse) -> PortError:
        """The error for a response. The body of a success is not read."""
        body = b"" if response.status in _SUCCESS else await _read(response, _ERROR_BYTES)
        return error_for(
            response.status,
            response.headers,
            body,
            now=self._wall_clock(),
            keeps_history=self._settings.keeps_history,
        )


async def _parts(response: aiohttp.ClientResponse) -> AsyncGenerator[Delta, None]:
    kind = response.content_type.lower()
    if kind == _JSON or kind.endswith("+json"):
        for part in whole_answer(await _read(response, ANSWER_BYTES)):
            yield part
        return
    if kind not in _LINES and kind != _EVENTS:
        shown = "without a type" if not response.headers.get("Content-Type") else f"as {kind}"
        raise PlatformFailed(
            f"the receiver answers with {response.status} {shown}: "
            f"it has to answer as {_JSON}, application/x-ndjson or {_EVENTS}"
        )
    stream: Lines | Events = Events() if kind == _EVENTS else Lines()
    async for chunk in response.content.iter_any():
        for part in _in_all(stream.feed(chunk)):
            yield part
    for part in _in_all(stream.end()):
        yield part


def _in_all(pieces: list[bytes]) -> Iterator[Delta]:
    for piece in pieces:
        yield from next_parts(piece)


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, or the part of a longer one that first goes beyond the limit."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            break
    return bytes(body)
