"""A task group that can be left although a task in it does not end.

A task group waits for its tasks without a bound, and a task that shields itself, or swallows its
cancellation, never ends. So this group is entered by a task of the event loop itself: what does not
end stays behind there, until the loop ends.
"""

from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from types import TracebackType
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from actors.runtime.boundary import attempt


class TasksApart:
    """The tasks of one owner, which calls `enter` and `leave` in the same task."""

    def __init__(self) -> None:
        self._owner = anyio.CancelScope()
        """Cancelled when a task has failed: the owner's body ends then."""
        self._entered = anyio.Event()
        self._leaving = anyio.Event()
        self._ended = anyio.Event()
        self._failure: BaseException | None = None
        self._host: object = None
        """Keeps asyncio's task alive, which the event loop itself does not."""

    async def enter(self) -> TaskGroup:
        """The task group. A task in it that fails cancels the owner until `leave`."""
        self._host = _start(self._hold)
        with anyio.CancelScope(shield=True):
            await self._entered.wait()
        self._owner.__enter__()
        return self._tasks

    async def leave(
        self,
        within_s: float,
        exc_info: tuple[type[BaseException] | None, BaseException | None, TracebackType | None],
    ) -> bool:
        """Cancel the tasks, and wait up to `within_s` seconds; whether all have ended.

        `exc_info` is what ends the owner's body. Raises the failure of a task.
        """
        self._leaving.set()
        self._tasks.cancel_scope.cancel()
        with anyio.move_on_after(within_s, shield=True):
            await self._ended.wait()
        self._owner.__exit__(*exc_info)
        if self._failure is not None:
            raise self._failure
        return self._ended.is_set()

    async def _hold(self) -> None:
        try:
            async with anyio.create_task_group() as self._tasks:
                self._entered.set()
                await self._leaving.wait()
        except BaseException as failure:  # noqa: BLE001  `leave` raises it
            self._failure = None if self._leaving.is_set() and _is_end(failure) else failure
            self._owner.cancel()
        finally:
            self._ended.set()


async def call_apart(
    work: Callable[[], Awaitable[None]], *, within_s: float, leave_within_s: float
) -> BaseException | None:
    """Await some work for so many seconds, and return its failure; a TimeoutError for no answer.

    Work that does not end when it is cancelled is left behind after `leave_within_s`.
    """
    apart, over = TasksApart(), anyio.Event()
    failure: BaseException | None = TimeoutError(f"no answer within {within_s:g} s")

    async def run() -> None:
        nonlocal failure
        failure = await attempt(work)
        over.set()

    tasks = await apart.enter()
    tasks.start_soon(run)
    try:
        with anyio.move_on_after(within_s):
            await over.wait()
    finally:
        await apart.leave(leave_within_s, (None, None, None))
    return failure


def _is_end(failure: BaseException) -> bool:
    return isinstance(failure, anyio.get_cancelled_exc_class())


def _start(work: Callable[[], Coroutine[Any, Any, None]]) -> object:
    """Start a task that no task group waits for."""
    token = anyio.lowlevel.current_token()
    loop = getattr(token, "native_token", token)  # older releases of anyio return it itself
    create_task: Callable[[Awaitable[None]], object] | None = getattr(loop, "create_task", None)
    if create_task is not None:  # asyncio's token is its event loop
        return create_task(work())
    from trio.lowlevel import spawn_system_task  # noqa: PLC0415  installed if the loop is trio's

    return spawn_system_task(work, context=copy_context())
