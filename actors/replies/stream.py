"""Runs a platform's generator in a task of its own, so that it can be left although it hangs."""

import inspect
import math
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from actors.platform import Ask, Platform
from actors.port_errors import PlatformFailed, is_expected
from actors.replies.contract import checked_error
from actors.runtime.apart import TasksApart
from actors.runtime.boundary import BY_ITSELF

_log = structlog.get_logger()

WAITING_DELTAS: Final = 16
"""How many parts of an answer may wait to be read before the platform has to wait."""


END: Final = object()
"""What follows the last part of an answer."""


class Stream:
    """One answer of a platform. Leaving it closes the generator, or abandons it after a while."""

    def __init__(self, platform: Platform, ask: Ask, close_s: float) -> None:
        self._platform = platform
        self._ask = ask
        self._close_s = close_s
        self._apart = TasksApart()
        self._failure: BaseException | None = None
        self._send: MemoryObjectSendStream[object]
        self._receive: MemoryObjectReceiveStream[object]
        self._send, self._receive = anyio.create_memory_object_stream[object](WAITING_DELTAS)

    async def __aenter__(self) -> Self:
        tasks = await self._apart.enter()
        tasks.start_soon(self._run)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._receive.close()
        await self._apart.leave(self._close_s, (exc_type, exc, traceback))
        self._send.close()

    async def next(self) -> object:
        """The next part of the answer, unchecked; `END` after the last one.

        Raises what `Platform.answer` may raise, whatever has ended the answer.
        """
        try:
            return await self._receive.receive()
        except anyio.EndOfStream:
            if self._failure is None:
                return END
        if not is_expected(self._failure):
            _log.warning("platform_misbehaves", error=repr(self._failure), exc_info=self._failure)
        raise checked_error(self._failure)

    async def _run(self) -> None:
        try:
            await self._read()
        except anyio.get_cancelled_exc_class() as cancellation:
            if anyio.current_effective_deadline() == -math.inf:
                raise
            self._failure = PlatformFailed(BY_ITSELF)
            self._failure.__cause__ = cancellation
        except KeyboardInterrupt:
            raise
        except BaseException as failure:  # noqa: BLE001  the boundary: a platform may raise anything
            self._failure = failure
        finally:
            self._send.close()

    async def _read(self) -> None:
        answer: object = self._platform.answer(self._ask)
        if not isinstance(answer, AsyncIterator):
            if inspect.iscoroutine(answer):
                answer.close()
            raise PlatformFailed(f"the answer is no async generator but {type(answer).__name__}")
        try:
            async for delta in answer:
                await self._send.send(delta)
        finally:
            await _close(answer)


async def _close(answer: AsyncIterator[object]) -> None:
    close = getattr(answer, "aclose", None)
    if close is None:
        return
    with anyio.CancelScope(shield=True), suppress(Exception):
        await close()
