"""Platform calls by workers: the bot's side, and a worker itself.

Only what needs the workers loads their packages.
"""

# ruff: noqa: PLC0415 - see above

import signal
import uuid
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final

import anyio
import structlog

from actors.bounds import Bounds
from actors.platform import Platform
from actors.runtime.apart import call_apart
from supervisor.app.ending import end_process_within
from supervisor.chosen_platform import ChosenPlatform
from supervisor.database_urls import DatabaseUrl
from supervisor.settings import PlatformSettings, SettingsRefused

_log = structlog.get_logger()

_PACKAGES: Final = ("procrastinate", "psycopg", "psycopg_pool")
NEEDS_A_URL: Final = "set MATRIX_DB_PATH to a URL like postgresql://user:password@host/name"


def by_workers(settings: PlatformSettings) -> ChosenPlatform:
    """The platform, asked by workers. Raises SettingsRefused without PostgreSQL."""
    url = workers_url(settings, f"BOT_WORKERS: is on, and workers need PostgreSQL: {NEEDS_A_URL}")

    def make(_: Bounds) -> Platform:
        from adapter.workers.asking import known_capabilities
        from adapter.workers.platform import PlatformByWorkers

        account = settings.user_id
        return PlatformByWorkers(url, account, known=known_capabilities(url, account))

    return ChosenPlatform(settings.platform, make)


def workers_url(settings: PlatformSettings, refusal: str) -> str:
    """The URL of the database with the calls. Raises SettingsRefused."""
    if not isinstance(settings.db_path, DatabaseUrl):
        raise SettingsRefused(refusal)
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        needed = " and ".join(missing)
        raise SettingsRefused(f"workers need {needed}: install surfaces-bot[workers]")
    return settings.db_path.secret.get_secret_value()


async def run_worker(
    settings: PlatformSettings,
    url: str,
    make: Callable[[], Platform],
    *,
    at_once: int,
    bounds: Bounds,
) -> None:
    """Make platform calls until SIGTERM or SIGINT, on the platform that `make` makes.

    The process ends soon after the return.
    """
    from adapter.workers.worker import Worker

    name = uuid.uuid4().hex[:12]
    structlog.contextvars.bind_contextvars(worker=name)
    _log.info("worker_starting", user_id=settings.user_id, platform=settings.platform)
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
