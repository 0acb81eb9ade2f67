"""Every implementation of the store and of the journal, each on the event loops it runs on."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypedDict

import pytest

from actors.ports import StateStore
from actors.runtime.table import Transition
from adapter.postgres import reading as postgres_reading
from adapter.postgres.journal import PostgresJournal
from adapter.postgres.store import PostgresStore
from adapter.sql.journal_rows import JournalRow
from adapter.sqlite.inline import InlineJournal, InlineStore
from adapter.sqlite.journal import SqliteJournal, read_journal
from adapter.sqlite.store import SqliteStore
from tests.loops import SECOND_LOOP
from tests.postgres import Cluster


@dataclass
class Clock:
    """A clock that stands still until somebody sets it."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class RecoverableStore(StateStore, Protocol):
    recovery: str | None


class RecoverableJournal(Protocol):
    recovery: str | None

    async def append(self, *records: Transition) -> None: ...


class Options(TypedDict):
    clock: Clock
    on_recovery: Callable[[str], object]
    busy_timeout_s: float


@asynccontextmanager
async def inline_store(
    path: Path, *, clock: Clock, on_recovery: Callable[[str], object], busy_timeout_s: float
) -> AsyncIterator[RecoverableStore]:
    store = InlineStore(path, clock=clock, on_recovery=on_recovery, busy_timeout_s=busy_timeout_s)
    try:
        yield store
    finally:
        store.close()


@asynccontextmanager
async def sqlite_store(
    path: Path, *, clock: Clock, on_recovery: Callable[[str], object], busy_timeout_s: float
) -> AsyncIterator[RecoverableStore]:
    async with SqliteStore.open(
        path, clock=clock, on_recovery=on_recovery, busy_timeout_s=busy_timeout_s
    ) as store:
        yield store


@asynccontextmanager
async def inline_journal(
    path: Path,
    *,
    clock: Clock,
    on_recovery: Callable[[str], object],
    max_rows: int,
    max_age_s: float,
) -> AsyncIterator[RecoverableJournal]:
    journal = InlineJournal(
        path, clock=clock, on_recovery=on_recovery, max_rows=max_rows, max_age_s=max_age_s
    )
    try:
        yield journal
    finally:
        journal.close()


@asynccontextmanager
async def sqlite_journal(
    path: Path,
    *,
    clock: Clock,
    on_recovery: Callable[[str], object],
    max_rows: int,
    max_age_s: float,
) -> AsyncIterator[RecoverableJournal]:
    async with SqliteJournal.open(
        path, clock=clock, on_recovery=on_recovery, max_rows=max_rows, max_age_s=max_age_s
    ) as journal:
        yield journal


@asynccontextmanager
async def postgres_store(
    url: str, *, clock: Clock, on_recovery: Callable[[str], object], busy_timeout_s: float
) -> AsyncIterator[RecoverableStore]:
    async with PostgresStore.open(
        url, clock=clock, on_recovery=on_recovery, timeout_s=busy_timeout_s
    ) as store:
        yield store


@dataclass
class Stores:
    """Opens one file or database again and again, as restarts do."""

    inline: bool
    place: Path | str
    clock: Clock = field(default_factory=Clock)
    said: list[str] = field(default_factory=list)
    """What was said at opening."""

    def __call__(
        self, *, busy_timeout_s: float = 5.0
    ) -> AbstractAsyncContextManager[RecoverableStore]:
        options: Options = {
            "clock": self.clock,
            "on_recovery": self.said.append,
            "busy_timeout_s": busy_timeout_s,
        }
        if isinstance(self.place, str):
            return postgres_store(self.place, **options)
        opened = inline_store if self.inline else sqlite_store
        return opened(self.place, **options)

    @property
    def path(self) -> Path:
        assert isinstance(self.place, Path)
        return self.place

    @path.setter
    def path(self, path: Path) -> None:
        self.place = path


@dataclass
class Journals:
    """Opens one journal again and again."""

    inline: bool
    place: Path | str
    clock: Clock = field(default_factory=Clock)
    said: list[str] = field(default_factory=list)
    """What was said at opening."""

    def __call__(
        self, *, max_rows: int = 1000, max_age_s: float = 1e6
    ) -> AbstractAsyncContextManager[RecoverableJournal]:
        if isinstance(self.place, str):
            return PostgresJournal.open(
                self.place,
                clock=self.clock,
                on_recovery=self.said.append,
                max_rows=max_rows,
                max_age_s=max_age_s,
            )
        opened = inline_journal if self.inline else sqlite_journal
        return opened(
            self.place,
            clock=self.clock,
            on_recovery=self.said.append,
            max_rows=max_rows,
            max_age_s=max_age_s,
        )

    def rows(
        self, *, machine: str | None = None, limit: int | None = None, after_seq: int = 0
    ) -> list[JournalRow]:
        """What a reader sees from outside."""
        if isinstance(self.place, str):
            return postgres_reading.read_journal(
                self.place, machine=machine, limit=limit, after_seq=after_seq
            )
        return read_journal(self.place, machine=machine, limit=limit, after_seq=after_seq)

    @property
    def path(self) -> Path:
        assert isinstance(self.place, Path)
        return self.place


INLINE_ON_ASYNCIO = pytest.param("inline-asyncio", marks=SECOND_LOOP)
ON_FILES: Final = (INLINE_ON_ASYNCIO, "inline-trio", "aiosqlite-asyncio")
"""The implementations on a file, for tests of what only files have."""


@pytest.fixture(params=[*ON_FILES, "postgres-asyncio"])
def implementation(request: pytest.FixtureRequest) -> str:
    """What it is made of, and the event loop it runs on."""
    return str(request.param)


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The implementation's event loop; asyncio for tests of what is asyncio's alone."""
    if "implementation" not in request.fixturenames:
        return "asyncio"
    return str(request.getfixturevalue("implementation")).rpartition("-")[2]


@pytest.fixture
def opened(implementation: str, request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    place = _place(implementation, request, tmp_path / "cache.db")
    return Stores(implementation.startswith("inline"), place)


@pytest.fixture
def journals(implementation: str, request: pytest.FixtureRequest, tmp_path: Path) -> Journals:
    place = _place(implementation, request, tmp_path / "journal.db")
    return Journals(implementation.startswith("inline"), place)


def _place(implementation: str, request: pytest.FixtureRequest, path: Path) -> Path | str:
    """A file, or the URL of a new database."""
    if not implementation.startswith("postgres"):
        return path
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.database()
