"""One writer for one database file, which commits in groups."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, cast

import aiosqlite
import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from actors.ports import PortError, StoreUnavailable
from adapter.sqlite.errors import translate, translated
from adapter.sqlite.opening import BUSY_TIMEOUT_S, connect
from adapter.sqlite.statements import Statement
from adapter.sqlite.transactions import write_all

_ITER_CHUNK_SIZE: Final = 64
"""aiosqlite's own default."""
CLOSE_TIMEOUT_S: Final = 10.0
"""How long closing waits for what is still being written."""


class Connection(aiosqlite.Connection):
    """aiosqlite's connection, which can carry out a whole transaction on one visit to its thread.

    A visit for each statement costs more than what SQLite does there.
    """

    async def write_all(self, statements: Sequence[Statement]) -> None:
        """Run the statements in one transaction, all or none."""
        await self._execute(write_all, self._conn, statements)  # type: ignore[no-untyped-call]


@asynccontextmanager
async def connected(
    path: Path, *pragmas: str, busy_timeout_s: float = BUSY_TIMEOUT_S
) -> AsyncIterator[Connection]:
    """Open a connection that never begins a transaction by itself. Raises StoreUnavailable."""
    with translated():
        opened = await Connection(partial(connect, path, busy_timeout_s), _ITER_CHUNK_SIZE)
    db = cast("Connection", opened)  # awaiting one gives the same one back
    try:
        with translated():
            for pragma in pragmas:
                await db.execute_fetchall(pragma)
        yield db
    finally:
        with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
            await db.close()


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
    """Whatever was submitted while a transaction ran goes together into the next one.

    Only the writer's own task touches the connection, and nobody's cancellation reaches it: a
    transaction, once begun, is finished. A batch whose caller was cancelled before that is left
    out. `epilogue` gives the statements that end every transaction.
    """

    def __init__(self, db: Connection, epilogue: Callable[[], Sequence[Statement]] = tuple) -> None:
        self._db = db
        self._epilogue = epilogue
        self._queue: list[_Batch] = []
        self._wake = asyncio.Event()
        self._closed = False

    @classmethod
    @asynccontextmanager
    async def over(
        cls, db: Connection, epilogue: Callable[[], Sequence[Statement]] = tuple
    ) -> AsyncIterator["GroupCommit"]:
        """Write through this connection; on leaving, what was submitted is still committed."""
        group = cls(db, epilogue)
        writer = asyncio.create_task(group._run(), name="sqlite-writer")
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
        # Who is cancelled already writes nothing, whatever the writer would be quick enough for.
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
        except Exception as error:  # noqa: BLE001 - it belongs to the callers, who are waiting
            await self._refuse(group, error)
        else:
            for batch in group:
                batch.succeed()

    async def _transact(self, group: list[_Batch]) -> None:
        statements = [statement for batch in group for statement in batch.statements]
        await self._db.write_all([*statements, *self._epilogue()])

    async def _refuse(self, group: list[_Batch], error: Exception) -> None:
        failure = translate(error)
        if len(group) > 1 and not isinstance(failure, PortError):
            # One of them is at fault, with a value that SQLite cannot hold. The others are not.
            for batch in group:
                await self._commit([batch])
            return
        for batch in group:
            batch.fail(translate(error))
