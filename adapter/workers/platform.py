"""The bot's side: a platform of which the calls are made by workers."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NoReturn
from uuid import uuid4

import anyio
import anyio.to_thread
import structlog

from actors.model import PlatformChatId
from actors.platform import Ask, Capabilities, Delta, Thinking
from actors.port_errors import PlatformBusy, PlatformUnreachable, PortError, StoreUnavailable
from adapter.workers.asking import Asked, Asking, Seen, Workers, known_capabilities
from adapter.workers.database import Database
from adapter.workers.news import News
from adapter.workers.timing import Timing
from adapter.workers.wire import Call, Check, Forget, failure_of, parts_of

_log = structlog.get_logger()

NO_WORKER: Final = "no worker is running: start `surfaces-bot worker`"
_LEAVE_WITHIN_S: Final = 2.0
_KNOWN_WITHIN_S: Final = 3.0


class PlatformByWorkers:
    """Implements `actors.platform.Platform` for one account, over a database.

    An answer that is in the database, or in work there, is taken over: also one that another
    process has asked for. `known` is what the platform can do, as far as a worker has said it.
    """

    def __init__(
        self,
        url: str,
        account: str,
        *,
        known: Capabilities | None = None,
        timing: Timing = Timing(),
    ) -> None:
        self._url = url
        self._account = account
        self._database = Database(url, timing)
        self._asking = Asking(self._database, account, uuid4().hex, timing)
        self._news = News(self._database, timing)
        self._known = known
        self._timing = timing
        self._answers: set[anyio.Event] = set()
        """One event for each answer that is followed; set at its end."""
        self._is_closed = False

    @property
    def capabilities(self) -> Capabilities:
        """What the platform can do, as the latest worker says."""
        return self._known or Capabilities()

    async def learn(self, within_s: float = _KNOWN_WITHIN_S) -> None:
        """Find out what the platform can do, if the database says so soon. Raises nothing."""
        with anyio.move_on_after(within_s):
            known = await anyio.to_thread.run_sync(
                known_capabilities, self._url, self._account, abandon_on_cancel=True
            )
            self._known = known or self._known

    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """The answer, while a worker writes it down.

        Raises PlatformUnreachable if the database fails or no worker runs, and if the worker has
        ended in the middle of the answer; PlatformBusy if no worker has time.
        """
        with _unreachable():
            await self._begin()
            asked, workers = await self._asking.ask(ask.key, ask)
            self._learn(workers)
        ended = anyio.Event()
        self._answers.add(ended)
        try:
            async for delta in self._follow(asked):
                yield delta
        except PortError:  # the call has ended, or keeps its place in the queue, or is made anew
            raise
        except BaseException:  # closed or cancelled: the answer is not wanted
            await self._leave(asked)
            raise
        finally:
            self._answers.discard(ended)
            ended.set()

    async def check(self) -> None:
        """Return if a worker finds the platform well."""
        with _unreachable():
            self._news.open()
            await self._expect_worker()
        await self._call(Check())

    async def forget(self, chat: PlatformChatId) -> None:
        """Delete the stored answers of a conversation, and let the platform forget it."""
        with _unreachable():
            self._news.open()
            await self._asking.forget(chat)
        await self._call(Forget(chat))

    async def close(self) -> None:
        """End the answers in work, and close the connections."""
        self._is_closed = True
        self._news.wake_all()
        with anyio.move_on_after(_LEAVE_WITHIN_S):
            for ended in tuple(self._answers):
                await ended.wait()
        await self._news.close()
        await self._database.close()

    async def _begin(self) -> None:
        """Find out what the platform can do, if nothing is known of that.

        The ask was prepared for a platform that can do little: it is prepared again.
        """
        self._news.open()
        if self._known is not None:
            return
        workers = await self._asking.workers()
        if workers is None:
            raise PlatformUnreachable(NO_WORKER)
        self._learn(workers)
        raise PlatformBusy(0.0)

    async def _expect_worker(self) -> None:
        """Return if a worker lives. In tables that were made anew, it shows that a moment later."""
        until = anyio.current_time() + self._timing.beat_s
        while not await self._has_worker():
            if _is_past(until):
                raise PlatformUnreachable(NO_WORKER)
            await anyio.sleep(self._timing.look_s)

    async def _has_worker(self) -> bool:
        """Whether a worker lives."""
        return self._learn(await self._asking.workers())

    def _learn(self, workers: Workers | None) -> bool:
        """Keep what the workers say of the platform; whether one of them lives."""
        if workers is None:
            return False
        self._known = workers.capabilities
        return workers.is_alive

    async def _call(self, call: Call) -> None:
        """Let a worker carry out a call that has no answer."""
        with _unreachable():
            asked, _ = await self._asking.ask(f"{type(call).__name__}:{uuid4().hex}", call)
        try:
            async for _ in self._follow(asked):
                pass
        finally:
            with anyio.move_on_after(_LEAVE_WITHIN_S, shield=True), suppress(StoreUnavailable):
                await self._asking.delete(asked)

    async def _follow(self, asked: Asked) -> AsyncGenerator[Delta, None]:
        """The parts of an answer as they are written, up to its end."""
        number, has_begun = 0, False
        taken_by = anyio.current_time() + self._timing.queued_s
        with self._news.of(asked.id) as news:
            while True:
                if self._is_closed:
                    await self._leave(asked)
                    raise PlatformUnreachable("the bot has closed the platform")
                news.clear()
                with _unreachable():
                    seen = await self._asking.look(asked, number)
                    if seen is not None and not seen.is_taken and _is_past(taken_by):
                        await self._explain(asked)
                if seen is None or (seen.round != asked.round and has_begun):
                    raise PlatformUnreachable("the worker ended in the middle of the answer")
                if seen.is_taken or seen.round != asked.round:
                    taken_by = anyio.current_time() + self._timing.queued_s
                if seen.round != asked.round:
                    asked, number = Asked(asked.id, seen.round), 0
                    continue
                for parts in seen.parts:
                    number += 1
                    for delta in parts_of(parts):
                        has_begun = has_begun or not isinstance(delta, Thinking)
                        yield delta
                if seen.has_ended:
                    _raise_failure(seen)
                    return
                with anyio.move_on_after(self._timing.look_s):
                    await news.wait()

    async def _explain(self, asked: Asked) -> NoReturn:
        """Raise the reason for which no worker has taken a call."""
        if await self._has_worker():
            raise PlatformBusy(self._timing.busy_again_s)
        await self._asking.leave(asked)
        raise PlatformUnreachable(NO_WORKER)

    async def _leave(self, asked: Asked) -> None:
        with anyio.move_on_after(_LEAVE_WITHIN_S, shield=True):
            try:
                await self._asking.leave(asked)
            except StoreUnavailable as error:
                _log.info("call_not_left", reason=str(error))


def _is_past(moment: float) -> bool:
    return anyio.current_time() >= moment


def _raise_failure(seen: Seen) -> None:
    if seen.failure is not None:
        raise failure_of(seen.failure)


@contextmanager
def _unreachable() -> Iterator[None]:
    """The database is the way to the platform: without it, no question is to blame."""
    try:
        yield
    except StoreUnavailable as error:
        raise PlatformUnreachable(str(error)) from error
