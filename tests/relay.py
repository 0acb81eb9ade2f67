"""A relay to a PostgreSQL server that can freeze: connections stay open, and nothing arrives."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

_SOCKET: Final = ".s.PGSQL.5432"
_CHUNK: Final = 65536


class Relay:
    """Passes on what a client and the server of a database say, on a socket of its own.

    `url` leads to the database through the relay.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = Path(parse_qs(parts.query)["host"][0]) / _SOCKET
        # The path of a socket is limited to 107 bytes.
        self._folder = Path(mkdtemp(prefix="surfaces-relay-"))
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path}?host={self._folder}"
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_unix_server(self._accept, path=self._folder / _SOCKET)
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
        shutil.rmtree(self._folder)

    def freeze(self) -> None:
        """From now on nothing arrives on either side."""
        self._flows.clear()

    def thaw(self) -> None:
        """What was said meanwhile arrives now."""
        self._flows.set()

    async def _accept(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        server, questions = await asyncio.open_unix_connection(self._server)
        for source, sink in ((client, questions), (server, answers)):
            task = asyncio.create_task(self._pass_on(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while data := await source.read(_CHUNK):
                    await self._flows.wait()
                    sink.write(data)
                    await sink.drain()
                await self._flows.wait()
        finally:
            sink.close()
