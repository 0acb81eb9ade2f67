"""The platform of a bot that leaves the calls to workers. Only that loads their packages."""

# ruff: noqa: PLC0415 - see above

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Final

from actors.bounds import Bounds
from actors.platform import Platform
from supervisor.chosen_platform import ChosenPlatform
from supervisor.database_urls import DatabaseUrl
from supervisor.settings import PlatformSettings, Settings, SettingsRefused
from supervisor.status.workers import LoadReader

_PACKAGES: Final = ("procrastinate", "psycopg", "psycopg_pool")
NEEDS_A_URL: Final = "set MATRIX_DB_PATH to a URL like postgresql://user:password@host/name"


def by_workers(settings: PlatformSettings) -> ChosenPlatform:
    """The platform, asked by workers. Raises SettingsRefused without PostgreSQL."""
    url = workers_url(settings, f"BOT_WORKERS: is on, and workers need PostgreSQL: {NEEDS_A_URL}")

    def make(_: Bounds) -> Platform:
        from adapter.workers.platform import PlatformByWorkers

        return PlatformByWorkers(url, settings.user_id)

    return ChosenPlatform(settings.platform, make)


async def learn_of_workers(settings: PlatformSettings, platform: Platform) -> None:
    """Let a platform by workers find out what it can do, before it is asked."""
    if not settings.by_workers:
        return
    from adapter.workers.platform import PlatformByWorkers

    if isinstance(platform, PlatformByWorkers):
        await platform.learn()


@asynccontextmanager
async def load_reader(settings: Settings) -> AsyncIterator[LoadReader | None]:
    """What reads the load of the workers for the status; None if no worker asks the platform."""
    if not settings.by_workers:
        yield None
        return
    from adapter.workers.load import LoadReader as Reader

    reader = Reader(workers_url(settings, NEEDS_A_URL), settings.user_id)
    try:
        yield reader
    finally:
        await reader.close()


def workers_url(settings: PlatformSettings, refusal: str) -> str:
    """The URL of the database with the calls. Raises SettingsRefused."""
    if not isinstance(settings.db_path, DatabaseUrl):
        raise SettingsRefused(refusal)
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        needed = " and ".join(missing)
        raise SettingsRefused(
            f"workers need {needed}: install surfaces-bot[workers], or '.[workers]' in a checkout"
        )
    from supervisor.app.databases import url_of

    return url_of(settings.db_path)
