"""Work beside the actors whose failure matters to none of them, like a read receipt."""

from collections.abc import Awaitable, Callable

import structlog
from anyio.abc import TaskGroup

from actors.runtime.errors import ExpectedError, error_text

_log = structlog.get_logger()


class Background:
    """Starts work in the system's tasks while there are any."""

    def __init__(self) -> None:
        self._tasks: TaskGroup | None = None

    def start(self, tasks: TaskGroup) -> None:
        """Run in these tasks from now on."""
        self._tasks = tasks

    def end(self) -> None:
        """Start nothing from now on."""
        self._tasks = None

    def run(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        """Start a piece of work; a failure is logged."""
        if self._tasks is not None:
            self._tasks.start_soon(self.guarded, work, *args)

    async def guarded(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        """Do a piece of work here; a failure is logged and not raised."""
        try:
            await work(*args)
        except Exception as error:  # noqa: BLE001  the boundary: it stops none of the actors
            _log.warning(
                "background_failed",
                work=work.__qualname__,
                error=error_text(error),
                exc_info=None if isinstance(error, ExpectedError) else error,
            )
