"""The store and the journal that the settings name: in a file, or in a PostgreSQL database.

Only a URL loads the adapter for PostgreSQL, and reading a journal loads little of either.
"""

# ruff: noqa: PLC0415 - see above

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, TypeAlias

from actors.bounds import Bounds
from actors.port_errors import StoreRefused, StoreUnavailable
from adapter.sql.journal_rows import JournalRow
from adapter.sqlite import journal_reading
from supervisor.database_urls import DatabaseUrl
from supervisor.settings import SettingsRefused

if TYPE_CHECKING:
    from actors.model import EventId
    from actors.runtime.transition_log import Journal
    from adapter.sql.inbox_rows import InboxRow, InboxState
    from adapter.sql.store import SqlStore
    from adapter.sqlite.inline import InlineStore

Place: TypeAlias = Path | DatabaseUrl
"""Where a store or a journal is."""
OnRecovery: TypeAlias = Callable[[str], object] | None
_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Led:
    """The lease under which a process writes: the bot's user id, and the epoch."""

    name: str
    epoch: int


def open_store(
    place: Place,
    *,
    on_recovery: OnRecovery = None,
    led: Led | None = None,
    bounds: Bounds = Bounds(),
) -> "AbstractAsyncContextManager[SqlStore]":
    """Open or create the store. `led` guards its writes in a database. Raises StoreUnavailable."""
    if isinstance(place, Path):
        from adapter.sqlite.store import SqliteStore

        return SqliteStore.open(place, on_recovery=on_recovery, busy_timeout_s=bounds.busy_s)
    url = url_of(place)
    from adapter.postgres.fence import Fence
    from adapter.postgres.store import PostgresStore

    idle_ms = round(bounds.lease_s * _MS / 2)
    fence = Fence(led.name, led.epoch, idle_ms) if led is not None else None
    return PostgresStore.open(url, on_recovery=on_recovery, timeout_s=bounds.busy_s, fence=fence)


def open_journal(
    place: Place, *, on_recovery: OnRecovery = None, bounds: Bounds = Bounds()
) -> "AbstractAsyncContextManager[Journal]":
    """Open or create the journal. Raises StoreUnavailable."""
    rows, age_s = bounds.journal_rows, bounds.journal_age_s
    if isinstance(place, Path):
        from adapter.sqlite.journal import SqliteJournal

        return SqliteJournal.open(
            place,
            on_recovery=on_recovery,
            max_rows=rows,
            max_age_s=age_s,
            busy_timeout_s=bounds.busy_s,
        )
    url = url_of(place)
    from adapter.postgres.journal import PostgresJournal

    return PostgresJournal.open(
        url,
        on_recovery=on_recovery,
        max_rows=rows,
        max_age_s=age_s,
        timeout_s=bounds.busy_s,
    )


@asynccontextmanager
async def copied_store(place: Place) -> "AsyncIterator[InlineStore]":
    """A copy of the store, as it is now; what is written to it is lost. Empty without a store.

    Raises StoreUnavailable, StoreCorrupt.
    """
    from adapter.sqlite.inline import InlineStore

    with TemporaryDirectory() as folder:
        if isinstance(place, Path):
            from adapter.sqlite.opening import copy_database

            store = InlineStore(copy_database(place, Path(folder)))
        else:
            url = url_of(place)
            import anyio.to_thread

            from adapter.postgres.reading import copy_of_store

            rows = await anyio.to_thread.run_sync(copy_of_store, url)
            store = InlineStore()
            await store.load(rows)
        try:
            yield store
        finally:
            store.close()


def read_journal(
    place: Place, *, machine: str | None = None, limit: int | None = None, after_seq: int = 0
) -> list[JournalRow]:
    """The journal, oldest first: of one machine or all, the newest `limit` rows or all.

    With `after_seq`, only rows with a higher number. A bot may write it at the same time. Blocks.
    Raises JournalMissing, StoreUnavailable, StoreCorrupt.
    """
    if isinstance(place, Path):
        read = partial(journal_reading.read_journal, place)
    else:
        url = url_of(place)
        from adapter.postgres import reading

        read = partial(reading.read_journal, url)
    return read(machine=machine, limit=limit, after_seq=after_seq)


def read_inbox(place: Place) -> "list[InboxRow]":
    """The waiting and dead messages, in the order of acceptance. Blocks.

    Raises DatabaseMissing, StoreUnavailable, StoreCorrupt.
    """
    if isinstance(place, Path):
        from adapter.sqlite import queues

        return queues.read_inbox(place)
    url = url_of(place)
    from adapter.postgres import reading

    return reading.read_inbox(url)


def retry(place: Place, event_id: "EventId") -> "InboxState | None":
    """Let a dead message wait again. Returns its previous state; None for an unknown message.

    Raises as `read_inbox` does. Blocks.
    """
    if isinstance(place, Path):
        from adapter.sqlite import queues

        return queues.retry(place, event_id)
    url = url_of(place)
    from adapter.postgres import reading

    return reading.retry(url, event_id)


def has_store(place: DatabaseUrl) -> bool:
    """Whether a database has tables of the store. Raises StoreUnavailable. Blocks."""
    url = url_of(place)
    from adapter.postgres import reading

    return reading.has_store(url)


def has_journal(place: Place) -> bool:
    """Whether there is a journal. Raises StoreUnavailable. Blocks."""
    if isinstance(place, Path):
        return place.is_file()
    url = url_of(place)
    from adapter.postgres import reading

    return reading.has_journal(url)


def account_of(place: DatabaseUrl) -> str | None:
    """The user id of the account whose tables a database has; None without such tables. Blocks.

    Raises StoreUnavailable.
    """
    url = url_of(place)
    from adapter.postgres import reading

    return reading.account_of(url)


def empty_store(place: DatabaseUrl) -> None:
    """Delete all rows of a store in a database. Raises StoreUnavailable. Blocks."""
    url = url_of(place)
    from adapter.postgres import reading

    reading.empty_store(url)


def checked_server(
    place: DatabaseUrl, *, account: str | None, for_store: bool, makes_schema: bool
) -> str:
    """The version of the PostgreSQL server, if a bot can start there. Writes nothing. Blocks.

    `account` is the bot's user id, if it is known. `for_store`: the place is that of the store, not
    that of the journal. `makes_schema`: the start creates the schema that the URL names. Raises
    StoreUnavailable, and StoreRefused as a start does.
    """
    url = url_of(place)
    from adapter.postgres import reading
    from adapter.postgres.schema import JOURNAL_SCHEMA, STORE_SCHEMA

    schema = STORE_SCHEMA if for_store else JOURNAL_SCHEMA
    return reading.checked_server(url, schema, account=account, makes_schema=makes_schema)


def not_opened(variable: str, place: Place, error: Exception) -> StoreUnavailable:
    """The error of a place that can't be opened: it names the setting, and what to do."""
    other = "another path" if isinstance(place, Path) else "another database"
    kind = StoreRefused if isinstance(error, StoreRefused) else StoreUnavailable
    return kind(f"{variable}: {place} cannot be opened ({error}): fix that or name {other}")


def url_of(place: DatabaseUrl) -> str:
    """The URL, for the adapter. Call it before the adapter is imported.

    Raises SettingsRefused if the extra for PostgreSQL is missing, or libpq can't read the URL.
    """
    if find_spec("psycopg") is None:
        raise SettingsRefused(
            f"{place} needs the package psycopg: install surfaces-bot[postgres], or '.[postgres]' "
            "in a checkout"
        )
    from adapter.postgres.link import parameters

    url = place.secret.get_secret_value()
    try:
        parameters(url)
    except StoreRefused as error:
        raise SettingsRefused(
            f"{place} cannot be used ({error}): correct the URL in MATRIX_DB_PATH, or in "
            "MATRIX_JOURNAL_PATH"
        ) from None
    return url
