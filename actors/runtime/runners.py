"""The tasks that work mailboxes off: few for many actors, and none while there is nothing to do."""

from collections import deque
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from actors.runtime.cells import Cell
from actors.runtime.letters import Address


class Runners:
    """Calls `drain` for every cell that has work, one call at a time for each.

    Leader and followers: one runner stands by while there is work, and takes over only when the
    runner before it waits for something. So a handler that waits holds no other handler up, and
    handlers that never wait share one task.
    """

    def __init__(self, drain: Callable[[Cell], Awaitable[None]]) -> None:
        self._drain = drain
        self._tasks: TaskGroup | None = None
        self._ready: deque[Cell] = deque()
        """Cells with work, in the order in which it came; they count as busy."""
        self._standing_by = False
        self._finished = anyio.Event()
        self.busy: set[Address] = set()
        """Actors at work, or next."""

    def start(self, tasks: TaskGroup) -> None:
        """Run in these tasks from now on."""
        self._tasks = tasks

    def end(self) -> None:
        """Start nothing from now on."""
        self._tasks = None

    def wake(self, cell: Cell) -> None:
        """Let a cell run that has work; one that is busy already needs nothing."""
        if self._tasks is None or cell.address in self.busy:
            return
        self.busy.add(cell.address)
        self._ready.append(cell)
        self._call()

    async def all_done(self) -> None:
        """Wait until no actor is busy."""
        while self.busy:
            await self._finished.wait()

    def _call(self) -> None:
        if self._ready and not self._standing_by and self._tasks is not None:
            self._standing_by = True
            self._tasks.start_soon(self._run)

    async def _run(self) -> None:
        self._standing_by = False
        while self._ready:
            cell = self._ready.popleft()
            self._call()
            try:
                await self._drain(cell)
            finally:
                self.busy.discard(cell.address)
                self._finished.set()
                self._finished = anyio.Event()
