"""Transactions and queries on a connection, each in one round trip."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

import psycopg

from adapter.postgres.exchanges import Command, Session, command, query_command
from adapter.postgres.link import Link
from adapter.sql.values import Query, Row, Statement, grouped

Opening: TypeAlias = Callable[[], Sequence[Query]]
"""Makes the queries that a transaction begins with."""

_OF_TIMEOUT: Final = 0.8
"""The share of its time that a transaction may wait for a lock."""
_BEGIN: Final = Command(b"BEGIN")
_COMMIT: Final = Command(b"COMMIT")
_LAZY: Final = Command(b"SET LOCAL synchronous_commit TO off")
"""A crash of the server may undo the latest commits, the newest first. The sync position goes back
with them, so the homeserver sends their events again."""


class Writer:
    """Runs transactions for `GroupCommit`. Each is sent as a whole, from BEGIN to COMMIT."""

    def __init__(self, link: Link, opening: Opening = tuple) -> None:
        self._link = link
        self._opening = opening

    async def write_all(self, statements: Sequence[Statement]) -> None:
        """Run the statements in one transaction, all or none. Raises as `Transactions` says."""
        commands = [] if any(statement.synced for statement in statements) else [_LAZY]
        for sql, group in grouped(statements):
            commands += [command(sql, params) for params in group]
        await self._link.run(partial(self._transact, commands))

    async def _transact(self, commands: Sequence[Command], session: Session) -> None:
        opening = map(query_command, self._opening())
        try:
            await session.exchange([_BEGIN, *opening, *commands, _COMMIT])
        except psycopg.Error:
            # The server has left out all that followed the error, COMMIT included.
            await session.roll_back()
            raise


class Claim:
    """The right to write: the number of the connection that claimed it last."""

    def __init__(self, timeout_s: float) -> None:
        self._lock_timeout_ms = round(timeout_s * 1000 * _OF_TIMEOUT)
        self._number = 0

    async def take(self, session: Session) -> None:
        """Claim the right for this connection. Transactions of earlier ones fail from now on."""
        found = await session.connection.execute(b"SELECT surfaces_claim()")
        ((self._number,),) = await found.fetchall()

    def opening(self) -> Sequence[Query]:
        """The query that each transaction begins with."""
        return (Query("SELECT surfaces_open(?, ?)", (self._number, self._lock_timeout_ms)),)


async def fetch_all(link: Link, queries: Sequence[Query]) -> list[list[Row]]:
    """The results of queries, in one round trip. Raises what `Link.run` raises."""
    commands = [query_command(query) for query in queries]
    return await link.run(partial(_fetch, commands))


async def _fetch(commands: Sequence[Command], session: Session) -> list[list[Row]]:
    return await session.exchange(commands)
