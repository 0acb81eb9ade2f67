"""A bot that starts while its PostgreSQL database is away, or refuses it: the whole program.

There is no homeserver. A bot that has opened its database waits for that instead.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, TypeAlias

import aiohttp
import anyio
import pytest

from demo.bot import BotProcess
from tests.postgres import Cluster

pytestmark = pytest.mark.anyio

PASSWORD: Final = "do-not-show-me"
SOCKET: Final = ".s.PGSQL.5432"

MakeBot: TypeAlias = Callable[..., Awaitable[BotProcess]]


@pytest.fixture
async def make_bot(tmp_path: Path) -> AsyncIterator[MakeBot]:
    """Makes a bot with these settings. After the test, none of its output has the password."""
    made: list[BotProcess] = []
    async with AsyncExitStack() as stack:

        async def make(**environment: str) -> BotProcess:
            bot = BotProcess(
                homeserver_url="http://127.0.0.1:1",
                user_id="@bot:example.org",
                password="x",
                folder=tmp_path / f"bot-{len(made)}",
                environment={"STATUS_BIND": "127.0.0.1:0", **environment},
            )
            made.append(await stack.enter_async_context(bot))
            return bot

        yield make
    assert made
    for bot in made:
        assert PASSWORD not in bot.log.read_text()


def with_password(url: str) -> str:
    return url.replace("bot@", f"bot:{PASSWORD}@")


async def test_a_server_that_is_away_is_waited_for(make_bot: MakeBot, own_cluster: Cluster) -> None:
    url = with_password(own_cluster.database())
    bot = await make_bot(MATRIX_DB_PATH=url, MATRIX_JOURNAL_PATH="")
    own_cluster.stop()
    bot.start()
    page = (await bot.wait_for_event("status_page"))["url"]
    waits = await bot.wait_for_event("standing_by")
    assert waits["reason"].startswith("the database does not answer: ")
    assert SOCKET in waits["reason"]
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{page}healthz") as alive:
            assert alive.status == 200
        async with http.get(f"{page}readyz") as ready:
            assert ready.status == 503
            assert waits["reason"] in json.loads(await ready.text())["reason"]
    own_cluster.start()
    assert (await bot.wait_for_state("login"))["trigger"] == "elected"
    assert (await bot.wait_for_state("degraded"))["trigger"] == "homeserver_lost"
    assert await bot.terminate() == 0


async def test_a_bot_that_waits_for_the_server_stops_when_it_is_asked_to(make_bot: MakeBot) -> None:
    bot = await make_bot(MATRIX_DB_PATH=f"postgresql://bot:{PASSWORD}@127.0.0.1:1/surfaces")
    bot.start()
    waits = await bot.wait_for_event("standing_by")
    assert '"127.0.0.1", port 1' in waits["reason"]
    began = anyio.current_time()
    assert await bot.terminate() == 0
    assert anyio.current_time() - began < 10
    assert bot.transitions()[-1].trigger == "stop_requested"


async def test_a_database_that_is_away_once_the_bot_leads_is_waited_for(
    make_bot: MakeBot, cluster: Cluster, tmp_path: Path
) -> None:
    url, journal = cluster.database(), tmp_path / "journal"
    journal.mkdir()
    bot = await make_bot(
        MATRIX_DB_PATH=url, MATRIX_JOURNAL_PATH=f"{url.partition('?')[0]}?host={journal}"
    )
    bot.start()
    for _ in range(2):
        assert (await bot.wait_for_state("stopped"))["trigger"] == "lease_lost"
        again = await bot.wait_for_event("starting_again")
        assert again["reason"].startswith("MATRIX_JOURNAL_PATH: postgresql:///")
    (journal / SOCKET).symlink_to(cluster.folder / SOCKET)
    assert (await bot.wait_for_state("degraded"))["trigger"] == "homeserver_lost"
    assert await bot.terminate() == 0


async def test_what_an_operator_has_to_mend_ends_the_bot(
    make_bot: MakeBot, own_cluster: Cluster
) -> None:
    url = own_cluster.database()
    latin = own_cluster.database(encoding="LATIN1")
    missing = url.replace("test_", "no_test_")
    rules = own_cluster.folder / "data/pg_hba.conf"
    rules.write_text(
        f"local {url.partition('@/')[2].partition('?')[0]} bot scram-sha-256\nlocal all bot trust\n"
    )
    own_cluster.stop()
    own_cluster.start()
    for place, why in (
        (with_password(url), "password authentication failed"),
        (with_password(missing), "does not exist"),
        (with_password(latin), "the encoding LATIN1"),
        (with_password(latin).replace("bot:", "other:"), "no pg_hba.conf entry"),
        (f"{with_password(url)}&nonsense=1", 'invalid URI query parameter: "nonsense"'),
    ):
        bot = await make_bot(MATRIX_DB_PATH=place, MATRIX_JOURNAL_PATH="")
        bot.start()
        assert await bot.wait_for_exit() == 78
        (said,) = [
            line for line in bot.log.read_text().splitlines() if line.startswith("surfaces-bot: ")
        ]
        assert said.startswith("surfaces-bot: MATRIX_")
        assert why in said
        assert said.endswith(": fix that or name another database")
