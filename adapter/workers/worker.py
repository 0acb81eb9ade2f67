"""A worker: takes calls from the queue, makes them on the platform, and shows that it lives."""

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Any

import anyio
import structlog
from procrastinate import App
from procrastinate import worker as queue_worker
from procrastinate.exceptions import ProcrastinateException
from typing_extensions import override

from actors.bounds import Bounds
from actors.platform import Capabilities, Platform
from actors.port_errors import StoreUnavailable
from actors.runtime.reports import Reports
from adapter.workers.call import CallInWork, Stop
from adapter.workers.database import TASK, Database, queue_of, reason_of
from adapter.workers.serving import Serving, Taken
from adapter.workers.timing import Timing
from adapter.workers.wire import capabilities_bytes

_log = structlog.get_logger()


class _QueueWorker(queue_worker.Worker):
    """procrastinate's worker, which ends when its listener or its heartbeat has failed.

    It looks at these tasks until the first of them ends. The one for periodic jobs, of which there
    are none here, would do that at once.
    """

    def __init__(self, app: App, reports: Reports, **options: Any) -> None:  # noqa: ANN401
        super().__init__(app, **options)
        self._reports = reports

    @override
    async def _periodic_deferrer(self) -> None:
        await asyncio.Event().wait()

    @override
    async def _persist_job_status(self, *args: Any, **kwargs: Any) -> None:
        """Take a job whose work is done out of the queue; one that stays there finds no work."""
        try:
            await super()._persist_job_status(*args, **kwargs)
        except ProcrastinateException as error:
            if times := self._reports.failed(anyio.current_time()):
                _log.warning("job_not_finished", times=times, reason=reason_of(error))
        else:
            self._reports.succeeded()


class Worker:
    """Makes up to `at_once` calls at the same time for one account. `name` is never used again."""

    def __init__(
        self,
        url: str,
        account: str,
        platform: Platform,
        name: str,
        *,
        at_once: int,
        bounds: Bounds = Bounds(),
        timing: Timing = Timing(),
    ) -> None:
        self._database = Database(url, timing)
        self._serving = Serving(self._database, account, name, timing)
        self._queue = queue_of(account)
        self._platform = platform
        self._at_once = at_once
        self._bounds = bounds
        self._timing = timing
        self._calls: dict[int, CallInWork] = {}
        self._fetched: set[int] = set()
        """What this worker has from the queue, and has not taken yet."""
        self._slots = anyio.Semaphore(at_once)
        self._steady_since = math.inf
        """Since when the database has answered each time."""
        self._cleaned_at = -math.inf
        self._reports = Reports()
        self._is_odd = False
        """Whether the platform could not say what it can do."""
        self._start: Callable[[int, anyio.Event], object]
        self._database.app.task(name=TASK)(self._take)

    async def run(self, stop: anyio.Event) -> None:
        """Work until `stop` is set; then finish the calls, or give them back."""
        async with anyio.create_task_group() as tasks:
            self._start = lambda ask, ended: tasks.start_soon(self._carry_out, ask, ended)
            tasks.start_soon(self._watch)
            fetching = asyncio.create_task(self._fetch(stop))
            try:
                await stop.wait()
            finally:
                fetching.cancel()
                await asyncio.wait({fetching}, timeout=self._timing.answer_s)
            await self._finish_calls()
            tasks.cancel_scope.cancel()
        await self._sign_off()

    # ------------------------------------------------------------ calls

    async def _take(self, ask: int) -> None:
        """The task of the queue: make one call. The call goes on if the queue breaks down."""
        ended = anyio.Event()
        self._start(ask, ended)
        await ended.wait()

    async def _carry_out(self, ask: int, ended: anyio.Event) -> None:
        self._fetched.add(ask)
        try:
            async with self._slots:
                taken = await self._taken(ask)
                self._fetched.discard(ask)
                if taken is not None:
                    await self._make(taken)
        finally:
            ended.set()

    async def _taken(self, ask: int) -> Taken | None:
        """Take a call once the database answers: no other worker gets it from the queue."""
        while True:
            try:
                return await self._serving.take(ask)
            except StoreUnavailable as error:
                self._report(error)
            await anyio.sleep(self._timing.again_s)

    async def _make(self, taken: Taken) -> None:
        if (former := self._calls.get(taken.id)) is not None:
            former.stop(Stop.VOID)
        call = CallInWork(taken, self._serving, self._platform, self._bounds, self._timing)
        self._calls[taken.id] = call
        try:
            await call.run()
        finally:
            if self._calls.get(taken.id) is call:
                del self._calls[taken.id]

    async def _fetch(self, stop: anyio.Event) -> None:
        """Take calls from the queue, again and again while the database fails, until `stop`.

        An error at the end of the queue may hide the cancellation of this.
        """
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)  # reported here instead
        options: dict[str, Any] = {
            "queues": [self._queue],
            "concurrency": self._at_once,
            "install_signal_handlers": False,
            "shutdown_graceful_timeout": 0.0,
            "fetch_job_polling_interval": self._timing.look_s,
            "update_heartbeat_interval": self._timing.beat_s,
            "stalled_worker_timeout": self._timing.dead_s,
            "delete_jobs": "always",
        }
        reports = Reports()
        while not stop.is_set():
            try:
                await self._database.open()
                async with self._database.app.open_async():
                    await self._requeue_stalled_jobs()
                    queue = _QueueWorker(self._database.app, reports, **options)
                    await queue.run()  # type: ignore[no-untyped-call]
                _log.warning("queue_lost", reason="its listener or its heartbeat has ended")
            except StoreUnavailable as error:
                self._report(error)
            except Exception as error:  # noqa: BLE001  whatever has ended the queue, it begins anew
                _log.warning("queue_lost", reason=reason_of(error))
            await asyncio.sleep(self._timing.again_s)

    async def _requeue_stalled_jobs(self) -> None:
        """Let a worker look again at the jobs of dead ones: it skips a call that was taken."""
        manager = self._database.app.job_manager
        for job in await manager.get_stalled_jobs(
            queue=self._queue, seconds_since_heartbeat=self._timing.dead_s
        ):
            await manager.retry_job(job)

    # ------------------------------------------------------------ signs of life

    async def _watch(self) -> None:
        while True:
            began = anyio.current_time()
            try:
                await self._look()
            except StoreUnavailable as error:
                self._steady_since = math.inf
                self._report(error)
            else:
                self._reports.succeeded()
                if self._steady_since == math.inf:
                    _log.info("worker_ready")
                self._steady_since = min(self._steady_since, began)
            await anyio.sleep(self._timing.look_s)

    def _report(self, error: StoreUnavailable) -> None:
        if times := self._reports.failed(anyio.current_time()):
            _log.warning("database_unavailable", times=times, reason=str(error))

    async def _look(self) -> None:
        """Show life, stop calls that are not wanted, and take over those of dead workers."""
        await self._serving.show_life(self._can())
        if calls := dict(self._calls):
            kept = await self._serving.keep(calls)
            for ask, call in calls.items():
                number, is_left = kept.get(ask, (None, False))
                if number != call.taken.round:
                    call.stop(Stop.VOID)
                elif is_left:
                    call.stop(Stop.LEFT)
        now = anyio.current_time()
        # After an outage of the database, the other workers show life before they are judged.
        if now - self._steady_since >= self._timing.settled_s:
            for ask in await self._serving.revive():
                _log.warning("call_taken_from_dead_worker", ask=ask)
        if now - self._cleaned_at >= self._timing.cleaned_s:
            self._cleaned_at = now
            await self._serving.clean()

    def _can(self) -> bytes:
        """What the platform can do. A plugin that can't say it counts as one that can do little."""
        try:
            return capabilities_bytes(self._platform.capabilities)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin may raise anything
            if not self._is_odd:
                _log.warning("platform_misbehaves", error=repr(error), exc_info=error)
            self._is_odd = True
            return capabilities_bytes(Capabilities())

    # ------------------------------------------------------------ the end

    async def _finish_calls(self) -> None:
        with anyio.move_on_after(self._timing.leave_s):
            await self._until_idle()
        for call in list(self._calls.values()):
            call.stop(Stop.LEAVING)
        with anyio.move_on_after(self._bounds.platform_close_s + self._timing.answer_s):
            await self._until_idle()

    async def _until_idle(self) -> None:
        while self._calls:
            await next(iter(self._calls.values())).ended.wait()
            await anyio.lowlevel.checkpoint()

    async def _sign_off(self) -> None:
        try:
            with anyio.move_on_after(self._timing.answer_s):
                for ask in self._fetched:
                    await self._serving.put_back(ask)
                await self._serving.sign_off()
        except StoreUnavailable as error:
            _log.warning("not_signed_off", reason=str(error))
        await self._database.close()
