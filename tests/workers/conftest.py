"""A PostgreSQL for all tests here. Each test has an account of its own in one database."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import LiteralString

import anyio
import psycopg
import pytest
from psycopg.errors import UndefinedTable
from psycopg.sql import SQL, Identifier

from actors.bounds import Bounds
from actors.platform import Platform
from adapter.workers.platform import PlatformByWorkers
from adapter.workers.timing import Timing
from adapter.workers.worker import Worker
from tests.postgres import throwaway_cluster
from tests.workers.scripted import CAPABILITIES, Scripted

QUICK = Timing(
    look_s=0.1,
    flush_s=0.02,
    dead_s=1.0,
    settled_s=1.0,
    left_s=0.5,
    queued_s=1.0,
    busy_again_s=0.2,
    leave_s=0.5,
    again_s=0.1,
    answer_s=5.0,
)


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with throwaway_cluster() as cluster:
        yield cluster.database()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Stage:
    """The bots and the workers of one account."""

    url: str
    timing: Timing = QUICK
    account: str = field(default_factory=lambda: f"@{uuid.uuid4().hex}:example.org")
    platform: Scripted = field(default_factory=Scripted)

    def bot(self) -> PlatformByWorkers:
        """A process of the bot; it is closed by the test."""
        return PlatformByWorkers(self.url, self.account, known=CAPABILITIES, timing=self.timing)

    @asynccontextmanager
    async def bots(self, number: int = 1) -> AsyncIterator[list[PlatformByWorkers]]:
        made = [self.bot() for _ in range(number)]
        try:
            yield made
        finally:
            for bot in made:
                await bot.close()

    def worker(self, platform: Platform | None = None, *, at_once: int = 4) -> Worker:
        return Worker(
            self.url,
            self.account,
            platform or self.platform,
            uuid.uuid4().hex,
            at_once=at_once,
            bounds=replace(Bounds(), platform_close_s=1.0, platform_check_s=1.0),
            timing=self.timing,
        )

    @asynccontextmanager
    async def working(
        self, platform: Platform | None = None, *, at_once: int = 4
    ) -> AsyncIterator[anyio.Event]:
        """A worker that runs; the event stops it."""
        stop = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.worker(platform, at_once=at_once).run, stop)
            try:
                with anyio.fail_after(10):
                    while self.rows("ask_workers") == 0:
                        await anyio.sleep(0.01)
                yield stop
            finally:
                stop.set()

    def rows(self, table: LiteralString) -> int:
        """How many rows of a table the account has. A table that is missing has none."""
        statement = SQL("SELECT count(*) FROM {} WHERE account = %s").format(Identifier(table))
        with suppress(UndefinedTable), psycopg.connect(self.url) as connection:
            row = connection.execute(statement, (self.account,)).fetchone()
            assert row is not None
            return int(row[0])
        return 0


@pytest.fixture
def stage(url: str) -> Stage:
    return Stage(url)
