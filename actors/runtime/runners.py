"""The tasks that work through mailboxes: few tasks for many actors, and none while all are idle."""

from collections import deque
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from actors.runtime.cells import Activity, Cell
from actors.runtime.letters import Address


class Runners:
    """Calls `drain` for every cell that has work, one call at a time for each cell.

    It follows the leader and followers pattern: while there is work, one more task stands by. The
    event loop runs that task only when the present runner waits. So a handler that waits delays no
    other handler, and handlers that never wait share one task.
    """

    def __init__(
        self, drain: Callable[[Cell], Awaitable[None]], clock: Callable[[], float]
    ) -> None:
        self._drain = drain
        self._tasks: TaskGroup | None = None
        self._ready: deque[Cell] = deque()
        """Cells with work, in the order in which they were woken; they count as busy."""
        self._standing_by = False
        self._finished = anyio.Event()
        self.busy: set[Address] = set()
        """Actors that are handling a message or about to."""
        self.activity = Activity(clock, self.busy)

    def start(self, tasks: TaskGroup) -> None:
        """Start runners in this task group from now on."""
        self._tasks = tasks

    def end(self) -> None:
        """Start no runner from now on."""
        self._tasks = None

    def wake(self, cell: Cell) -> None:
        """Let a cell run. A cell that is busy runs on, and handles its new messages as well."""
        if self._tasks is None or cell.address in self.busy:
            return
        self.busy.add(cell.address)
        self.activity.note(cell.address)
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
                self.activity.note(cell.address)
                self._finished.set()
                self._finished = anyio.Event()
