"""Which process leads the bot: by the instance lock, or by a lease in the database.

Only a URL loads the adapter for PostgreSQL.
"""

# ruff: noqa: PLC0415 - a database in a file needs none of the packages for PostgreSQL

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import anyio.to_thread

from actors.bounds import Bounds
from actors.leadership import Leadership
from actors.port_errors import StoreRefused
from adapter.sql.lease import LeaseLeadership, LeaseRow, Share
from supervisor.app.databases import account_of, not_opened, url_of
from supervisor.database_urls import DatabaseUrl
from supervisor.lock import InstanceLock, LedElsewhere, LockLeadership, this_process
from supervisor.settings import LocalSettings, Settings

_SHARE: Final = 3
"""A request about the lease takes this part of the lease's time, at most."""


@asynccontextmanager
async def leadership_for(
    settings: Settings,
    lock: InstanceLock,
    bounds: Bounds,
    *,
    notice: Callable[[str], None],
    alive: Callable[[], None],
    share: Share,
) -> AsyncIterator[Leadership]:
    """The leadership of this process. Raises StoreRefused if the database refuses the bot.

    A database that is away is waited for by `lead`. `notice` is told what this process waits for,
    and `alive` is called while it does. `share` says how long a free lease is left to other
    machines.
    """
    if isinstance(settings.db_path, Path):
        yield LockLeadership(lock, bounds.look_at_lock_s)
        return
    place = settings.db_path
    url = url_of(place)
    from adapter.postgres.lease import PostgresLease, boot_time

    holder = f"{this_process()} ({secrets.token_hex(3)})"
    within_s = bounds.lease_s / _SHARE
    async with AsyncExitStack() as stack:
        opening = PostgresLease.open(url, name=settings.user_id, holder=holder, within_s=within_s)
        try:
            leadership = LeaseLeadership(
                await stack.enter_async_context(opening),
                ttl_s=bounds.lease_s,
                look_s=bounds.look_at_lease_s,
                clock=boot_time,
                notice=notice,
                alive=alive,
                share=share,
            )
            await leadership.check()
        except StoreRefused as error:
            raise not_opened("MATRIX_DB_PATH", place, error) from error
        yield leadership


async def refuse_while_led(settings: LocalSettings, bounds: Bounds = Bounds()) -> None:
    """Raise LedElsewhere while a process leads a bot on the database, if that has a URL.

    Raises StoreUnavailable if the database can't be reached.
    """
    if isinstance(settings.db_path, DatabaseUrl):
        found = await leader_of(settings.db_path, bounds)
        if found is not None:
            raise LedElsewhere(found.holder)


async def refuse_other_account(settings: Settings) -> None:
    """Raise StoreRefused if the database has the tables of another account.

    Raises StoreUnavailable if it can't be reached, SettingsRefused if its URL can't be used.
    """
    if isinstance(settings.db_path, DatabaseUrl):
        name = await anyio.to_thread.run_sync(account_of, settings.db_path)
        if name not in {settings.user_id, None}:
            raise StoreRefused(
                f"MATRIX_DB_PATH: {settings.db_path} has the tables of {name}, and MATRIX_USER_ID "
                f"is {settings.user_id}: name this account's own database"
            )


async def leader_of(place: DatabaseUrl, bounds: Bounds = Bounds()) -> LeaseRow | None:
    """The lease of the process that leads the bot of a database; None if no process leads.

    Raises StoreUnavailable.
    """
    url = url_of(place)
    from adapter.postgres.lease import leader

    return await leader(url, within_s=bounds.lease_s / _SHARE)
