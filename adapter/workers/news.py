"""Wakes up what follows a call when the database has news of it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog
from psycopg.sql import SQL, Identifier

from actors.port_errors import StoreUnavailable
from adapter.workers.asking import CHANNEL
from adapter.workers.database import Database, translated
from adapter.workers.timing import Timing

_log = structlog.get_logger()


class News:
    """Listens on a connection of its own while it is open.

    A notification may be lost, and none comes through a pool of PgBouncer: whatever waits for one
    looks into the database from time to time as well.
    """

    def __init__(self, database: Database, timing: Timing) -> None:
        self._database = database
        self._timing = timing
        self._waiting: defaultdict[int, list[asyncio.Event]] = defaultdict(list)
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to listen, once. Called inside the event loop."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._listen())

    @contextmanager
    def of(self, ask: int) -> Iterator[asyncio.Event]:
        """An event that is set by news of a call."""
        event = asyncio.Event()
        self._waiting[ask].append(event)
        try:
            yield event
        finally:
            self._waiting[ask].remove(event)
            if not self._waiting[ask]:
                del self._waiting[ask]

    def wake_all(self) -> None:
        """Let everything look into the database."""
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def close(self) -> None:
        """Stop listening."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _listen(self) -> None:
        while True:
            try:
                with translated():
                    await self._hear()
            except StoreUnavailable as error:
                _log.debug("notifications_missed", reason=str(error))
            await asyncio.sleep(self._timing.again_s)

    async def _hear(self) -> None:
        async with await self._database.connect() as connection:
            await connection.execute(SQL("LISTEN {}").format(Identifier(CHANNEL)))
            self.wake_all()
            async for notification in connection.notifies():
                self._wake(notification.payload)

    def _wake(self, payload: str) -> None:
        if payload.isdecimal():
            for event in self._waiting.get(int(payload), ()):
                event.set()
