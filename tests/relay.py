"""Relays that can freeze, so that nothing arrives on an open connection, or lose one answer."""

import asyncio
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_SOCKET: Final = ".s.PGSQL.5432"
_CHUNK: Final = 65536
_WRITE: Final = re.compile(rb"(PUT|POST|DELETE) (\S+) HTTP/")


class Accept(Protocol):
    """Takes a connection of a client."""

    async def __call__(
        self, client: asyncio.StreamReader, answers: asyncio.StreamWriter, /
    ) -> None: ...


class Relay:
    """Passes on what clients and a server say to each other. `url` leads to the server through it.

    The subclasses know how to listen, and how to reach the server.
    """

    url: str

    def __init__(self) -> None:
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.said: list[tuple[float, bytes]] = []
        """What clients have said, and when, also while nothing arrived."""
        self.loses_answer_to: bytes | None = None
        """A request with this in it arrives, and its connection ends before the answer."""
        self._loses_next_answer = False

    async def __aenter__(self) -> Self:
        self._listener = await self._listen(self._accept)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self, accept: Accept) -> asyncio.Server:
        raise NotImplementedError

    async def _reach(self) -> Streams:
        raise NotImplementedError

    def freeze(self) -> None:
        """From now on nothing arrives on either side."""
        self._flows.clear()

    def thaw(self) -> None:
        """What was said meanwhile arrives now."""
        self._flows.set()

    async def _accept(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        try:
            server, questions = await self._reach()
        except OSError:  # the server is away
            answers.close()
            return
        self._start(client, questions, self.said)
        self._start(server, answers, None)

    def _start(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        heard: list[tuple[float, bytes]] | None,
    ) -> None:
        task = asyncio.create_task(self._pass_on(source, sink, heard))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        heard: list[tuple[float, bytes]] | None,
    ) -> None:
        try:
            with suppress(OSError):
                while data := await source.read(_CHUNK):
                    if heard is not None:
                        heard.append((time.monotonic(), data))
                    await self._flows.wait()
                    if self._is_lost(data, is_answer=heard is None):
                        return
                    sink.write(data)
                    await sink.drain()
                await self._flows.wait()
        finally:
            sink.close()

    def _is_lost(self, data: bytes, *, is_answer: bool) -> bool:
        if is_answer:
            loses, self._loses_next_answer = self._loses_next_answer, False
            return loses
        if self.loses_answer_to is not None and self.loses_answer_to in data:
            self.loses_answer_to, self._loses_next_answer = None, True
        return False


class DatabaseRelay(Relay):
    """A relay to a PostgreSQL server, or to its pool, on a socket of its own."""

    def __init__(self, url: str) -> None:
        super().__init__()
        parts = urlsplit(url)
        self._server = Path(parse_qs(parts.query)["host"][0]) / _SOCKET
        # The path of a socket is limited to 107 bytes.
        self._folder = Path(mkdtemp(prefix="surfaces-relay-"))
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path}?host={self._folder}"

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await super().__aexit__(kind, error, trace)
        shutil.rmtree(self._folder)

    @override
    async def _listen(self, accept: Accept) -> asyncio.Server:
        return await asyncio.start_unix_server(accept, path=self._folder / _SOCKET)

    @override
    async def _reach(self) -> Streams:
        return await asyncio.open_unix_connection(self._server)


class HttpRelay(Relay):
    """A relay to a homeserver."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._server = urlsplit(url)

    @override
    async def _listen(self, accept: Accept) -> asyncio.Server:
        listener = await asyncio.start_server(accept, host="127.0.0.1")
        self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        return listener

    @override
    async def _reach(self) -> Streams:
        return await asyncio.open_connection(self._server.hostname, self._server.port)

    def writes_since(self, moment: float) -> list[str]:
        """The requests that may change something and were begun after a moment of `monotonic`."""
        found = [_WRITE.match(data) for at, data in self.said if at > moment]
        return [it.group(0).decode() for it in found if it is not None]
