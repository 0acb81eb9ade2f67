"""What the bot and its workers say to each other, on a real PostgreSQL."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import replace
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from structlog.testing import capture_logs
from typing_extensions import override

from actors.model import PlatformChatId
from actors.platform import (
    Ask,
    Attachment,
    Capabilities,
    Delta,
    Done,
    File,
    Platform,
    Reason,
    Role,
    Text,
    Turn,
    Usage,
)
from actors.port_errors import (
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformUnreachable,
    StoreUnavailable,
)
from actors.replies.contract import storable
from adapter.platform.contract import ask, text_of
from adapter.workers.asking import Asking
from adapter.workers.database import Database, queue_of
from adapter.workers.platform import NO_WORKER, PlatformByWorkers
from adapter.workers.serving import Serving, Taken
from adapter.workers.wire import parts_bytes
from tests.postgres import pgbouncer, throwaway_cluster
from tests.workers.conftest import QUICK, Stage
from tests.workers.scripted import CAPABILITIES, ERRORS, Scripted

pytestmark = pytest.mark.anyio
IN_TIME_S = 10.0


async def answered(platform: Platform, asked: Ask) -> list[Delta]:
    with anyio.fail_after(IN_TIME_S):
        async with aclosing(platform.answer(asked)) as answer:
            return [delta async for delta in answer]


@asynccontextmanager
async def begun(platform: Platform, asked: Ask) -> AsyncIterator[AsyncGenerator[Delta, None]]:
    """An answer of which the first part has come."""
    async with aclosing(platform.answer(asked)) as answer:
        with anyio.fail_after(IN_TIME_S):
            await anext(answer)
        yield answer


async def until(condition: Callable[[], bool], within_s: float = IN_TIME_S) -> None:
    with anyio.fail_after(within_s):
        while not condition():
            await anyio.sleep(0.01)


# ------------------------------------------------------------ answers and errors


async def test_an_answer_comes_while_it_grows(stage: Stage) -> None:
    async with stage.working(), stage.bots() as (bot,), begun(bot, ask("wait")) as answer:
        stage.platform.go.set()
        with anyio.fail_after(IN_TIME_S):
            rest = [delta async for delta in answer]
    assert text_of(rest) == "wait"
    assert rest[-2:] == [Usage(3, 2**63 - 1), Done()]


async def test_all_of_a_question_goes_to_the_worker(stage: Stage) -> None:
    files = (File("a\ud800.png", "image/png", bytes(range(256)) * 4096),)
    turns = (
        Turn(Role.ASSISTANT, "Say it."),
        Turn(Role.PERSON, "half a pair: \ud83d", "Alice", "zero: \0", files),
    )
    asked = replace(ask("x", key="$odd\0\ud800"), turns=turns, system="Be \0.", model="two")
    asked = replace(asked, temperature=0.5, attempt=3, fresh=False)
    async with stage.working(), stage.bots() as (bot,):
        deltas = await answered(bot, asked)
    (seen,) = stage.platform.asks
    whole = replace(files[0], name=storable(files[0].name))
    shown = replace(turns[1], text=storable(turns[1].text), attachments=(whole,))
    assert replace(seen, key=asked.key) == replace(asked, turns=(turns[0], shown))
    assert Attachment(shown.attachments[0]) in deltas


@pytest.mark.parametrize("name", ERRORS)
async def test_an_error_comes_back_as_what_it_is(stage: Stage, name: str) -> None:
    error = ERRORS[name]
    async with stage.working(), stage.bots() as (bot,):
        with pytest.raises(type(error)) as raised:
            await answered(bot, ask(name))
    assert type(raised.value) is type(error)
    assert vars(raised.value) == {k: v for k, v in vars(error).items() if not k.startswith("__")}
    assert str(raised.value) == str(error)


async def test_the_reason_of_the_end_comes_back(stage: Stage) -> None:
    async with stage.working(), stage.bots() as (bot,):
        assert (await answered(bot, ask("long")))[-1] == Done(Reason.LENGTH)


async def test_an_answer_that_breaks_off_fails_behind_its_parts(stage: Stage) -> None:
    async with stage.working(), stage.bots() as (bot,), begun(bot, ask("cut")) as answer:
        with anyio.fail_after(IN_TIME_S), pytest.raises(PlatformFailed, match="broke off"):
            await anext(answer)


async def test_a_platform_that_breaks_the_rules_has_failed(stage: Stage) -> None:
    class Odd(Scripted):
        @property
        @override
        def capabilities(self) -> Capabilities:
            raise SystemExit("no")

        @override
        async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
            yield 7  # type: ignore[misc]

    async with stage.working(Odd()), stage.bots() as (bot,):
        with pytest.raises(PlatformFailed, match="no part of an answer: int"):
            await answered(bot, ask("x"))


async def test_what_the_platform_can_do_is_what_the_worker_says(stage: Stage) -> None:
    async with stage.working():
        bot = PlatformByWorkers(stage.url, stage.account, timing=QUICK)
        await bot.check()
        assert bot.capabilities == CAPABILITIES
        await bot.close()


async def test_the_first_question_of_all_is_prepared_for_what_the_platform_can_do(
    stage: Stage,
) -> None:
    async with stage.working():
        bot = PlatformByWorkers(stage.url, stage.account, timing=QUICK)
        with pytest.raises(PlatformBusy):
            await answered(bot, ask("x"))
        assert text_of(await answered(bot, ask("x"))) == "x"
        await bot.close()


async def test_a_worker_checks_the_platform(stage: Stage) -> None:
    async with stage.working(), stage.bots() as (bot,):
        await bot.check()
        stage.platform.trouble = PlatformMisconfigured("set a key")
        with pytest.raises(PlatformMisconfigured, match="set a key"):
            await bot.check()


async def test_a_conversation_is_forgotten_here_and_there(stage: Stage) -> None:
    asked = ask("x", chat="told")
    async with stage.working(), stage.bots() as (bot,):
        await answered(bot, asked)
        await bot.forget(PlatformChatId("told"))
        assert stage.platform.forgotten == ["told"]
        assert stage.rows("asks") == 0
        await answered(bot, asked)
    assert stage.platform.asked[asked.key] == 2


# ------------------------------------------------------------ one answer for a question


async def test_an_answer_that_is_stored_is_not_asked_for_again(stage: Stage) -> None:
    async with stage.working(), stage.bots(2) as (first, second):
        answer = await answered(first, ask("x", key="$1"))
        assert await answered(first, replace(ask("x", key="$1"), attempt=2)) == answer
        assert await answered(second, ask("x", key="$1")) == answer
    assert stage.platform.asked == {"$1": 1}


async def test_two_processes_get_one_answer(stage: Stage) -> None:
    """The former leader was paused, say, and the new one has begun."""
    async with stage.working(), stage.bots(2) as (first, second):
        async with begun(first, ask("wait")) as old, begun(second, ask("wait")) as new:
            stage.platform.go.set()
            with anyio.fail_after(IN_TIME_S):
                assert [delta async for delta in old] == [delta async for delta in new]
    assert list(stage.platform.asked.values()) == [1]


async def test_a_new_process_takes_over_what_another_has_left(stage: Stage) -> None:
    async with stage.working(), stage.bots(2) as (first, second):
        async with begun(first, ask("wait")):
            pass
        async with begun(second, ask("wait")) as answer:
            await anyio.sleep(2 * QUICK.left_s)
            stage.platform.go.set()
            with anyio.fail_after(IN_TIME_S):
                assert text_of([delta async for delta in answer]) == "wait"
    assert list(stage.platform.asked.values()) == [1]


async def test_a_former_process_does_not_end_what_a_new_one_follows(stage: Stage) -> None:
    async with stage.working(), stage.bots(2) as (first, second):
        async with begun(first, ask("wait")) as old, begun(second, ask("wait")) as new:
            await old.aclose()
            await anyio.sleep(3 * QUICK.left_s)
            stage.platform.go.set()
            with anyio.fail_after(IN_TIME_S):
                assert text_of([delta async for delta in new]) == "wait"
    assert list(stage.platform.asked.values()) == [1]


async def test_an_answer_that_was_stopped_ends_at_the_worker(stage: Stage) -> None:
    async with stage.working(), stage.bots() as (bot,):
        async with begun(bot, ask("slow")):
            assert stage.platform.at_work == 1
        await until(lambda: stage.platform.at_work == 0, within_s=5)


async def test_a_process_that_gave_an_answer_up_gets_a_new_one(stage: Stage) -> None:
    async with stage.working(), stage.bots() as (bot,):
        async with begun(bot, ask("wait")):
            pass
        async with begun(bot, ask("wait")) as answer:
            stage.platform.go.set()
            with anyio.fail_after(IN_TIME_S):
                assert text_of([delta async for delta in answer]) == "wait"
    assert list(stage.platform.asked.values()) == [2]


async def test_a_failure_is_asked_again(stage: Stage) -> None:
    async with stage.working(), stage.bots(2) as bots:
        for bot in bots:
            with pytest.raises(PlatformFailed):
                await answered(bot, ask("cut"))
    assert list(stage.platform.asked.values()) == [2]


async def test_a_question_with_other_words_is_another_one(stage: Stage) -> None:
    async with stage.working(at_once=1), stage.bots(2) as (first, second):
        async with begun(first, ask("wait", key="$1")) as old, stage.working(at_once=1):
            assert text_of(await answered(second, ask("other", key="$1"))) == "other"
            with anyio.fail_after(IN_TIME_S), pytest.raises(PlatformUnreachable, match="ended"):
                await anext(old)
            await until(lambda: stage.platform.at_work == 0)


async def test_accounts_do_not_share_answers(stage: Stage) -> None:
    """Two bots in one room see the same event."""
    other = Stage(stage.url)
    async with stage.working(), other.working(), stage.bots() as (a,), other.bots() as (b,):
        await answered(a, ask("x", key="$1"))
        await answered(b, ask("x", key="$1"))
    assert stage.platform.asked == other.platform.asked == {"$1": 1}


# ------------------------------------------------------------ workers that come and go


async def test_without_a_worker_the_platform_is_unreachable(stage: Stage) -> None:
    async with stage.bots() as (bot,):
        with pytest.raises(PlatformUnreachable, match=NO_WORKER):
            await bot.check()
        with pytest.raises(PlatformUnreachable, match=NO_WORKER):
            await answered(bot, ask("x"))
        async with stage.working():
            assert text_of(await answered(bot, ask("x"))) == "x"


async def test_a_question_waits_for_a_worker_that_starts(stage: Stage) -> None:
    async with stage.bots() as (bot,), anyio.create_task_group() as tasks:
        tasks.start_soon(_work_later, stage)
        assert text_of(await answered(bot, ask("x"))) == "x"
        tasks.cancel_scope.cancel()


async def _work_later(stage: Stage) -> None:
    await anyio.sleep(QUICK.queued_s / 3)
    await stage.worker().run(anyio.Event())


async def test_a_question_keeps_its_place_while_all_workers_are_busy(stage: Stage) -> None:
    async with stage.working(at_once=1), stage.bots() as (bot,):
        async with begun(bot, ask("wait", key="$1")) as first:
            with pytest.raises(PlatformBusy) as busy:
                await answered(bot, ask("x", key="$2"))
            assert busy.value.retry_after_s == QUICK.busy_again_s
            stage.platform.go.set()
            with anyio.fail_after(IN_TIME_S):
                assert text_of([delta async for delta in first]) == "wait"
        assert text_of(await answered(bot, ask("x", key="$2"))) == "x"
    assert stage.platform.asked == {"$1": 1, "$2": 1}


async def test_a_question_of_a_dead_worker_comes_back(stage: Stage) -> None:
    async with stage.bots() as (bot,), anyio.create_task_group() as tasks:
        answers: list[list[Delta]] = []

        async def read() -> None:
            answers.append(await answered(bot, ask("x")))

        tasks.start_soon(read)
        await until(lambda: stage.rows("asks") == 1)
        dead, taken = await _take(stage)
        assert taken is not None
        await dead.write(taken, [])
        async with stage.working():
            await until(lambda: bool(answers))
        rows = [parts_bytes([Text("too late")])]
        assert not await dead.end(taken, rows, None), "the first answer wins"
    assert text_of(answers[0]) == "x"


async def test_an_answer_that_a_dead_worker_began_is_asked_for_anew(stage: Stage) -> None:
    async with stage.bots() as (bot,), aclosing(bot.answer(ask("wait"))) as answer:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anext, answer)
            await until(lambda: stage.rows("asks") == 1)
            dead, taken = await _take(stage)
            assert taken is not None
            await dead.write(taken, [parts_bytes([Text("half")])])
        async with stage.working():
            with anyio.fail_after(IN_TIME_S), pytest.raises(PlatformUnreachable, match="ended"):
                await anext(answer)
            async with begun(bot, ask("wait")) as anew:
                await anyio.sleep(2 * QUICK.left_s)
                stage.platform.go.set()
                with anyio.fail_after(IN_TIME_S):
                    assert text_of([delta async for delta in anew]) == "wait"
    assert list(stage.platform.asked.values()) == [1]


async def test_a_question_that_kills_workers_fails(stage: Stage) -> None:
    async with stage.bots() as (bot,), anyio.create_task_group() as tasks:
        errors: list[Exception] = []

        async def read() -> None:
            try:
                await answered(bot, ask("x"))
            except PlatformFailed as error:
                errors.append(error)

        tasks.start_soon(read)
        await until(lambda: stage.rows("asks") == 1)
        for _ in range(QUICK.deaths):
            dead, taken = await _take(stage)
            assert taken is not None
            await anyio.sleep(1.2 * QUICK.dead_s)
            await dead.revive()
        await until(lambda: bool(errors))
    assert "3 workers died" in str(errors[0])


async def _take(stage: Stage) -> tuple[Serving, Taken | None]:
    """Take the only question, as a worker that shows no sign of life any more."""
    database = Database(stage.url, QUICK)
    serving = Serving(database, stage.account, "dead", QUICK)
    return serving, await serving.take(number_of_ask(stage))


def number_of_ask(stage: Stage) -> int:
    with psycopg.connect(stage.url) as connection:
        row = connection.execute(
            "SELECT id FROM asks WHERE account = %s", (stage.account,)
        ).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_worker_that_is_to_stop_finishes_its_answers(stage: Stage) -> None:
    async with stage.bots() as (bot,), stage.working() as stop:
        async with begun(bot, ask("wait")) as answer:
            stop.set()
            await anyio.sleep(QUICK.leave_s / 3)
            stage.platform.go.set()
            with anyio.fail_after(IN_TIME_S):
                assert text_of([delta async for delta in answer]) == "wait"
    assert stage.rows("ask_workers") == 0


async def test_a_worker_that_stops_gives_back_what_takes_too_long(stage: Stage) -> None:
    stage.timing = replace(QUICK, dead_s=60.0)
    other = Scripted()
    other.go.set()
    async with stage.bots() as (bot,), stage.working() as stop:
        async with begun(bot, ask("wait")) as answer:
            stop.set()
            async with stage.working(other):
                with anyio.fail_after(IN_TIME_S), pytest.raises(PlatformUnreachable):
                    await anext(answer)
                assert text_of(await answered(bot, ask("wait"))) == "onewait"
    assert list(other.asked.values()) == [1]
    assert stage.platform.at_work == 0


# ------------------------------------------------------------ the database


async def test_an_answer_outlives_an_outage_of_the_database(stage: Stage) -> None:
    async with stage.working(), stage.bots() as (bot,), begun(bot, ask("wait")) as answer:
        with psycopg.connect(stage.url, autocommit=True) as connection:
            for _ in range(5):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
                await anyio.sleep(0.1)
        stage.platform.go.set()
        try:
            with anyio.fail_after(IN_TIME_S):
                assert text_of([delta async for delta in answer]) == "wait"
        except PlatformUnreachable:
            assert text_of(await answered(bot, ask("wait"))) == "onewait"
    assert list(stage.platform.asked.values()) == [1]


@pytest.mark.slow
async def test_an_outage_that_is_longer_than_a_death_costs_no_second_call() -> None:
    """After it, all signs of life are old, and no worker takes the calls of another."""
    with throwaway_cluster() as cluster:
        stage = Stage(cluster.database())
        async with stage.working(), stage.working(), stage.bots() as (bot,):
            async with begun(bot, ask("wait")) as answer:
                await anyio.sleep(1.2 * QUICK.dead_s)
                await anyio.to_thread.run_sync(cluster.stop)
                await anyio.sleep(1.5 * QUICK.dead_s)
                await anyio.to_thread.run_sync(cluster.start)
                stage.platform.go.set()
                with pytest.raises(PlatformUnreachable):
                    await anext(answer)
                await anyio.sleep(2 * QUICK.dead_s)
            assert text_of(await answered(bot, ask("wait"))) == "onewait"
        assert list(stage.platform.asked.values()) == [1]


async def test_without_a_database_the_platform_is_unreachable(stage: Stage) -> None:
    nowhere = PlatformByWorkers(
        "postgresql://bot@/postgres?host=/nowhere",
        stage.account,
        known=CAPABILITIES,
        timing=replace(QUICK, answer_s=1.0),
    )
    with pytest.raises(PlatformUnreachable, match="database"):
        await answered(nowhere, ask("x"))
    await nowhere.close()


async def test_processes_that_start_at_once_make_the_tables_once(stage: Stage) -> None:
    with psycopg.connect(stage.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty")
    name = urlsplit(stage.url).path
    databases = [Database(stage.url.replace(name, "/empty"), QUICK) for _ in range(4)]
    async with anyio.create_task_group() as tasks:
        for database in databases:
            tasks.start_soon(database.open)
    for database in databases:
        await database.close()


async def test_old_answers_are_deleted(stage: Stage) -> None:
    stage.timing = replace(QUICK, kept_s=0.2, cleaned_s=0.1)
    async with stage.working(), stage.bots() as (bot,):
        await answered(bot, ask("x"))
        await until(lambda: stage.rows("asks") == 0)


@pytest.mark.parametrize("table", ["asks", "ask_parts", "ask_workers", "ask_schema"])
async def test_a_table_that_is_lost_is_made_again_also_after_a_restart(table: str) -> None:
    with throwaway_cluster() as cluster:
        stage = Stage(cluster.database())
        await _loses(stage, table)


async def test_a_lost_table_of_the_queue_is_made_again() -> None:
    with throwaway_cluster() as cluster:
        for table in ("procrastinate_jobs", "procrastinate_workers", "procrastinate_events"):
            await _loses(Stage(cluster.database()), table)


async def _loses(stage: Stage, table: str) -> None:
    """A running worker and bot answer again; so do new ones after another loss."""
    async with stage.working(), stage.bots() as (bot,):
        assert text_of(await answered(bot, ask("x"))) == "x"
        await anyio.to_thread.run_sync(_drop, stage.url, table)
        await _answers_again(bot)
        if table != "ask_schema":  # which a running bot and worker do not read
            await until(lambda: _has(stage.url, table))
    if _has(stage.url, table):
        _drop(stage.url, table)
    async with anyio.create_task_group() as tasks, stage.bots() as (bot,):
        stop = anyio.Event()
        tasks.start_soon(stage.worker().run, stop)
        await _answers_again(bot)
        stop.set()


def _has(url: str, table: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() != (None,)


def _drop(url: str, table: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(SQL("DROP TABLE {} CASCADE").format(Identifier(table)))


async def _answers_again(bot: PlatformByWorkers) -> None:
    with anyio.fail_after(IN_TIME_S):
        while True:
            try:
                deltas = await answered(bot, ask("y"))
            except PlatformUnreachable:
                await anyio.sleep(0.05)
            else:
                assert text_of(deltas) == "y"
                return


async def test_a_worker_is_notified_again_after_a_restart_of_the_database() -> None:
    listening = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE query LIKE 'LISTEN \"procrastinate%' AND backend_type = 'client backend'"
    )
    with throwaway_cluster() as cluster:
        # No look into the database helps out.
        stage = Stage(cluster.database(), replace(QUICK, look_s=60.0, dead_s=200.0, queued_s=60.0))
        async with stage.working(), stage.bots() as (bot,):
            assert text_of(await answered(bot, ask("x"))) == "x"
            await anyio.to_thread.run_sync(cluster.stop)
            await anyio.sleep(1.0)
            await anyio.to_thread.run_sync(cluster.start)
            with psycopg.connect(stage.url, autocommit=True) as connection:
                await until(lambda: connection.execute(listening).fetchone() != (0,), 20.0)
            await _answers_again(bot)


async def test_a_worker_that_waits_for_the_schema_says_it_rarely(url: str) -> None:
    stage = Stage(f"{url}&options=-csearch_path%3Dmade_later")
    with capture_logs() as logs:
        async with anyio.create_task_group() as tasks:
            stop = anyio.Event()
            tasks.start_soon(stage.worker().run, stop)
            await anyio.sleep(1.5)
            waiting = list(logs)
            with psycopg.connect(url) as connection:
                connection.execute("CREATE SCHEMA made_later")
            await until(lambda: "worker_ready" in [log["event"] for log in logs])
            stop.set()
    assert [log["event"] for log in waiting] == ["database_unavailable"] * 2
    assert "the schema made_later does not exist yet" in waiting[0]["reason"]
    assert waiting[1]["times"] > 10


async def test_a_pool_that_drops_the_schema_is_refused() -> None:
    with throwaway_cluster() as cluster, pgbouncer(cluster) as folder:
        name = urlsplit(cluster.database()).path
        options = "&options=-csearch_path%3Dsurfaces_one"
        database = Database(f"postgresql://bot@{name}?host={folder}{options}", QUICK)
        with pytest.raises(StoreUnavailable, match="the server uses the schema public"):
            await database.open()
        with pytest.raises(StoreUnavailable, match="the server uses the schema public"):
            async with database.reading():
                pass
        await database.close()


async def test_a_question_that_was_fetched_in_an_outage_is_answered_after_it() -> None:
    """The queue breaks down between the fetch and the take; the bot does not ask again."""
    with throwaway_cluster() as cluster:
        stage = Stage(cluster.database(), replace(QUICK, dead_s=60.0))
        database = Database(stage.url, QUICK)
        await Asking(database, stage.account, "bot", QUICK).ask("$1", ask("x", key="$1"))
        await database.close()
        with closing(psycopg.connect(stage.url)) as connection:
            connection.execute("LOCK TABLE asks")
            async with stage.working():
                await until(lambda: _says(stage, "doing"))
                await anyio.to_thread.run_sync(cluster.stop)
                await anyio.sleep(1.0)
                await anyio.to_thread.run_sync(cluster.start)
                await until(lambda: stage.platform.asked == {"$1": 1})


async def test_a_worker_that_stops_before_it_takes_a_question_puts_it_back(stage: Stage) -> None:
    stage.timing = replace(QUICK, dead_s=60.0, answer_s=1.0)
    database = Database(stage.url, QUICK)
    await Asking(database, stage.account, "bot", QUICK).ask("$1", ask("x", key="$1"))
    await database.close()
    with psycopg.connect(stage.url) as connection:
        connection.execute("LOCK TABLE asks")
        async with stage.working():
            await until(lambda: _says(stage, "doing"))
    assert _says(stage, "todo")


def _says(stage: Stage, status: str) -> bool:
    """Whether the queue of the account has a job in this state."""
    statement = "SELECT FROM procrastinate_jobs WHERE queue_name = %s AND status::text = %s"
    with psycopg.connect(stage.url) as connection:
        values = (queue_of(stage.account), status)
        return connection.execute(statement, values).fetchone() is not None
