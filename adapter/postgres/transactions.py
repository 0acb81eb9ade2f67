"""Transactions and queries on a connection, each in one round trip."""

from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

import psycopg

from actors.port_errors import StoreCorrupt
from adapter.postgres.exchanges import Command, Session, command, query_command
from adapter.postgres.fence import Fence
from adapter.postgres.link import Link
from adapter.sql.values import Query, Row, Statement, grouped


class Opening(Protocol):
    """What each transaction of a writer begins with."""

    def queries(self, *, synced: bool) -> Sequence[Query]:
        """The queries of the next transaction. It fails if one of them does.

        Without `synced`, a crash of the server may undo the latest commits, the newest first. The
        sync position goes back with them, so the homeserver sends their events again.
        """
        ...

    def committed(self) -> None:
        """Note that the transaction was committed."""
        ...


_OF_TIMEOUT: Final = 0.8
"""The share of its time that a transaction may wait for a lock, or for what follows."""
_HITTING: Final = "WITH changed AS ({} RETURNING 1) SELECT surfaces_expect(count(*)) FROM changed"
_BEGIN: Final = Command(b"BEGIN")
_COMMIT: Final = Command(b"COMMIT")
_LATEST: Final = Query("SELECT number, commits FROM writer")
_CLAIM: Final = Query("SELECT surfaces_claim()")


class Writer:
    """Runs transactions for `GroupCommit`. Each is sent as a whole, from BEGIN to COMMIT."""

    def __init__(self, link: Link, opening: Opening) -> None:
        self._link = link
        self._opening = opening

    async def write_all(self, statements: Sequence[Statement]) -> None:
        """Run the statements in one transaction, all or none. Raises as `Transactions` says."""
        synced = any(statement.synced for statement in statements)
        commands = []
        for sql, hits, group in grouped(statements):
            worded = _HITTING.format(sql) if hits else sql
            commands += [command(worded, params) for params in group]
        await self._link.run(partial(self._transact, commands, synced))

    async def _transact(
        self,
        commands: Sequence[Command],
        synced: bool,  # noqa: FBT001 - `partial` gives it
        session: Session,
    ) -> None:
        opening = map(query_command, self._opening.queries(synced=synced))
        try:
            await session.exchange([_BEGIN, *opening, *commands, _COMMIT])
        except psycopg.Error:
            # The server has left out all that followed the error, COMMIT included.
            await session.roll_back()
            raise
        self._opening.committed()


class Claim:
    """The right to write: that of the connection that claimed it last. It is an `Opening`.

    A transaction fails if another connection has claimed the right since, or if the server has lost
    commits of this one. Once commits are lost, nothing is written any more: what the process knows
    may follow from them, so it has to begin anew, with a claim of its own.
    """

    def __init__(self, timeout_s: float, fence: Fence | None = None) -> None:
        self._timeout_ms = round(timeout_s * 1000 * _OF_TIMEOUT)
        self._fence = fence
        self._number = 0
        self._commits = 0
        self._has_lost = False

    async def take(self, session: Session) -> None:
        """Claim the right for this connection. A former leader has none, however late it connects.

        The error ends the connection, and the transaction with it. Raises StoreCorrupt if commits
        of the connection before are lost.
        """
        if self._number:
            await self._look_for_losses(session)
        claim = map(query_command, [*self._fenced(), _CLAIM])
        *_, ((number,),), _ = await session.exchange([_BEGIN, *claim, _COMMIT])
        self._number, self._commits = int(number), 0

    async def _look_for_losses(self, session: Session) -> None:
        """Compare the commits of the connection before with those that the database has.

        The next claim begins to count anew, also if its answer is lost: it comes after that.
        """
        look = map(query_command, [*self._fenced(), _LATEST])
        *_, latest, _ = await session.exchange([_BEGIN, *look, _COMMIT])
        has_all = latest and tuple(map(int, latest[0])) >= (self._number, self._commits)
        self._has_lost |= not has_all
        if self._has_lost:
            raise StoreCorrupt("the database has lost its newest commits")

    def queries(self, *, synced: bool) -> Sequence[Query]:
        """The queries that check the fence and the claim."""
        idle_ms = self._timeout_ms if self._fence is None else self._fence.idle_ms
        params = (self._number, self._commits, self._timeout_ms, idle_ms, synced)
        claim = Query("SELECT surfaces_open(?, ?, ?, ?, ?)", params)
        return (*self._fenced(), claim)

    def committed(self) -> None:
        """Count the commit."""
        self._commits += 1

    def _fenced(self) -> Sequence[Query]:
        return self._fence.opening() if self._fence is not None else ()


async def fetch_all(link: Link, queries: Sequence[Query]) -> list[list[Row]]:
    """The results of queries, in one round trip. Raises what `Link.run` raises."""
    commands = [query_command(query) for query in queries]
    return await link.run(partial(_fetch, commands))


async def _fetch(commands: Sequence[Command], session: Session) -> list[list[Row]]:
    return await session.exchange(commands)
