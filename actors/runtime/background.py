"""Work that runs beside the actors, and may fail without consequence for any of them."""

from collections.abc import Awaitable, Callable

import structlog
from anyio.abc import TaskGroup

from actors.runtime.errors import ExpectedError, error_text

_log = structlog.get_logger()


class Background:
    """Starts work in the system's task group. Before `start` and after `end` it drops work."""

    def __init__(self) -> None:
        self._tasks: TaskGroup | None = None

    def start(self, tasks: TaskGroup) -> None:
        """Start work in this task group from now on."""
        self._tasks = tasks

    def end(self) -> None:
        """Drop work from now on."""
        self._tasks = None

    def run(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        """Start a piece of work and return at once. Its failure is logged and never raised."""
        if self._tasks is not None:
            self._tasks.start_soon(self.guarded, work, *args)

    async def guarded(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        """Do a piece of work, and wait for it. Its failure is logged and never raised."""
        try:
            await work(*args)
        except Exception as error:  # noqa: BLE001  the boundary: it stops no actor
            _log.warning(
                "background_failed",
                work=getattr(work, "__qualname__", repr(work)),
                error=error_text(error),
                exc_info=None if isinstance(error, ExpectedError) else error,
            )
