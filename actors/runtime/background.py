"""Work that runs beside the actors, and may fail without consequence for any of them."""

from collections import Counter
from collections.abc import Awaitable, Callable

import structlog
from anyio.abc import TaskGroup

from actors.runtime.boundary import attempt
from actors.runtime.errors import ExpectedError, error_text, errors_in

_log = structlog.get_logger()


class Background:
    """Starts work in the system's task group. Before `start` and after `end` it drops work."""

    def __init__(self) -> None:
        self._tasks: TaskGroup | None = None
        self._running: Counter[str] = Counter()

    @property
    def running(self) -> tuple[str, ...]:
        """The names of the work that `run` has started and that has not ended."""
        return tuple(self._running)

    def start(self, tasks: TaskGroup) -> None:
        """Start work in this task group from now on."""
        self._tasks = tasks

    def end(self) -> None:
        """Drop work from now on."""
        self._tasks = None

    def run(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        """Start a piece of work and return at once. Its failure is logged and never raised."""
        if self._tasks is not None:
            self._tasks.start_soon(self._run, work, *args)

    async def _run(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        name = _name_of(work)
        self._running[name] += 1
        try:
            await self.guarded(work, *args)
        finally:
            self._running[name] -= 1
            if not self._running[name]:
                del self._running[name]

    async def guarded(self, work: Callable[..., Awaitable[None]], *args: object) -> bool:
        """Do a piece of work, and wait for it. Its failure is logged and never raised.

        Returns whether it succeeded.
        """
        failure = await attempt(work, *args)
        if failure is None:
            return True
        errors = errors_in(failure)
        is_bug = not all(isinstance(error, ExpectedError) for error in errors)
        _log.warning(
            "background_failed",
            work=_name_of(work),
            error=error_text(errors[0]) if errors else repr(failure),
            exc_info=failure if is_bug else None,
        )
        return False


def _name_of(work: Callable[..., Awaitable[None]]) -> str:
    return getattr(work, "__qualname__", None) or repr(work)
