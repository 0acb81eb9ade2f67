"""Runs a worker, from settings."""

import signal
import uuid
from collections.abc import Callable

import anyio
import structlog

from actors.bounds import Bounds
from actors.platform import Platform
from actors.port_errors import StoreRefused
from actors.runtime.apart import call_apart
from adapter.workers.database import Database
from adapter.workers.worker import Worker
from supervisor.app.databases import not_opened
from supervisor.app.ending import end_process_within
from supervisor.settings import PlatformSettings

_log = structlog.get_logger()


async def run_worker(
    settings: PlatformSettings,
    url: str,
    make: Callable[[], Platform],
    *,
    at_once: int,
    bounds: Bounds,
) -> None:
    """Make platform calls until SIGTERM or SIGINT, on the platform that `make` makes.

    The process ends soon after the return. A database that is away is waited for. Raises
    StoreRefused if it refuses the worker at the start.
    """
    name = uuid.uuid4().hex[:12]
    structlog.contextvars.bind_contextvars(worker=name)
    _log.info("worker_starting", user_id=settings.user_id, platform=settings.platform)
    try:
        await Database(url).check()
    except StoreRefused as error:
        raise not_opened("MATRIX_DB_PATH", settings.db_path, error) from error
    platform, stop = make(), anyio.Event()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_receive, stop)
            worker = Worker(url, settings.user_id, platform, name, at_once=at_once, bounds=bounds)
            await worker.run(stop)
            tasks.cancel_scope.cancel()
    finally:
        close_s = bounds.platform_close_s
        await call_apart(platform.close, within_s=close_s, leave_within_s=close_s)
        end_process_within(bounds.runtime.leave_within_s, 0)
    _log.info("worker_stopped")


async def _receive(stop: anyio.Event) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            _log.info("stop_requested", signal=signal.Signals(number).name)
            stop.set()
