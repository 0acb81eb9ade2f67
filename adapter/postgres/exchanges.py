"""Exchanges with the server: many commands on their way at once, then their results.

They use libpq's pipeline mode directly: psycopg's own would send each command by itself, which
wakes the server for each.
"""

import asyncio
import select
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate
from typing import Final, NamedTuple, TypeAlias

import psycopg
from psycopg import AsyncConnection, errors, pq
from psycopg.pq.abc import PGconn, PGresult

from adapter.postgres.dialect import bound, unbound, worded
from adapter.sql.values import Params, Query, Row

Connection: TypeAlias = AsyncConnection[Row]

_INT8: Final = 20
_FLOAT8: Final = 701
_UNKNOWN: Final = 0
"""The server takes the type from the place where the value stands."""
_LOST: Final = "the connection to PostgreSQL is lost"
_PREPARED_LIMIT: Final = 256
_OF_A_POOL: Final = (errors.InvalidSqlStatementName, errors.DuplicatePreparedStatement)
"""A statement is unknown on this connection to the server, or was prepared there by another."""
_DECODERS: Final[dict[int, Callable[[bytes], object]]] = {
    16: b"t".__eq__,
    20: int,
    21: int,
    23: int,
    701: float,
}
"""How results are read, by the id of their type: booleans, numbers. All else is text."""


class Command(NamedTuple):
    """A statement as it is sent: its text, its values, and the ids of their types.

    `name` is the same for the same text and types alone, also between programs.
    """

    sql: bytes
    values: tuple[bytes | None, ...] = ()
    types: tuple[int, ...] = ()
    name: bytes = b""


_ROLLBACK: Final = Command(b"ROLLBACK")


def command(sql: str, params: Params) -> Command:
    """A shared statement with its values. Raises OverflowError, UnicodeEncodeError."""
    encoded = [_encoded(value) for value in bound(params)]
    text, types = worded(sql), tuple(type_ for _, type_ in encoded)
    return Command(text, tuple(value for value, _ in encoded), types, _name(text, types))


@lru_cache(_PREPARED_LIMIT)
def _name(sql: bytes, types: tuple[int, ...]) -> bytes:
    digest = blake2b(sql + repr(types).encode(), digest_size=12)
    return f"surfaces_{digest.hexdigest()}".encode()


def query_command(query: Query) -> Command:
    """A shared query with its values."""
    return command(query.sql, query.params)


def _encoded(value: object) -> tuple[bytes | None, int]:
    match value:
        case None:
            return None, _UNKNOWN
        case int():
            return b"%d" % value, _INT8
        case float():
            return repr(value).encode(), _FLOAT8
        case _:
            return str(value).encode(), _UNKNOWN


class Session:
    """A connection in pipeline mode, and the statements that are prepared on it.

    A statement is prepared at its second use: parsing takes longer than most of the work. A pool
    such as PgBouncer may give each transaction another connection to the server, where the
    statement is unknown; then the session goes on without preparing.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._used: set[bytes] = set()
        self._prepared: set[bytes] = set()
        self._prepares = True

    def is_closed(self) -> bool:
        """Whether the server has closed the connection since the last exchange."""
        pgconn = self.connection.pgconn
        arrived = select.poll()
        arrived.register(pgconn.socket, select.POLLIN)
        try:
            while arrived.poll(0):
                pgconn.consume_input()
        except psycopg.OperationalError:
            return True
        return False

    async def exchange(self, commands: Sequence[Command]) -> list[list[Row]]:
        """The rows of each command. After an error, the server leaves out all that follow.

        Raises psycopg.Error for the first command that fails.
        """
        try:
            return await self._exchange(commands)
        except _OF_A_POOL:
            if not self._prepares:
                raise
            self._prepares = False
            await self.roll_back()
            return await self._exchange(commands)

    async def roll_back(self) -> None:
        """End a transaction that an error has stopped."""
        if self.connection.pgconn.transaction_status == pq.TransactionStatus.INERROR:
            await self._exchange([_ROLLBACK])

    async def _exchange(self, commands: Sequence[Command]) -> list[list[Row]]:
        pgconn = self.connection.pgconn
        if pgconn.pipeline_status == pq.PipelineStatus.OFF:
            pgconn.enter_pipeline_mode()
        wanted = [self._send(each) for each in commands]
        pgconn.pipeline_sync()
        await _flush(pgconn)
        results = [await _result(pgconn) for _ in range(sum(wanted))]
        synced = await _next(pgconn)
        if synced is None or synced.status != pq.ExecStatus.PIPELINE_SYNC:
            raise psycopg.OperationalError(_LOST)
        failed = next((it for it in results if it.status == pq.ExecStatus.FATAL_ERROR), None)
        if failed is not None:
            self._prepared.clear()
            raise _error(failed)
        # The last result of a command is its own; before it may be that of its preparation.
        return [_rows(results[place - 1]) for place in accumulate(wanted)]

    def _send(self, each: Command) -> int:
        """Put a command on its way; the number of its results."""
        pgconn = self.connection.pgconn
        if not each.values or not self._is_to_be_prepared(each.name):
            pgconn.send_query_params(each.sql, each.values, each.types)
            return 1
        is_new = each.name not in self._prepared
        if is_new:
            self._prepared.add(each.name)
            pgconn.send_prepare(each.name, each.sql, each.types)
        pgconn.send_query_prepared(each.name, each.values)
        return 1 + is_new

    def _is_to_be_prepared(self, name: bytes) -> bool:
        if name in self._prepared:
            return self._prepares
        is_known = name in self._used
        if not is_known and len(self._used) < _PREPARED_LIMIT:
            self._used.add(name)
        return self._prepares and is_known


async def _flush(pgconn: PGconn) -> None:
    while pgconn.flush():
        await _ready(pgconn.socket, writing=True)
        # The server may wait until its answers are taken.
        pgconn.consume_input()


async def _result(pgconn: PGconn) -> PGresult:
    """The result of one command, which is followed by a None."""
    result = await _next(pgconn)
    if result is None or await _next(pgconn) is not None:
        raise psycopg.OperationalError(_LOST)
    return result


async def _next(pgconn: PGconn) -> PGresult | None:
    while pgconn.is_busy():
        await _ready(pgconn.socket)
        pgconn.consume_input()
    return pgconn.get_result()


async def _ready(descriptor: int, *, writing: bool = False) -> None:
    """Wait until the socket has something to read, or also until it takes something."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def is_ready() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, is_ready)
    if writing:
        loop.add_writer(descriptor, is_ready)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
        if writing:
            loop.remove_writer(descriptor)


def _error(failed: PGresult) -> psycopg.Error:
    state = (failed.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    said = failed.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"PostgreSQL failed"
    try:
        kind = errors.lookup(state)
    except KeyError:
        kind = psycopg.DatabaseError
    error = kind(said.decode(errors="replace"))
    error.sqlstate = state
    return error


def _rows(result: PGresult) -> list[Row]:
    columns = [
        (place, _DECODERS.get(result.ftype(place), bytes.decode)) for place in range(result.nfields)
    ]
    rows = []
    for number in range(result.ntuples):
        values = ((result.get_value(number, place), decode) for place, decode in columns)
        rows.append(unbound(tuple(None if raw is None else decode(raw) for raw, decode in values)))
    return rows
