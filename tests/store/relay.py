"""A relay between a client and PostgreSQL's socket that can hold back what the client sends."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio.abc import SocketStream
from anyio.lowlevel import checkpoint

PORT = ".s.PGSQL.5432"


class Relay:
    """While it holds back, what clients send is kept, and arrives when `release` is called."""

    def __init__(self, to: Path) -> None:
        self._to = to
        self._open = anyio.Event()
        self._open.set()

    def hold_back(self) -> None:
        self._open = anyio.Event()

    def let_new_ones_pass(self) -> anyio.Event:
        """Let what comes from now on pass; the event releases what was held back before."""
        held, self._open = self._open, anyio.Event()
        self._open.set()
        return held

    async def handle(self, client: SocketStream) -> None:
        async with (
            client,
            await anyio.connect_unix(self._to / PORT) as server,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(_copy, client, server, self._passed)
            tasks.start_soon(_copy, server, client, checkpoint)

    async def _passed(self) -> None:
        await self._open.wait()


async def _copy(
    source: SocketStream, target: SocketStream, passed: Callable[[], Awaitable[None]]
) -> None:
    with suppress(anyio.BrokenResourceError):
        async for said in source:
            await passed()
            await target.send(said)
    with suppress(anyio.BrokenResourceError, OSError):
        await target.send_eof()


@asynccontextmanager
async def relay(to: Path, folder: Path) -> AsyncIterator[Relay]:
    """A relay at a socket in `folder`, to the server with its socket in the folder `to`."""
    async with (
        await anyio.create_unix_listener(folder / PORT) as listener,
        anyio.create_task_group() as tasks,
    ):
        running = Relay(to)
        tasks.start_soon(listener.serve, running.handle)
        yield running
        tasks.cancel_scope.cancel()
