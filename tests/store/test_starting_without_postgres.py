"""A bot that starts while its PostgreSQL database is away, or refuses it: the whole program.

There is no homeserver. A bot that has opened its database waits for that instead.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, TypeAlias

import aiohttp
import anyio
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from actors.port_errors import StoreRefused, StoreUnavailable
from adapter.postgres.errors import translate
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


@pytest.mark.slow
async def test_a_bot_that_waits_for_the_server_stops_when_it_is_asked_to(make_bot: MakeBot) -> None:
    bot = await make_bot(MATRIX_DB_PATH=f"postgresql://bot:{PASSWORD}@127.0.0.1:1/surfaces")
    bot.start()
    waits = await bot.wait_for_event("standing_by")
    assert '"127.0.0.1", port 1' in waits["reason"]
    began = anyio.current_time()
    assert await bot.terminate() == 0
    assert anyio.current_time() - began < 10
    assert bot.transitions()[-1].trigger == "stop_requested"


@pytest.mark.slow
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


@pytest.mark.slow
async def test_what_an_operator_has_to_mend_ends_the_bot(
    make_bot: MakeBot, own_cluster: Cluster
) -> None:
    url, latin = own_cluster.database(), own_cluster.database(encoding="LATIN1")
    name = conninfo_to_dict(url)["dbname"]
    rules = own_cluster.folder / "data/pg_hba.conf"
    rules.write_text(f"local {name} bot scram-sha-256\nlocal all bot trust\n")
    own_cluster.stop()
    own_cluster.start()
    for place, why in (
        (url, "MATRIX_DB_PATH: .*: password authentication failed"),
        (latin, "MATRIX_JOURNAL_PATH: .*the database has the encoding LATIN1"),
    ):
        bot = await make_bot(MATRIX_DB_PATH=with_password(place), MATRIX_JOURNAL_PATH="")
        bot.start()
        assert await bot.wait_for_exit() == 78
        *_, said = bot.log.read_text().splitlines()
        assert re.fullmatch(f"surfaces-bot: {why}.*: fix that or name another database", said)


@pytest.mark.parametrize(
    "said",
    [
        'FATAL:  password authentication failed for user "bot"',
        "fe_sendauth: no password supplied",
        'FATAL:  Peer authentication failed for user "bot"',
        'FATAL:  no pg_hba.conf entry for host "[local]", user "bot", database "x", no encryption',
        'FATAL:  database "x" does not exist',
        'FATAL:  role "bot" does not exist',
        'FATAL:  role "bot" is not permitted to log in',
        'FATAL:  permission denied for database "x"',
        "FATAL:  SASL authentication failed",
        "FATAL:  no such database: x",
        "FATAL:  no such user: bot",
    ],
)
def test_a_refused_connection_is_recognized(said: str) -> None:
    error = translate(psycopg.OperationalError(f"connection failed: {said}"))
    assert isinstance(error, StoreRefused)


@pytest.mark.parametrize(
    "said",
    [
        "FATAL:  the database system is starting up",
        "FATAL:  sorry, too many clients already",
        "FATAL:  terminating connection due to administrator command",
        "Connection refused\n\tIs the server running on that host?",
        "FATAL:  server login has been failing, try again later (server_login_retry)",
    ],
)
def test_a_server_that_is_away_or_busy_is_no_refusal(said: str) -> None:
    error = translate(psycopg.OperationalError(f"connection failed: {said}"))
    assert isinstance(error, StoreUnavailable)
    assert not isinstance(error, StoreRefused)
    assert "\n" not in str(error)
