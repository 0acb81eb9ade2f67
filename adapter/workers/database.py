"""The connections to PostgreSQL, and the queue of procrastinate on it.

The queue is used without its locks: a room asks one question at a time, so the order is given.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from typing import Any, Final

import anyio
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from psycopg import AsyncConnection, Error
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from actors.port_errors import StoreRefused, StoreUnavailable
from adapter.postgres.errors import translate
from adapter.postgres.link import parameters
from adapter.sql.search_path import CURRENT, check_schema, schema_in
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
    """Turn an error of the database into StoreUnavailable, or StoreRefused."""
    try:
        yield
    except (Error, ConnectorException, OSError) as error:
        is_refused = isinstance(translate(_cause(error)), StoreRefused)
        kind = StoreRefused if is_refused else StoreUnavailable
        raise kind(f"the database of the workers fails ({reason_of(error)})") from error


def reason_of(error: Exception) -> str:
    """Why something has failed, in one line. Of the database, procrastinate says only the cause."""
    return " ".join(str(_cause(error)).split()) or type(error).__name__


def _cause(error: Exception) -> Exception:
    cause = error.__cause__ if isinstance(error, ConnectorException) else None
    return cause if isinstance(cause, Exception) else error


class Database:
    """Connections to the database with the calls, opened when they are first needed.

    Raises StoreRefused if the URL is not one.
    """

    def __init__(self, url: str, timing: Timing = Timing()) -> None:
        given = parameters(url)
        # PgBouncer may forbid prepared statements.
        self._arguments: dict[str, Any] = {**given, "prepare_threshold": None}
        self.app = App(
            connector=PsycopgConnector(
                pool_factory=_pool_of_queue,
                kwargs=self._arguments,
                configure=_by_statement,
                timeout=timing.beat_s,
            )
        )
        """The queue. Only a worker opens it, for connections of its own."""
        self._timing = timing
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] | None = None
        self._opening = anyio.Lock()
        self._schema = schema_in(given)
        self._is_suspect = False

    async def connect(self) -> AsyncConnection[TupleRow]:
        """A new connection beside the others. Raises StoreUnavailable."""
        with translated(), anyio.fail_after(self._timing.answer_s):
            return await self._connect()

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
        """A connection on which each statement is by itself. Raises StoreUnavailable.

        What a cancelled caller does with it is finished first: psycopg can't leave a pipeline in
        the middle of an exchange.
        """
        with translated():
            try:
                with anyio.fail_after(self._timing.answer_s, shield=True):
                    pool = await self._opened()
                    async with pool.connection() as connection, connection.pipeline():
                        yield connection
            except (Error, ConnectorException, TimeoutError):
                self._is_suspect = True
                raise

    async def check(self) -> None:
        """Raise StoreRefused if the database refuses this program. One that is away does not."""
        try:
            with anyio.move_on_after(self._timing.answer_s):
                await self.open()
        except StoreUnavailable as error:
            if isinstance(error, StoreRefused):
                raise

    async def open(self) -> None:
        """Make sure that the database is there, and its tables.

        Raises StoreUnavailable, and StoreRefused as a start of the bot does.
        """
        async with await self.connect() as connection:
            with translated():
                await _prepare(connection)

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
        """The pool; another one after a failure, which may be that of a missing table.

        A pool that has failed to connect waits longer and longer before it tries again. So it is
        given up, and a new one is made when the database answers.
        """
        async with self._opening:
            if self._pool is None or self._is_suspect:
                async with await self._connect() as connection:
                    await _prepare(connection)
                self._is_suspect = False
                await self.close()
                self._pool = AsyncConnectionPool(
                    kwargs=self._arguments,
                    min_size=1,
                    max_size=_CONNECTIONS,
                    timeout=self._timing.answer_s,
                    open=False,
                    configure=_by_statement,
                )
                await self._pool.open()
            return self._pool

    async def _connect(self) -> AsyncConnection[TupleRow]:
        connection = await AsyncConnection.connect(**self._arguments, autocommit=True)
        if self._schema is not None:
            try:
                await _check_schema(connection, self._schema)
            except BaseException:
                await connection.close()
                raise
        return connection


def _pool_of_queue(*, check: object, **options: Any) -> AsyncConnectionPool:  # noqa: ANN401
    """A pool that does not check its connections first, as procrastinate wants it to.

    After a crash of the database, the checks try all connections in turn, with pauses that double.
    Without them, the first use fails at once, and the queue begins anew with another pool.
    """
    del check
    return AsyncConnectionPool(**options)


async def _check_schema(connection: AsyncConnection[TupleRow], wanted: str) -> None:
    found = await (await connection.execute(CURRENT)).fetchone()
    current = None if found is None else found[0]
    check_schema(wanted, current)
    if current is None:
        raise StoreUnavailable(f"the schema {wanted} does not exist yet: the bot creates it")


async def _prepare(connection: AsyncConnection[TupleRow]) -> None:
    async with connection.transaction():
        await prepare(connection)


async def _by_statement(connection: AsyncConnection[TupleRow]) -> None:
    """Statements outside of `transaction` are by themselves."""
    await connection.set_autocommit(True)
