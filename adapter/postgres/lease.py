"""The lease in PostgreSQL: who leads is decided in the database, by its clock."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, final

from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from actors.port_errors import StoreCorrupt, StoreRefused
from adapter.postgres.exchanges import Session
from adapter.postgres.link import Link, connecting_within
from adapter.postgres.schema import CREATE_LEASE, LEASE_COLUMNS, LOCK, refuse_foreign
from adapter.postgres.tables import OTHER_ACCOUNT, check_account
from adapter.postgres.transactions import fetch_all
from adapter.sql.lease import LeaseRow
from adapter.sql.search_path import CURRENT, check_exists, schema_in
from adapter.sql.values import Query, Row

_CONNECT_S: Final = 2
"""The shortest time for which libpq waits for a connection."""
_ADD: Final = (
    b"INSERT INTO lease(name, epoch, holder, expires) VALUES ($1, 0, '', to_timestamp(0))"
    b" ON CONFLICT(name) DO NOTHING"
)
# `reset` removes the row, and after that another account may come first.
_ADD_AGAIN: Final = (
    "INSERT INTO lease(name, epoch, holder, expires) SELECT ?, 0, '', to_timestamp(0)"
    " WHERE NOT EXISTS (SELECT FROM lease) ON CONFLICT(name) DO NOTHING"
)
# current_schema() would answer from a cache, which does not learn of another process during the
# wait for the lock.
_SCHEMA: Final = b"SELECT 1 FROM pg_namespace WHERE nspname = $1"
_WITHIN: Final = "SELECT set_config('statement_timeout', ?, true)"
"""For this transaction. A statement whose client has gone would otherwise still take the lease once
the lock that it waits for is free."""
_LOOK: Final = (
    "SELECT epoch, holder, extract(epoch FROM expires - clock_timestamp())::float8"
    " FROM lease WHERE name = ?"
)
# A failover may lose the newest commits, and the epochs in them with these. The clock is later than
# all of them.
_TAKE: Final = (
    "UPDATE lease SET holder = ?, expires = clock_timestamp() + ? * interval '1 second',"
    " epoch = greatest(epoch + 1, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)"
    " WHERE name = ? AND (expires < clock_timestamp() OR holder = ?) RETURNING epoch"
)
_TABLE: Final = Query("SELECT to_regclass('lease')::text")
_LEADER: Final = Query(
    "SELECT epoch, holder, extract(epoch FROM expires - clock_timestamp())::float8"
    " FROM lease WHERE expires > clock_timestamp() LIMIT 1"
)
_RENEW: Final = (
    "UPDATE lease SET expires = clock_timestamp() + ? * interval '1 second'"
    " WHERE name = ? AND epoch = ? RETURNING 1"
)
_FREE: Final = (
    "UPDATE lease SET expires = clock_timestamp() WHERE name = ? AND epoch = ? RETURNING 1"
)


def boot_time() -> float:
    """Seconds on a clock that is never set, and that goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@final
class PostgresLease:
    """Implements `adapter.sql.lease.LeaseTable`, on a connection of its own. `open` creates it."""

    def __init__(self, link: Link, name: str, holder: str, within_s: float) -> None:
        self._link = link
        self._name = name
        self._within = Query(_WITHIN, (str(round(within_s * 750)),))
        self.holder = holder

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, name: str, holder: str, within_s: float
    ) -> AsyncIterator["PostgresLease"]:
        """The lease in the database of a libpq URL. Its first use connects, and creates the row.

        The schema that the URL names is created as well. One of another account is refused: its
        rows would be mixed with this one's. Each method ends within `within_s` seconds, or twice
        that while it connects anew. Raises StoreRefused if the URL is not one.
        """
        url = connecting_within(url, _CONNECT_S)
        greet = partial(_greet, name=name, schema=schema_in(conninfo_to_dict(url)))
        async with Link.open(url, timeout_s=within_s, greet=greet, renews=True) as link:
            yield cls(link, name, holder, within_s)

    async def look(self) -> LeaseRow:
        """The row."""
        look = Query(_LOOK, (self._name,))
        found = await self._run(look)
        if not found:
            await self._run(Query(_ADD_AGAIN, (self._name,)))
            found = await self._run(look)
        if not found:
            raise StoreRefused("the tables are those of another account now")
        ((epoch, holder, left_s),) = found
        return LeaseRow(epoch, holder, left_s)

    async def take(self, ttl_s: float) -> int | None:
        """Take the lease if it is over, or has this holder."""
        params = (self.holder, ttl_s, self._name, self.holder)
        found = await self._run(Query(_TAKE, params))
        return int(found[0][0]) if found else None

    async def renew(self, epoch: int, ttl_s: float) -> bool:
        """Renew the lease of an epoch."""
        return bool(await self._run(Query(_RENEW, (ttl_s, self._name, epoch))))

    async def free(self, epoch: int) -> None:
        """End the lease of an epoch."""
        await self._run(Query(_FREE, (self._name, epoch)))

    async def _run(self, query: Query) -> Sequence[Row]:
        try:
            return await self._result(query)
        except StoreCorrupt:
            # The table was dropped, and the new connection makes it again. All epochs have ended.
            return await self._result(query)

    async def _result(self, query: Query) -> Sequence[Row]:
        return (await fetch_all(self._link, [self._within, query]))[-1]


async def leader(url: str, *, within_s: float) -> LeaseRow | None:
    """The lease of the process that leads a bot on a database; None if no process leads.

    Raises StoreUnavailable.
    """
    async with Link.open(connecting_within(url, _CONNECT_S), timeout_s=within_s) as link:
        ((table,),) = (await fetch_all(link, [_TABLE]))[0]
        found = (await fetch_all(link, [_LEADER]))[0] if table is not None else []
    return LeaseRow(*found[0]) if found else None


async def _greet(session: Session, *, name: str, schema: str | None) -> None:
    """Create the table and the row: a process that stands by has no store open."""
    connection = session.connection
    async with connection.transaction():
        await connection.execute(b"SELECT pg_advisory_xact_lock($1)", (LOCK,))
        if schema is not None:
            await _create_schema(session, schema)
        ((current,),) = await (await connection.execute(CURRENT)).fetchall()
        check_exists(current)
        await refuse_foreign(connection, LEASE_COLUMNS)
        await connection.execute(CREATE_LEASE)
        check_account(await (await connection.execute(OTHER_ACCOUNT, (name,))).fetchone())
        await connection.execute(_ADD, (name,))


async def _create_schema(session: Session, schema: str) -> None:
    connection = session.connection
    if await (await connection.execute(_SCHEMA, (schema,))).fetchone() is None:
        await connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
