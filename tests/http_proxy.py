"""A small HTTP proxy: it opens tunnels, passes requests on, and knows one server by every name."""

from base64 import b64encode
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

_HEAD_LIMIT: Final = 1 << 16
_GONE: Final = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.IncompleteRead, OSError)


@dataclass(slots=True)
class HttpProxy:
    """Takes everything to the server at `port` on this machine, whatever host is asked for.

    With `credentials`, a client has to name them. With `answers`, the proxy answers every request
    with this status line instead.
    """

    port: int
    credentials: str = ""
    answers: str = ""
    asked: list[str] = field(default_factory=list, init=False)
    """The request lines that have come."""
    seen: list[str] = field(default_factory=list, init=False)
    """Every header line that has reached the proxy in the clear."""
    url: str = field(default="", init=False)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack, init=False)

    async def __aenter__(self) -> Self:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        await self._stack.enter_async_context(listener)
        tasks = await self._stack.enter_async_context(anyio.create_task_group())
        self._stack.callback(tasks.cancel_scope.cancel)
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610
        self.url = f"http://127.0.0.1:{port}"
        tasks.start_soon(listener.serve, self._serve)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def url_with(self, credentials: str) -> str:
        """The proxy's URL with a user name and a password."""
        return self.url.replace("://", f"://{credentials}@")

    async def _serve(self, client: SocketStream) -> None:
        async with client:
            with suppress(*_GONE):
                await self._pass_on(client)

    async def _pass_on(self, client: SocketStream) -> None:
        reading = BufferedByteReceiveStream(client)
        head = (await reading.receive_until(b"\r\n\r\n", _HEAD_LIMIT)).decode()
        line, *headers = head.split("\r\n")
        self.asked.append(line)
        self.seen += headers
        if refusal := self.answers or self._wants_login(headers):
            answer = f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            await client.send(answer.encode())
            return
        method, target, version = line.split(" ")
        async with await anyio.connect_tcp("127.0.0.1", self.port) as server:
            if method == "CONNECT":
                await client.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                kept = [each for each in headers if not each.lower().startswith("proxy-")]
                path = target.partition(urlsplit(target).netloc)[2] or "/"
                passed = [f"{method} {path} {version}", *kept, "Connection: close", "", ""]
                await server.send("\r\n".join(passed).encode())
            async with anyio.create_task_group() as both:
                both.start_soon(_copy, reading, server)
                await _copy(server, client)
                both.cancel_scope.cancel()

    def _wants_login(self, headers: list[str]) -> str:
        given = f"Proxy-Authorization: Basic {b64encode(self.credentials.encode()).decode()}"
        missing = self.credentials and given not in headers
        return "407 Proxy Authentication Required" if missing else ""


async def _copy(source: ByteReceiveStream, target: ByteSendStream) -> None:
    with suppress(*_GONE):
        while True:
            await target.send(await source.receive())
