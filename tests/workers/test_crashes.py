"""A crash of PostgreSQL may lose the newest rows of an answer. The answer is whole all the same."""

import gc
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import anyio
import anyio.to_thread
import psycopg
import pytest
from structlog.testing import capture_logs
from typing_extensions import override

from actors.platform import Ask, Delta, Done, Text
from adapter.platform.contract import ask, text_of
from adapter.workers.asking import Asked, Asking
from adapter.workers.database import Database
from adapter.workers.serving import Serving
from adapter.workers.wire import parts_bytes
from tests.postgres import Cluster, throwaway_cluster
from tests.workers.conftest import QUICK, Stage
from tests.workers.scripted import Scripted
from tests.workers.test_calls import IN_TIME_S, answered, begun, number_of_ask, until

pytestmark = pytest.mark.anyio

WORDS = tuple(f"word-{number} " for number in range(5))
ROWS = [parts_bytes([Text(word)]) for word in WORDS]
_LOSE = """
DELETE FROM ask_parts WHERE ask = %(ask)s
    AND number > (SELECT max(number) FROM ask_parts WHERE ask = %(ask)s) - %(rows)s
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server of which a kill loses all that is written after the latest durable commit."""
    with throwaway_cluster(wal_writer_delay="10000", bgwriter_lru_maxpages="0") as running:
        yield running


@asynccontextmanager
async def sides(stage: Stage) -> AsyncIterator[tuple[Asking, Serving]]:
    """What a bot says to the database, and what a worker does."""
    database = Database(stage.url, stage.timing)
    asking = Asking(database, stage.account, "bot", stage.timing)
    try:
        yield asking, Serving(database, stage.account, "worker", stage.timing)
    finally:
        await database.close()


async def rows_of(asking: Asking, asked: Asked) -> list[bytes]:
    seen = await asking.look(asked, 0)
    assert seen is not None
    assert seen.is_taken, "no take is lost"
    return list(seen.parts)


def lose(stage: Stage, ask: int, rows: int) -> None:
    with psycopg.connect(stage.url) as connection:
        connection.execute(_LOSE, {"ask": ask, "rows": rows})


@pytest.mark.parametrize("lost", range(1, len(ROWS) + 1))
async def test_newest_rows_that_are_lost_are_written_again(stage: Stage, lost: int) -> None:
    """At any point of an answer."""
    async with sides(stage) as (asking, serving):
        for said in range(lost, len(ROWS) + 1):
            asked, _ = await asking.ask(f"${said}", ask("x"))
            taken = await serving.take(asked.id)
            assert taken is not None
            for written in range(1, len(ROWS) + 1):
                await serving.write(taken, ROWS[:written])
                if written == said:
                    lose(stage, asked.id, lost)
            assert await serving.end(taken, ROWS, None)
            assert await rows_of(asking, asked) == ROWS


async def test_a_write_that_is_repeated_changes_nothing(stage: Stage) -> None:
    """The database has carried it out, and the worker has not heard of it."""
    async with sides(stage) as (asking, serving):
        asked, _ = await asking.ask("$1", ask("x"))
        taken = await serving.take(asked.id)
        assert taken is not None
        await serving.write(taken, ROWS)
        await serving.write(taken, ROWS)
        assert await rows_of(asking, asked) == ROWS


async def test_an_answer_is_whole_after_a_crash_that_loses_rows(cluster: Cluster) -> None:
    stage = Stage(cluster.database(), replace(QUICK, dead_s=60.0))
    async with sides(stage) as (asking, serving):
        asked, _ = await asking.ask("$1", ask("x"))
        taken = await serving.take(asked.id)
        assert taken is not None
        for written in range(1, len(ROWS)):
            await serving.write(taken, ROWS[:written])
        await anyio.to_thread.run_sync(cluster.kill)
    await anyio.to_thread.run_sync(cluster.start)
    async with sides(stage) as (asking, serving):
        assert await rows_of(asking, asked) == []
        assert await serving.end(taken, ROWS, None)
        assert await rows_of(asking, asked) == ROWS


class Teller(Scripted):
    """Says `WORDS` and ends, each step when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self._told, self._steps = anyio.create_memory_object_stream[None](len(WORDS) + 1)

    def go_on(self) -> None:
        self._told.send_nowait(None)

    @override
    async def _said(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        with self._told, self._steps:
            for word in WORDS:
                await self._steps.receive()
                yield Text(word)
            await self._steps.receive()
            yield Done()


async def test_a_worker_has_all_of_an_answer_until_its_end(stage: Stage) -> None:
    """After each word, some of the newest rows are lost."""
    stage.platform = teller = Teller()
    async with stage.working(), stage.bots(2) as (first, second), sides(stage) as (asking, _):
        async with aclosing(first.answer(ask("x"))) as answer:
            teller.go_on()
            with anyio.fail_after(IN_TIME_S):
                await anext(answer)
            asked = Asked(number_of_ask(stage), 1)
            for said in range(1, len(WORDS) + 1):
                with anyio.fail_after(IN_TIME_S):
                    while len(await rows_of(asking, asked)) < said:
                        await anyio.sleep(0.01)
                lose(stage, asked.id, 1 + said // 2)
                teller.go_on()
            assert text_of(await answered(second, ask("x"))) == "".join(WORDS)
    assert list(teller.asked.values()) == [1]


async def test_a_queue_that_is_emptied_costs_one_line_of_the_log(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Its jobs are gone while they run."""
    async with stage.bots() as (bot,), anyio.create_task_group() as tasks:
        with capture_logs() as logs:
            async with stage.working():
                for key in ("$1", "$2"):
                    tasks.start_soon(answered, bot, ask("wait", key=key))
                await until(lambda: stage.platform.at_work == 2)
                with psycopg.connect(stage.url) as connection:
                    connection.execute("TRUNCATE procrastinate_jobs CASCADE")
                stage.platform.go.set()
                await until(lambda: "job_not_finished" in {log["event"] for log in logs})
        gc.collect()
    (line,) = (log for log in logs if log["log_level"] == "warning")
    assert line["reason"].startswith("Job was not found or not in")
    assert not caplog.records


async def test_the_log_says_why_the_queue_was_lost(cluster: Cluster) -> None:
    with capture_logs() as logs:
        stage = Stage(cluster.database())
        async with stage.working(), stage.bots() as (bot,):
            await answered(bot, ask("x"))
            with psycopg.connect(stage.url) as connection:
                connection.execute("DROP TABLE procrastinate_jobs CASCADE")
            await until(lambda: "queue_lost" in {log["event"] for log in logs})
    reason = next(log["reason"] for log in logs if log["event"] == "queue_lost")
    assert "procrastinate_" in reason
    assert "\n" not in reason
    assert "does not exist" in reason


@pytest.mark.slow
async def test_a_worker_that_stops_in_an_outage_leaves_the_queue(cluster: Cluster) -> None:
    """To leave the queue fails as well, and hides that the worker was told to."""
    stage = Stage(cluster.database(), replace(QUICK, answer_s=1.0))
    async with stage.working(), stage.bots() as (bot,):
        await answered(bot, ask("x"))
        await anyio.to_thread.run_sync(cluster.stop)
    await anyio.to_thread.run_sync(cluster.start)
    await until(lambda: not any("_fetch" in str(it.coro) for it in anyio.get_running_tasks()))


async def test_a_worker_is_known_when_the_tables_were_made_anew(stage: Stage) -> None:
    stage.timing = replace(QUICK, look_s=0.5, dead_s=6.0)
    async with stage.working(), stage.bots() as (bot,):
        await bot.check()
        with psycopg.connect(stage.url) as connection:
            connection.execute("DELETE FROM ask_workers WHERE account = %s", (stage.account,))
        await bot.check()


async def test_a_worker_that_died_with_the_database_is_replaced_soon(cluster: Cluster) -> None:
    """The other workers have shown life long before it is too quiet again."""
    stage = Stage(cluster.database(), replace(QUICK, dead_s=30.0))
    async with sides(stage) as (asking, dead):
        asked, _ = await asking.ask("$1", ask("x", key="$1"))
        assert await dead.take(asked.id) is not None
    async with stage.working():
        await anyio.to_thread.run_sync(cluster.kill)
        await anyio.to_thread.run_sync(cluster.start)
        with psycopg.connect(stage.url) as connection:
            connection.execute("UPDATE asks SET seen_at = seen_at - interval '30 s'")
        await until(lambda: stage.platform.asked == {"$1": 1})


async def test_the_queue_goes_on_soon_after_a_crash_during_a_call(cluster: Cluster) -> None:
    stage = Stage(cluster.database(), replace(QUICK, dead_s=30.0, queued_s=5.0))
    async with stage.working(), stage.bots(2) as (first, second), begun(first, ask("wait")):
        await anyio.to_thread.run_sync(cluster.kill)
        await anyio.to_thread.run_sync(cluster.start)
        assert text_of(await answered(second, ask("x", key="$2"))) == "x"
