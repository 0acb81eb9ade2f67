"""The connections to PostgreSQL, and the queue of procrastinate on it.

The queue is used without its locks: a room asks one question at a time, so the order is given.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from typing import Final

import anyio
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from psycopg import AsyncConnection, Error, OperationalError
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from actors.port_errors import StoreUnavailable
from adapter.workers.schema import prepare
from adapter.workers.timing import Timing

TASK: Final = "surfaces_bot.call"
"""The name of the one task. Its argument `ask` is the id of a row of `asks`."""
_CONNECTIONS: Final = 8


def queue_of(account: str) -> str:
    """The name of an account's queue. procrastinate's channel for it has 63 bytes at most."""
    return f"calls-{sha256(account.encode()).hexdigest()[:16]}"


@contextmanager
def translated() -> Iterator[None]:
    """Turn an error of the database into StoreUnavailable."""
    try:
        yield
    except (Error, ConnectorException, OSError) as error:
        reason = str(error).strip() or type(error).__name__
        raise StoreUnavailable(f"the database of the workers fails ({reason})") from error


class Database:
    """Connections to the database with the calls, opened when they are first needed."""

    def __init__(self, url: str, timing: Timing = Timing()) -> None:
        self._url = url
        self.connector = PsycopgConnector()
        self.app = App(connector=self.connector)
        self._timing = timing
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] | None = None
        self._opening = anyio.Lock()
        self._is_prepared = False
        self._is_suspect = False

    async def connect(self) -> AsyncConnection[TupleRow]:
        """A new connection beside the others. Raises StoreUnavailable."""
        with translated(), anyio.fail_after(self._timing.answer_s):
            return await AsyncConnection.connect(self._url, autocommit=True, prepare_threshold=None)

    @asynccontextmanager
    async def transaction(
        self, *, durable: bool = True
    ) -> AsyncGenerator[AsyncConnection[TupleRow], None]:
        """A connection in a transaction of its own, which sends statements before it gets answers.

        What is not `durable` may be lost in a crash of the database, and is quicker. Raises
        StoreUnavailable.
        """
        async with self.reading() as connection, connection.transaction():
            if not durable:
                await connection.execute("SET LOCAL synchronous_commit = off")
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection[TupleRow], None]:
        """A connection on which each statement is by itself. Raises StoreUnavailable."""
        with translated(), anyio.fail_after(self._timing.answer_s):
            pool = await self._opened()
            try:
                async with pool.connection() as connection, connection.pipeline():
                    yield connection
            except OperationalError:
                self.suspect()
                raise

    async def open(self) -> None:
        """Make sure that the tables are there. Raises StoreUnavailable."""
        with translated(), anyio.fail_after(self._timing.answer_s):
            await self._opened()

    def suspect(self) -> None:
        """Look at all connections before the next one is used: the server may have closed them."""
        self._is_suspect = True

    async def defer(
        self, connection: AsyncConnection[TupleRow], account: str, ask: int, *, first: bool = False
    ) -> None:
        """Put a call into an account's queue, in the transaction of this connection."""
        task = self.app.configure_task(
            TASK, queue=queue_of(account), priority=1 if first else 0, connection=connection
        )
        await task.defer_async(ask=ask)

    async def close(self) -> None:
        """Close all connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _opened(self) -> AsyncConnectionPool[AsyncConnection[TupleRow]]:
        async with self._opening:
            if self._pool is None:
                self._pool = AsyncConnectionPool(
                    self._url,
                    kwargs={"prepare_threshold": None},  # PgBouncer forbids them
                    min_size=1,
                    max_size=_CONNECTIONS,
                    timeout=self._timing.answer_s,
                    open=False,
                    configure=_by_statement,
                )
                await self._pool.open()
                await self.app.open_async(self._pool)
            if self._is_suspect:
                self._is_suspect = False
                await self._pool.check()
            if not self._is_prepared:
                async with self._pool.connection() as connection, connection.transaction():
                    await prepare(connection)
                self._is_prepared = True
            return self._pool


async def _by_statement(connection: AsyncConnection[TupleRow]) -> None:
    """Statements outside of `transaction` are by themselves."""
    await connection.set_autocommit(True)
