"""The group commit: one writer per database, which commits in groups."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from typing import Final, Protocol

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from actors.port_errors import PortError, StoreUnavailable
from adapter.sql.values import Statement

CLOSE_TIMEOUT_S: Final = 10.0
"""Closing waits at most this long for pending writes."""


class Transactions(Protocol):
    """What runs transactions on one database, one at a time."""

    async def write_all(self, statements: Sequence[Statement]) -> None:
        """Run the statements in one transaction, all or none.

        Raises StoreUnavailable, StoreCorrupt; any other error is that of a value which the database
        cannot store.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Batch:
    statements: Sequence[Statement]
    done: asyncio.Future[None]

    def succeed(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class GroupCommit:
    """Puts all batches that were submitted during a transaction into the next transaction.

    Only the writer task runs transactions. A caller's cancellation does not reach that task, so a
    transaction that has begun is finished. A batch is left out if its caller was cancelled before
    its transaction begins. `epilogue` returns the statements that end every transaction.
    """

    def __init__(
        self, db: Transactions, epilogue: Callable[[], Sequence[Statement]] = tuple
    ) -> None:
        self._db = db
        self._epilogue = epilogue
        self._queue: list[_Batch] = []
        self._wake = asyncio.Event()
        self._closed = False

    @classmethod
    @asynccontextmanager
    async def over(
        cls, db: Transactions, epilogue: Callable[[], Sequence[Statement]] = tuple
    ) -> AsyncIterator["GroupCommit"]:
        """Write to this database. On exit, all submitted batches are committed first."""
        group = cls(db, epilogue)
        writer = asyncio.create_task(group._run(), name="store-writer")
        try:
            yield group
        finally:
            group._close()
            with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
                await writer

    async def submit(self, statements: Sequence[Statement]) -> None:
        """Run the statements in one transaction, all or none; return after its commit.

        Raises StoreUnavailable, StoreCorrupt.
        """
        # A cancelled caller writes nothing, even if the writer would be fast enough.
        await checkpoint_if_cancelled()
        if self._closed:
            raise StoreUnavailable("the database has been closed")
        if not statements:
            return
        batch = _Batch(statements, asyncio.get_running_loop().create_future())
        self._queue.append(batch)
        self._wake.set()
        await batch.done

    def _close(self) -> None:
        self._closed = True
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while group := self._take():
                await self._commit(group)
            if self._closed:
                return

    def _take(self) -> list[_Batch]:
        group = [batch for batch in self._queue if not batch.done.done()]
        self._queue.clear()
        return group

    async def _commit(self, group: list[_Batch]) -> None:
        try:
            await self._transact(group)
        except Exception as error:  # noqa: BLE001 - the waiting callers get it
            await self._fail(group, error)
        else:
            for batch in group:
                batch.succeed()

    async def _transact(self, group: list[_Batch]) -> None:
        statements = [statement for batch in group for statement in batch.statements]
        await self._db.write_all([*statements, *self._epilogue()])

    async def _fail(self, group: list[_Batch], error: Exception) -> None:
        if len(group) > 1 and not isinstance(error, PortError):
            # One batch has a value that the database cannot store. The others are committed alone.
            for batch in group:
                await self._commit([batch])
            return
        for batch in group:
            batch.fail(copy(error))  # each caller adds its own traceback
