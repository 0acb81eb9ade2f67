"""Transactions and queries on a connection, each in one round trip."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias

import psycopg

from adapter.postgres.dialect import bound, unbound, worded
from adapter.postgres.link import Connection, Link
from adapter.sql.values import Query, Row, Statement, grouped

Opening: TypeAlias = Callable[[], Sequence[Query]]
"""Makes the queries that a transaction begins with."""

_Command: TypeAlias = tuple[bytes, tuple[object, ...]]
_LAZY: Final = b"SET LOCAL synchronous_commit TO off"
"""A crash of the server may undo the latest commits, the newest first. The sync position goes back
with them, so the homeserver sends their events again."""


class Writer:
    """Runs transactions for `GroupCommit`. Each is sent as a whole, from BEGIN to COMMIT."""

    def __init__(self, link: Link, opening: Opening = tuple) -> None:
        self._link = link
        self._opening = opening

    async def write_all(self, statements: Sequence[Statement]) -> None:
        """Run the statements in one transaction, all or none. Raises as `Transactions` says."""
        synced = any(statement.synced for statement in statements)
        commands: list[_Command] = [(b"BEGIN", ())]
        commands += [(worded(query.sql), bound(query.params)) for query in self._opening()]
        commands += [] if synced else [(_LAZY, ())]
        for sql, group in grouped(statements):
            commands += [(worded(sql), bound(params)) for params in group]
        await self._link.run(partial(_transact, [*commands, (b"COMMIT", ())]))


async def _transact(commands: Sequence[_Command], connection: Connection) -> None:
    try:
        async with connection.pipeline():
            cursor = connection.cursor()
            for sql, params in commands:
                await cursor.execute(sql, params)
    except BaseException:
        # After an error, the server has left out all that followed, COMMIT included.
        with suppress(psycopg.Error):
            await connection.rollback()
        raise


async def fetch_all(link: Link, queries: Sequence[Query]) -> list[list[Row]]:
    """The results of queries, in one round trip. Raises what `Link.run` raises."""
    commands = [(worded(query.sql), bound(query.params)) for query in queries]
    return await link.run(partial(_fetch, commands))


async def _fetch(commands: Sequence[_Command], connection: Connection) -> list[list[Row]]:
    async with connection.pipeline():
        cursors = [await connection.execute(sql, params) for sql, params in commands]
    return [[unbound(row) for row in await cursor.fetchall()] for cursor in cursors]
