"""A connection to PostgreSQL that is made anew after it was lost."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any, Final, TypeVar

import anyio
import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from actors.port_errors import StoreCorrupt, StoreRefused, StoreUnavailable
from adapter.postgres.errors import translated
from adapter.postgres.exchanges import Session
from adapter.sql.search_path import CURRENT, check_schema, schema_in

ResultT = TypeVar("ResultT")

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 0.5
"""The pause before another attempt to connect doubles up to this."""
_CLOSE_TIMEOUT_S: Final = 2.0
_DEFAULTS: Final = {
    "application_name": "surfaces-bot",
    "client_encoding": "utf8",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "target_session_attrs": "read-write",
}
"""The parameters of a connection, unless the URL gives others."""


def parameters(url: str) -> dict[str, Any]:
    """The parameters of a connection to the database of a URL. Raises StoreRefused."""
    with _parsed():
        return {**_DEFAULTS, **conninfo_to_dict(url)}


def connecting_within(url: str, seconds: int) -> str:
    """The same database, and a connection to each of its hosts may take so long.

    Raises StoreRefused.
    """
    with _parsed():
        return make_conninfo(url, connect_timeout=seconds)


@contextmanager
def _parsed() -> Iterator[None]:
    try:
        yield
    except psycopg.ProgrammingError as error:
        raise StoreRefused(" ".join(str(error).split())) from error


class Link:
    """One connection for one task. A lost connection fails the call, and the next one connects.

    A call never repeats what it did: its caller learns of each loss, because the newest commits may
    be lost with it. With `renews`, the caller has no commits to lose: a connection that the server
    has closed between two calls is made anew at once.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        greet: Callable[[Session], Awaitable[None]] | None = None,
        renews: bool = False,
    ) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._greet = greet
        self._renews = renews
        self._session: Session | None = None
        self._failure: StoreUnavailable | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._not_before = 0.0

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        timeout_s: float,
        greet: Callable[[Session], Awaitable[None]] | None = None,
        renews: bool = False,
    ) -> AsyncIterator["Link"]:
        """A link that is closed on exit. It connects at its first use.

        `greet` is called with each new connection.
        """
        link = cls(url, timeout_s=timeout_s, greet=greet, renews=renews)
        try:
            yield link
        finally:
            await link._close()

    async def run(self, work: Callable[[Session], Awaitable[ResultT]]) -> ResultT:
        """Do this work on the connection. Only one task may call it.

        Raises StoreUnavailable, StoreCorrupt, LeaseLost; any other error is that of a bad value.
        """
        session = await self._connected()
        try:
            return await self._done_in_time(session, work)
        except Exception as error:
            if session.connection.closed or isinstance(error, StoreUnavailable | StoreCorrupt):
                await self._close()
            raise

    async def _done_in_time(
        self, session: Session, work: Callable[[Session], Awaitable[ResultT]]
    ) -> ResultT:
        with translated(), _cut_after(session, self._timeout_s) as is_cut:
            try:
                return await work(session)
            except psycopg.Error as error:
                if is_cut():
                    raise StoreUnavailable(
                        f"PostgreSQL has not answered within {self._timeout_s:g} s"
                    ) from error
                raise

    async def _connected(self) -> Session:
        if self._renews and self._session is not None and self._session.is_closed():
            await self._close()
        if self._session is not None:
            return self._session
        if self._failure is not None and anyio.current_time() < self._not_before:
            raise StoreUnavailable(str(self._failure))
        try:
            self._session = await self._connect()
        except StoreUnavailable as error:
            self._failure, self._not_before = error, anyio.current_time() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            raise
        self._failure, self._pause_s = None, _FIRST_PAUSE_S
        return self._session

    async def _connect(self) -> Session:
        given = parameters(self._url)
        with translated():
            connection = await AsyncConnection.connect(
                **given, autocommit=True, prepare_threshold=None, cursor_factory=AsyncRawCursor
            )
        session = Session(connection)
        try:
            if wanted := schema_in(given):
                await self._done_in_time(session, partial(_check_schema, wanted=wanted))
            if self._greet is not None:
                await self._done_in_time(session, self._greet)
        except BaseException:
            await connection.close()
            raise
        return session

    async def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with anyio.move_on_after(_CLOSE_TIMEOUT_S, shield=True):
                await session.connection.close()


async def _check_schema(session: Session, *, wanted: str) -> None:
    ((current,),) = await (await session.connection.execute(CURRENT)).fetchall()
    check_schema(wanted, current)


@contextmanager
def _cut_after(session: Session, timeout_s: float) -> Iterator[Callable[[], bool]]:
    """Cut the connection if the block lasts longer. Yields a function that says whether it did.

    The cut looks like a lost connection. A cancellation would ask the server to cancel instead, and
    wait for an answer that may never come.
    """
    cut = False

    def cut_it() -> None:
        nonlocal cut
        cut = True
        descriptor = os.dup(session.connection.fileno())
        with suppress(OSError), socket.socket(fileno=descriptor) as own:
            own.shutdown(socket.SHUT_RDWR)

    timer = asyncio.get_running_loop().call_later(timeout_s, cut_it)
    try:
        yield lambda: cut
    finally:
        timer.cancel()
