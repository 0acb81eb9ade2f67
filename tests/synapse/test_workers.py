"""A bot on PostgreSQL whose platform is asked by workers, which are killed, as the bot is."""

import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import anyio
import psycopg
import pytest

from demo.bot import BotProcess
from demo.person import Person
from demo.synapse import free_port
from supervisor.status.workers import NO_WORKER, START_ONE
from tests.postgres import throwaway_cluster
from tests.storyteller import Storyteller
from tests.streamed import Timeline
from tests.synapse.conftest import MakeBot
from tests.synapse.home import eventually, move_in
from tests.synapse.program import surfaces_bot
from tests.synapse.streams import LIVELY, Listener

pytestmark = pytest.mark.anyio

WORKER: Final = (sys.executable, "-m", "supervisor", "worker")


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with throwaway_cluster() as cluster:
        yield cluster.database()


@pytest.fixture
async def teller() -> AsyncIterator[Storyteller]:
    async with Storyteller() as server:
        yield server


@pytest.fixture
async def bot(make_bot: MakeBot, teller: Storyteller, database: str) -> BotProcess:
    """A bot that is live, in a database of its own, without a worker."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    made = await make_bot(
        command=LIVELY,
        MATRIX_DB_PATH=database,
        MATRIX_JOURNAL_PATH=database,
        BOT_WORKERS="on",
        STATUS_BIND=f"127.0.0.1:{free_port()}",
        **teller.environment,
    )
    await made.start_and_go_live()
    return made


@pytest.fixture
async def start_worker(bot: BotProcess) -> AsyncIterator[Callable[[], BotProcess]]:
    async with AsyncExitStack() as stack:
        workers: list[BotProcess] = []

        def start() -> BotProcess:
            folder = bot.folder / f"worker-{len(workers)}"
            folder.mkdir()
            worker = BotProcess(
                homeserver_url="http://127.0.0.1:1",
                user_id=bot.user_id,
                password="not needed",
                folder=folder,
                environment={**bot.environment, "MATRIX_PASSWORD": "not the password"},
                command=WORKER,
            )
            stack.push_async_exit(worker)
            workers.append(worker)
            worker.start()
            return worker

        yield start


@pytest.fixture
async def listener(alice: Person, bot: BotProcess) -> Listener:
    home = await move_in(alice, bot)
    return Listener(alice, home.chat, bot)


def grows(now: Timeline) -> bool:
    return any("live" in question.states for question in now.questions)


async def test_what_a_killed_worker_was_at_is_answered_by_another(
    listener: Listener, teller: Storyteller, start_worker: Callable[[], BotProcess]
) -> None:
    first = start_worker()
    await first.wait_for_event("worker_ready")
    await listener.ask(2, 0.3)
    await listener.until_told()
    await listener.ask(20, 8)
    await listener.until(grows, "an answer that grows")
    second = start_worker()
    await second.wait_for_event("worker_ready")
    await first.kill()
    await eventually(lambda: len(teller.begun) == 3, "the call again", timeout_s=30)
    await listener.until_told()
    assert len(teller.begun) == 3
    assert await second.terminate() == 0


async def test_a_bot_that_is_killed_finds_its_answer(
    listener: Listener, teller: Storyteller, start_worker: Callable[[], BotProcess]
) -> None:
    await start_worker().wait_for_event("worker_ready")
    bot = listener.bot
    await listener.ask(20, 4)
    await listener.until(grows, "an answer that grows")
    await bot.kill()
    await eventually(lambda: len(teller.ended_at) == 1, "the end of the story")
    await bot.start_and_go_live()
    await listener.until_told()
    await listener.ask(20, 6)
    await listener.until(grows, "an answer that grows")
    await bot.kill()
    await bot.start_and_go_live()
    await listener.until_told()
    assert len(teller.begun) == 2, "no question was asked twice"


async def test_a_stop_ends_the_call_at_the_worker(
    listener: Listener, teller: Storyteller, start_worker: Callable[[], BotProcess]
) -> None:
    worker = start_worker()
    await worker.wait_for_event("worker_ready")
    await listener.ask(60, 30)
    await listener.until(grows, "an answer that grows")
    await listener.person.say(listener.room_id, "!stop")
    await listener.until(lambda it: it.questions[0].states == ("stopped",), "the stopped answer")
    await eventually(lambda: teller.at_work == 0, "the end of the call", timeout_s=5)
    assert not teller.ended_at
    await listener.ask(2, 0.3)
    now = await listener.until(lambda it: it.questions[-1].states == ("done",), "the next answer")
    assert [it.states for it in now.questions] == [("stopped",), ("done",)]
    assert await worker.terminate() == 0


async def test_without_a_worker_a_question_waits(
    listener: Listener, bot: BotProcess, start_worker: Callable[[], BotProcess]
) -> None:
    checked = await surfaces_bot(bot, "check")
    assert checked.code == 1
    assert "no worker is running: start `surfaces-bot worker`" in checked.out
    seen = (await surfaces_bot(bot, "status")).out.splitlines()
    assert seen[1:3] == [NO_WORKER, f"  {START_ONE}"]
    assert "workers     0 running; questions: 0 in work, 0 waiting" in seen
    await listener.ask(2, 0.3)
    await anyio.sleep(1)
    await start_worker().wait_for_event("worker_ready")
    await listener.until_told()
    seen = (await surfaces_bot(bot, "status")).out.splitlines()
    assert "workers     1 running; questions: 0 in work, 0 waiting" in seen
    assert NO_WORKER not in seen
    checked = await surfaces_bot(bot, "check")
    assert checked.code == 0, checked.out
    assert "openai, asked by workers, answers with the model storyteller" in checked.out


async def test_a_worker_without_postgresql_says_what_it_needs(tmp_path: Path) -> None:
    bot = BotProcess(homeserver_url="", user_id="@b:localhost", password="", folder=tmp_path)
    told = await surfaces_bot(bot, "worker")
    assert (told.code, told.out) == (78, "")
    assert told.err.startswith("surfaces-bot: workers need PostgreSQL: set MATRIX_DB_PATH to a URL")
    environment = {"BOT_WORKERS": "on", "MATRIX_HOMESERVER": "http://127.0.0.1:1"}
    told = await surfaces_bot(bot, "run", environment={**environment, "MATRIX_PASSWORD": "x"})
    assert told.code == 78
    assert told.err.startswith("surfaces-bot: BOT_WORKERS: is on, and workers need PostgreSQL: set")


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (
            "theirs",
            r"MATRIX_DB_PATH: .* \(it has the table asks of another program: give the bot a",
        ),
        ("theirs&sslmod=x", r"cannot be used \(.*sslmod.*\): correct the URL in MATRIX_DB_PATH"),
    ],
)
async def test_a_worker_ends_if_the_database_refuses_it_at_its_start(
    tmp_path: Path, database: str, schema: str, says: str
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS theirs")
        connection.execute("CREATE TABLE IF NOT EXISTS theirs.asks (customer TEXT)")
    bot = BotProcess(homeserver_url="", user_id="@b:localhost", password="", folder=tmp_path)
    place = {"MATRIX_DB_PATH": f"{database}&options=-csearch_path%3D{schema}"}
    told = await surfaces_bot(bot, "worker", environment=place)
    assert told.code == 78
    assert re.search(says, told.err)
