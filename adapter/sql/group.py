"""Groups: all that is submitted while a group is under way goes into the next one.

`GroupCommit` is the writer of a database: it commits in groups.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from actors.port_errors import StoreCorrupt, StoreUnavailable
from adapter.sql.values import Statement

CLOSE_TIMEOUT_S: Final = 10.0
"""Closing waits at most this long for pending work."""

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Transactions(Protocol):
    """What runs transactions on one database, one at a time."""

    async def write_all(self, statements: Sequence[Statement]) -> None:
        """Run the statements in one transaction, all or none.

        Raises StoreUnavailable, StoreCorrupt; any other error is that of some of the statements:
        OutdatedWrite, or that of a value which the database cannot store.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Submitted(Generic[ItemT, ResultT]):
    item: ItemT
    done: asyncio.Future[ResultT]

    def succeed(self, result: ResultT) -> None:
        if not self.done.done():
            self.done.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Group(Generic[ItemT, ResultT]):
    """Puts all items that were submitted during one call of `act` into the next call.

    `act` returns one result for each item. Only one task calls it. A caller's cancellation does not
    reach that task, so a call that has begun is finished. An item is left out if its caller was
    cancelled before its call begins.
    """

    def __init__(self, act: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]]) -> None:
        self._act = act
        self._queue: list[_Submitted[ItemT, ResultT]] = []
        self._wake = asyncio.Event()
        self._closed = False

    @asynccontextmanager
    async def running(self, name: str) -> AsyncIterator[None]:
        """Run the task that calls `act`. On exit, it does all that was submitted first."""
        task = asyncio.create_task(self._run(), name=name)
        try:
            yield
        finally:
            self._close()
            with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
                await task

    async def submit(self, item: ItemT) -> ResultT:
        """The result of one item. Raises StoreUnavailable, and what `act` raises."""
        # A cancelled caller does nothing, even if the task would be fast enough.
        await checkpoint_if_cancelled()
        if self._closed:
            raise StoreUnavailable("the database has been closed")
        done: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        submitted = _Submitted(item, done)
        self._queue.append(submitted)
        self._wake.set()
        return await submitted.done

    def _close(self) -> None:
        self._closed = True
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while group := self._take():
                await self._do(group)
            if self._closed:
                return

    def _take(self) -> list[_Submitted[ItemT, ResultT]]:
        group = [submitted for submitted in self._queue if not submitted.done.done()]
        self._queue.clear()
        return group

    async def _do(self, group: list[_Submitted[ItemT, ResultT]]) -> None:
        try:
            results = await self._act([submitted.item for submitted in group])
        except Exception as error:  # noqa: BLE001 - the waiting callers get it
            await self._fail(group, error)
        else:
            for submitted, result in zip(group, results, strict=True):
                submitted.succeed(result)

    async def _fail(self, group: list[_Submitted[ItemT, ResultT]], error: Exception) -> None:
        if len(group) > 1 and not isinstance(error, StoreUnavailable | StoreCorrupt):
            # One item has a value that the database cannot store, or raises OutdatedWrite. The
            # others are done alone.
            for submitted in group:
                await self._do([submitted])
            return
        for submitted in group:
            submitted.fail(copy(error))  # each caller adds its own traceback


class GroupCommit:
    """Puts all batches that were submitted during a transaction into the next transaction.

    `epilogue` returns the statements that end every transaction.
    """

    def __init__(
        self, db: Transactions, epilogue: Callable[[], Sequence[Statement]] = tuple
    ) -> None:
        self._db = db
        self._epilogue = epilogue
        self._group = Group(self._transact)

    @classmethod
    @asynccontextmanager
    async def over(
        cls, db: Transactions, epilogue: Callable[[], Sequence[Statement]] = tuple
    ) -> AsyncIterator["GroupCommit"]:
        """Write to this database. On exit, all submitted batches are committed first."""
        commits = cls(db, epilogue)
        async with commits._group.running("store-writer"):
            yield commits

    async def submit(self, statements: Sequence[Statement]) -> None:
        """Run the statements in one transaction, all or none; return after its commit.

        Raises StoreUnavailable, StoreCorrupt, OutdatedWrite.
        """
        if statements:
            await self._group.submit(statements)
        else:
            await checkpoint_if_cancelled()

    async def _transact(self, batches: Sequence[Sequence[Statement]]) -> Sequence[None]:
        statements = [statement for batch in batches for statement in batch]
        await self._db.write_all([*statements, *self._epilogue()])
        return [None] * len(batches)
