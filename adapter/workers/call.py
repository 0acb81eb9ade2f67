"""One call that a worker makes on the real platform, written down while the answer grows."""

from collections.abc import Awaitable, Callable
from enum import Enum, auto
from functools import partial

import anyio
import structlog
from msgspec import MsgspecError
from typing_extensions import override

from actors.bounds import Bounds
from actors.platform import Ask, Delta, Done, Platform
from actors.port_errors import PLATFORM_ERRORS, PlatformFailed, StoreUnavailable
from actors.replies.attempt import attempt
from actors.replies.contract import PlatformError, checked_delta, checked_error
from actors.replies.growing import Growing
from actors.runtime.apart import call_apart
from actors.runtime.reports import Reports
from adapter.workers.serving import Serving, Taken
from adapter.workers.timing import Timing
from adapter.workers.wire import Check, Forget, call_of, joined, parts_bytes

_log = structlog.get_logger()


class Stop(Enum):
    """The reasons for which a call ends early."""

    LEFT = auto()
    """The bot does not want the answer any more."""
    VOID = auto()
    """Another worker has the call, or it was asked anew."""
    LEAVING = auto()
    """The worker is to end: another one makes the call from its beginning."""


class CallInWork:
    """A call in work. `run` ends when the answer, or an error, is in the database."""

    def __init__(
        self, taken: Taken, serving: Serving, platform: Platform, bounds: Bounds, timing: Timing
    ) -> None:
        self.taken = taken
        self.ended = anyio.Event()
        self._serving = serving
        self._platform = platform
        self._bounds = bounds
        self._timing = timing
        self._scope = anyio.CancelScope()
        self._stopped: Stop | None = None
        self._failure: PlatformError | None = None
        self._parts: list[Delta] = []
        """What was said and is in no row yet."""
        self._rows: list[bytes] = []
        """The whole answer but for these parts, for the database, which may lose what it has."""
        self._more = anyio.Event()
        self._has_ended = anyio.Event()

    def stop(self, reason: Stop) -> None:
        """End the call early."""
        self._stopped = self._stopped or reason
        self._scope.cancel()

    async def run(self) -> None:
        """Make the call, and write it down. Never raises what the platform raises."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write)
                with self._scope:
                    self._failure = await self._made()
                self._has_ended.set()
                self._more.set()
            await self._until_written(self._end)
        finally:
            self.ended.set()

    async def _made(self) -> PlatformError | None:
        """The failure of the call; None if it has succeeded."""
        try:
            call = call_of(self.taken.call)
        except MsgspecError as error:
            return PlatformFailed(f"the worker does not understand the bot ({error})")
        match call:
            case Ask():
                return await self._answered(call)
            case Check():
                return await self._called(self._platform.check)
            case Forget(chat):
                return await self._called(lambda: self._platform.forget(chat))

    async def _answered(self, ask: Ask) -> PlatformError | None:
        growing = _Written(self._bounds, self._say)
        try:
            await attempt(
                self._platform,
                ask,
                growing,
                self._bounds,
                close_s=self._bounds.platform_close_s,
                on_first=_nothing,
            )
        except PLATFORM_ERRORS as error:
            return error
        assert growing.reason is not None, "an attempt without an error has an end"
        self._say(Done(growing.reason))
        return None

    async def _called(self, work: Callable[[], Awaitable[None]]) -> PlatformError | None:
        failure = await call_apart(
            work,
            within_s=self._bounds.platform_check_s,
            leave_within_s=self._bounds.platform_close_s,
        )
        return None if failure is None else checked_error(failure)

    def _say(self, delta: Delta) -> None:
        self._parts.append(delta)
        self._more.set()

    # ------------------------------------------------------------ writing it down

    async def _write(self) -> None:
        """Write down what is said, in pieces, up to the end of the call."""
        pause_s = self._timing.gather_s
        while True:
            await self._more.wait()
            with anyio.move_on_after(pause_s):
                await self._has_ended.wait()
            self._more = anyio.Event()
            if self._has_ended.is_set():
                return
            self._add_row()
            await self._until_written(partial(self._serving.write, self.taken, self._rows))
            pause_s = self._timing.flush_s

    def _add_row(self) -> None:
        parts, self._parts = self._parts, []
        if parts:
            self._rows.append(parts_bytes(joined(parts)))

    async def _end(self) -> None:
        match self._stopped if self._failure is None else None:
            case Stop.VOID:
                return
            case Stop.LEAVING:
                await self._serving.give_back(self.taken)
                return
            case Stop.LEFT:
                self._failure = PlatformFailed("the bot did not wait for the answer")
            case None:
                pass
        self._add_row()
        if not await self._serving.end(self.taken, self._rows, self._failure):
            _log.info("answer_not_first", ask=self.taken.id)

    async def _until_written(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write, again and again while the database fails: the answer was paid for."""
        reports = Reports()
        while True:
            try:
                await write()
            except StoreUnavailable as error:
                if times := reports.failed(anyio.current_time()):
                    reason = str(error)
                    _log.warning(
                        "answer_not_written", ask=self.taken.id, times=times, reason=reason
                    )
            else:
                return
            if self._stopped is Stop.VOID:
                return
            await anyio.sleep(self._timing.again_s)


class _Written(Growing):
    """An answer while it grows, of which each part but the end is passed on."""

    def __init__(self, bounds: Bounds, say: Callable[[Delta], None]) -> None:
        super().__init__(bounds)
        self._say = say

    @override
    def take(self, said: object) -> None:
        """Take in what the platform has said, and pass it on if the port allows it."""
        super().take(said)
        delta = checked_delta(said)
        if not isinstance(delta, Done):
            self._say(delta)


def _nothing() -> None:
    pass
