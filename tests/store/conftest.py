"""Every implementation of the store and of the journal, each on the event loops it runs on."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

from actors.ports import StateStore
from actors.runtime.table import Transition
from adapter.sqlite.inline import InlineJournal, InlineStore
from adapter.sqlite.journal import SqliteJournal
from adapter.sqlite.store import SqliteStore
from tests.loops import SECOND_LOOP


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


@dataclass
class Stores:
    """Opens one file again and again, as restarts do."""

    inline: bool
    path: Path
    clock: Clock = field(default_factory=Clock)
    said: list[str] = field(default_factory=list)
    """What was said at opening."""

    def __call__(
        self, *, busy_timeout_s: float = 5.0
    ) -> AbstractAsyncContextManager[RecoverableStore]:
        opened = inline_store if self.inline else sqlite_store
        return opened(
            self.path,
            clock=self.clock,
            on_recovery=self.said.append,
            busy_timeout_s=busy_timeout_s,
        )


@dataclass
class Journals:
    """Opens one journal again and again."""

    inline: bool
    path: Path
    clock: Clock = field(default_factory=Clock)
    said: list[str] = field(default_factory=list)
    """What was said at opening."""

    def __call__(
        self, *, max_rows: int = 1000, max_age_s: float = 1e6
    ) -> AbstractAsyncContextManager[RecoverableJournal]:
        opened = inline_journal if self.inline else sqlite_journal
        return opened(
            self.path,
            clock=self.clock,
            on_recovery=self.said.append,
            max_rows=max_rows,
            max_age_s=max_age_s,
        )


INLINE_ON_ASYNCIO = pytest.param("inline-asyncio", marks=SECOND_LOOP)


@pytest.fixture(params=[INLINE_ON_ASYNCIO, "inline-trio", "aiosqlite-asyncio"])
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
def opened(implementation: str, tmp_path: Path) -> Stores:
    return Stores(implementation.startswith("inline"), tmp_path / "cache.db")


@pytest.fixture
def journals(implementation: str, tmp_path: Path) -> Journals:
    return Journals(implementation.startswith("inline"), tmp_path / "journal.db")
