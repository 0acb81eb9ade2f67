"""A relay between a client and PostgreSQL's socket: it can hold back, and lose an answer."""

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
        self.loses_answer_to: bytes | None = None
        """What a client says that is carried out, although the connection is lost then."""

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
            is_lost = False

            async def ask(said: bytes) -> None:
                nonlocal is_lost
                await self._open.wait()
                if self.loses_answer_to is not None and self.loses_answer_to in said:
                    self.loses_answer_to, is_lost = None, True

            async def answer(_: bytes) -> None:
                if is_lost:
                    tasks.cancel_scope.cancel()
                await checkpoint()

            tasks.start_soon(_copy, client, server, ask)
            tasks.start_soon(_copy, server, client, answer)


async def _copy(
    source: SocketStream, target: SocketStream, passes: Callable[[bytes], Awaitable[None]]
) -> None:
    with suppress(anyio.BrokenResourceError):
        async for said in source:
            await passes(said)
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
