"""What the status learns of the workers, from the database."""

from dataclasses import replace

import anyio
import psycopg
import pytest

from actors.port_errors import StoreUnavailable
from adapter.platform.contract import ask
from adapter.workers.load import Load, LoadReader
from tests.relay import DatabaseRelay
from tests.workers.conftest import QUICK, Stage
from tests.workers.test_calls import IN_TIME_S, answered, begun

pytestmark = pytest.mark.anyio

DEAD_S = 60.0
"""No worker is dead by chance, on a machine that is busy."""
SOON_S = 1.8
"""About a second, on a machine that is busy."""
_TAKEN = """
UPDATE asks SET worker = 'w', seen_at = clock_timestamp() - make_interval(secs => %(quiet_s)s)
WHERE account = %(account)s
"""
_WORKER = """
INSERT INTO ask_workers (worker, account, seen_at, capabilities) VALUES
(%(account)s, %(account)s, clock_timestamp() - make_interval(secs => %(quiet_s)s), '')
"""


async def load_of(stage: Stage) -> Load:
    reader = LoadReader(stage.url, stage.account, replace(QUICK, dead_s=DEAD_S))
    try:
        return await reader.look()
    finally:
        await reader.close()


async def test_an_empty_database_has_neither_workers_nor_questions(stage: Stage) -> None:
    assert await load_of(stage) == Load(0, 0, 0, None)


async def test_questions_are_counted_until_they_are_answered(stage: Stage) -> None:
    async with stage.working(at_once=1), stage.bots() as (bot,):
        async with begun(bot, ask("wait", key="$1")) as first, anyio.create_task_group() as tasks:
            tasks.start_soon(answered, bot, ask("x", key="$2"))
            with anyio.fail_after(IN_TIME_S):
                while (seen := await load_of(stage)).waiting == 0:
                    await anyio.sleep(0.01)
            assert (seen.alive, seen.in_work, seen.waiting) == (1, 1, 1)
            assert seen.oldest_waiting_s is not None
            assert 0 <= seen.oldest_waiting_s < IN_TIME_S
            tasks.start_soon(bot.check)
            with anyio.fail_after(IN_TIME_S):
                while stage.rows("asks") < 3:
                    await anyio.sleep(0.01)
            assert (await load_of(stage)).waiting == 1, "a check is no question"
            stage.platform.go.set()
            async for _ in first:
                pass
        assert await load_of(stage) == Load(1, 0, 0, None)
    assert await load_of(stage) == Load(0, 0, 0, None)


@pytest.mark.parametrize(("quiet_s", "seen"), [(0.0, (1, 1, 0)), (2 * DEAD_S, (0, 0, 1))])
async def test_what_a_dead_worker_took_waits_again(
    stage: Stage, quiet_s: float, seen: tuple[int, int, int]
) -> None:
    async with stage.bots() as (bot,), anyio.create_task_group() as tasks:
        tasks.start_soon(answered, bot, ask("x"))
        with anyio.fail_after(IN_TIME_S):
            while (await load_of(stage)).waiting == 0:
                await anyio.sleep(0.01)
        with psycopg.connect(stage.url) as connection:
            values = {"quiet_s": quiet_s, "account": stage.account}
            connection.execute(_TAKEN, values)
            connection.execute(_WORKER, values)
        load = await load_of(stage)
        assert (load.alive, load.in_work, load.waiting) == seen
        tasks.cancel_scope.cancel()


async def test_a_question_that_the_bot_has_given_up_does_not_wait(stage: Stage) -> None:
    async with stage.bots() as (bot,):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answered, bot, ask("x"))
            with anyio.fail_after(IN_TIME_S):
                while (await load_of(stage)).waiting == 0:
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        assert await load_of(stage) == Load(0, 0, 0, None)


async def test_questions_of_another_account_are_not_counted(stage: Stage) -> None:
    other = Stage(stage.url)
    async with other.working(), other.bots() as (bot,), begun(bot, ask("wait")) as first:
        assert await load_of(stage) == Load(0, 0, 0, None)
        other.platform.go.set()
        async for _ in first:
            pass


async def test_without_a_database_the_load_is_not_known(stage: Stage) -> None:
    reader = LoadReader("postgresql:///x?host=/nowhere", stage.account)
    with pytest.raises(StoreUnavailable):
        await reader.look()
    await reader.close()


async def test_a_database_that_freezes_is_waited_for_about_a_second(stage: Stage) -> None:
    async with DatabaseRelay(stage.url) as relay:
        reader = LoadReader(relay.url, stage.account)
        assert await reader.look() == Load(0, 0, 0, None)
        relay.freeze()
        for _ in range(2):  # on the open connection, then with a new one
            began = anyio.current_time()
            with pytest.raises(StoreUnavailable):
                await reader.look()
            assert anyio.current_time() - began < SOON_S
        relay.thaw()
        assert await reader.look() == Load(0, 0, 0, None)
        await reader.close()
