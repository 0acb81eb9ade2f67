"""The bot on PostgreSQL: what it survives, and what its shell commands say."""

from contextlib import AsyncExitStack

import anyio
import psycopg
import pytest

from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.postgres import Cluster, pgbouncer
from tests.store.values import outside
from tests.synapse.conftest import MakeBot
from tests.synapse.home import move_in, words_of
from tests.synapse.program import surfaces_bot
from tests.synapse.talk import gather, launched, settle

pytestmark = pytest.mark.anyio

PASSWORD_OF_DATABASE = "do-not-show-me"
OUTAGES = 3


def on(url: str) -> dict[str, str]:
    """The settings of a bot with its store and journal there."""
    with_password = url.replace("bot@", f"bot:{PASSWORD_OF_DATABASE}@")
    return {"MATRIX_DB_PATH": with_password, "MATRIX_JOURNAL_PATH": ""}


def rows_in(url: str) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        return dict(connection.execute("SELECT key, value FROM kv").fetchall())


@pytest.mark.quick
async def test_a_bot_on_postgresql_survives_a_kill_and_the_loss_of_its_database(
    make_bot: MakeBot, alice: Person, cluster: Cluster
) -> None:
    url = cluster.database()
    bot = await make_bot(**on(url))
    await bot.start_and_go_live()
    home = await move_in(alice, bot)
    assert await home.ask("one") == "one"
    await bot.kill()
    await bot.start_and_go_live()
    assert await home.ask("two") == "two"
    assert "live" in (await surfaces_bot(bot, "log", "--machine", "lifecycle")).out
    assert (await surfaces_bot(bot, "status", "--json")).report["running"]
    assert (await surfaces_bot(bot, "inbox")).code == 0
    assert (await surfaces_bot(bot, "graph")).code == 0
    check = await surfaces_bot(bot, "check")
    assert "answers: PostgreSQL" in check.out
    assert await bot.terminate() == 0

    before = rows_in(url)
    outside(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    await bot.start_and_go_live()
    assert await home.ask("three") == "three"
    assert rows_in(url) == before

    # The same under the running bot, which starts again in its process.
    outside(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    assert await home.ask("four") == "four"
    assert rows_in(url) == before
    said = await words_of(alice, home.chat, bot.user_id)
    assert said == ["one", "two", "three", "four"]
    assert await bot.terminate() == 0
    reset = await surfaces_bot(bot, "reset", "--yes")
    assert reset.code == 0
    assert rows_in(url) == {}
    for shown in (check.out, reset.out, *(log.read_text() for log in bot.folder.glob("*.log"))):
        assert PASSWORD_OF_DATABASE not in shown


@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "pooled"])
async def test_a_server_that_is_killed_under_load_costs_no_message_and_doubles_none(
    make_bot: MakeBot, synapse: ThrowawaySynapse, own_cluster: Cluster, *, pooled: bool
) -> None:
    url = own_cluster.database()
    async with AsyncExitStack() as stack:
        if pooled:
            pool = stack.enter_context(pgbouncer(own_cluster))
            url = url.replace(str(own_cluster.folder), str(pool))
        bot = await make_bot(command=launched("impatient"), **on(url))
        await bot.start_and_go_live()
        company = await gather(stack, synapse, bot)
        async with company.talking(pause_s=0.2):
            for _ in range(OUTAGES):
                await anyio.sleep(1)
                own_cluster.kill()
                lost = await bot.wait_for_state("degraded")
                assert lost["trigger"] == "store_lost"
                own_cluster.start()
                await bot.wait_for_state("live")
        await settle(company)
