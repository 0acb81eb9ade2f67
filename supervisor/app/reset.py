"""The work of `reset`: plan it, remove the bot's files, leave the bot's rooms."""

import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import structlog

from actors.port_errors import StoreUnavailable
from actors.rows import StoredRows, read_rows
from actors.runtime.transition_log import TransitionLog
from adapter.matrix import reset
from adapter.matrix.checklist import Checklist
from adapter.matrix.file_names import CHECKLIST_NAME
from adapter.matrix.reset import Departed, Departure, Progress
from adapter.matrix.session import SESSION_FILE_NAME
from supervisor.app.databases import (
    Place,
    account_of,
    copied_store,
    empty_store,
    has_journal,
    has_store,
    open_journal,
)
from supervisor.app.gateway import open_gateway
from supervisor.app.leading import refuse_other_account
from supervisor.lifecycle import MACHINE, RESET, State
from supervisor.lock import LOCK_NAME
from supervisor.settings import LocalSettings, Settings

# The write-ahead log goes first: without its database, SQLite would apply it to the next one.
_DATABASE: Final = {
    "-wal": "write-ahead log",
    "-shm": "shared memory",
    "-journal": "rollback journal",
    "": "database",
}
_SET_ASIDE: Final = ".corrupt-"
_STORE: Final = {
    SESSION_FILE_NAME: "session",
    "untouched.json": "record of an earlier release",
    CHECKLIST_NAME: "unfinished reset",
}

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """The files of a bot in the order of removal, each with a description.

    Among them are databases with a URL: their rows are removed, and the tables stay.
    """

    remove: Mapping[Place, str]
    keep: Mapping[Place, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a reset.

    `waiting` and `unsent` count messages that are lost with the database. `departure` is None for
    a reset of local files only.
    """

    files: LocalFiles
    waiting: int
    unsent: int
    departure: Departure | None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.files.remove and not (self.departure and self.departure.rooms)


async def make_plan(settings: LocalSettings, *, set_aside: bool) -> Plan:
    """Plan a reset. With `Settings` instead of `LocalSettings`, the plan includes the rooms.

    Writes nothing. Raises CredentialsRefused, and what requests and the store raise.
    """
    if isinstance(settings, Settings):
        await refuse_other_account(settings)
    files = local_files(settings, set_aside=set_aside)
    async with copied_store(settings.db_path) as store:
        waiting, unsent = await store.waiting_counts(), await store.unsent_counts()
        stored = read_rows(await store.rows(""))
    departure = await _departure(settings, stored) if isinstance(settings, Settings) else None
    return Plan(files, sum(waiting.values()), sum(unsent.values()), departure)


async def _departure(settings: Settings, stored: StoredRows) -> Departure:
    async with open_gateway(settings, visiting=True) as gateway:
        await gateway.log_in()
        hydration = await gateway.hydrate()
    return reset.departure(hydration, stored, settings.user_id, _checklist(settings).remaining())


def local_files(settings: LocalSettings, *, set_aside: bool) -> LocalFiles:
    """Find the bot's files. `set_aside`: also remove databases that were set aside as damaged.

    Raises StoreUnavailable.
    """
    remove = dict(_of_database(settings.db_path))
    aside = dict.fromkeys(_set_aside(settings.db_path), "set aside")
    store = dict(_in_store(settings.store_path))
    keep: dict[Place, str] = {}
    if has_journal(settings.journal_path):
        keep[settings.journal_path] = "journal"
    lock = settings.store_path / LOCK_NAME
    if lock.is_file():
        # A process that waits for a removed lock file would not see the next holder's file.
        keep[lock] = "lock, empty"
    if set_aside:
        return LocalFiles({**remove, **aside, **store}, keep)
    return LocalFiles({**remove, **store}, {**keep, **aside})


def _of_database(database: Place) -> Iterator[tuple[Place, str]]:
    if not isinstance(database, Path):
        if has_store(database):
            account = account_of(database)
            yield database, f"database of {account}" if account else "database"
        return
    for suffix, what in _DATABASE.items():
        path = database.with_name(database.name + suffix)
        if path.is_file():
            yield path, what


def _set_aside(database: Place) -> Iterator[Place]:
    if isinstance(database, Path) and database.parent.is_dir():
        prefix = database.name + _SET_ASIDE
        yield from sorted(p for p in database.parent.iterdir() if p.name.startswith(prefix))


def _in_store(folder: Path) -> Iterator[tuple[Place, str]]:
    """The bot's files in the store folder, including temporary files of interrupted writes."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        for name, what in _STORE.items():
            if re.fullmatch(rf"{re.escape(name)}(\.\d+)?", path.name):
                yield path, what


def remove(files: LocalFiles) -> None:
    """Remove the files in `remove`. A missing file is no error. Raises StoreUnavailable."""
    for place in files.remove:
        if not isinstance(place, Path):
            empty_store(place)
            continue
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"{place} cannot be removed ({error.strerror})") from error


async def depart(
    settings: Settings, departure: Departure, tell: Callable[[Progress], None]
) -> Departed:
    """Log in, leave and forget the planned rooms, log out. Can be interrupted and repeated."""
    async with open_gateway(settings, visiting=True) as gateway:
        await gateway.log_in()
        return await reset.depart(
            gateway,
            departure,
            _checklist(settings),
            random=Random(),  # noqa: S311  jitter needs no secrets
            tell=tell,
        )


def _checklist(settings: Settings) -> Checklist:
    return Checklist(settings.store_path, homeserver=settings.homeserver, user_id=settings.user_id)


async def record(settings: LocalSettings, reason: str) -> None:
    """Write one row about the reset into the journal. A failure is logged."""
    try:
        async with open_journal(settings.journal_path) as journal:
            log = TransitionLog(journal, uuid.uuid4().hex[:12], time.time)
            await log.write(log.decided(MACHINE, State.STOPPED, RESET, State.STOPPED, reason))
    except StoreUnavailable as error:
        _log.error("journal_lost", rows=1, error=str(error))
