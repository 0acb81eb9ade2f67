"""A TCP proxy that adds latency. It does not change the data and does not limit the bandwidth."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias
from urllib.parse import urlsplit

_CHUNK = 1 << 18

Watch: TypeAlias = Callable[[bytes], object]
"""Receives each chunk when it comes."""


@asynccontextmanager
async def delayed(
    url: str, round_trip_s: float, *, to_server: Watch = len, to_client: Watch = len
) -> AsyncIterator[str]:
    """Yield a URL for the same server, with half the round trip added in each direction."""
    target = urlsplit(url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(target.hostname, target.port)
        async with asyncio.TaskGroup() as ways:
            ways.create_task(_pass_on(reader, far_writer, round_trip_s / 2, to_server))
            ways.create_task(_pass_on(far_reader, writer, round_trip_s / 2, to_client))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=_CHUNK)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float, watch: Watch
) -> None:
    """Write each chunk after the delay. Any number of chunks can be under way."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                return
            writer.write(data)
            await writer.drain()

    delivery = asyncio.create_task(deliver())
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            watch(data)
            under_way.put_nowait((loop.time() + delay_s, data))
    under_way.put_nowait((loop.time() + delay_s, b""))
    with suppress(ConnectionError):
        await delivery
    writer.close()
