"""Several accounts in one PostgreSQL database, each in a schema of its own."""

import anyio
import psycopg
import pytest

from actors.port_errors import StoreRefused, StoreUnavailable
from actors.writes import PutRow, SavePosition
from adapter.postgres import reading
from adapter.postgres.fence import Fence
from adapter.postgres.lease import PostgresLease
from adapter.postgres.store import PostgresStore
from adapter.sql.search_path import schema_in
from adapter.workers.database import Database
from supervisor.database_urls import in_schema
from tests.postgres import Cluster, pgbouncer
from tests.store.values import outside

pytestmark = pytest.mark.anyio

ONE, TWO = "@one:example.org", "@two:example.org"


@pytest.fixture
def url(cluster: Cluster) -> str:
    """An empty database."""
    return cluster.database()


async def lead_and_write(url: str, account: str, value: int) -> None:
    async with PostgresLease.open(url, name=account, holder="process 1", within_s=2.0) as lease:
        epoch = await lease.take(60)
        assert epoch is not None
        async with PostgresStore.open(url, fence=Fence(account, epoch)) as store:
            await store.commit([PutRow("k", {"v": value}), SavePosition(f"s{value}")])


async def test_accounts_that_start_at_once_have_nothing_in_common(url: str) -> None:
    accounts = [f"@bot{number}:example.org" for number in range(5)]
    async with anyio.create_task_group() as tasks:
        for number, account in enumerate(accounts):
            tasks.start_soon(lead_and_write, in_schema(url, f"bot{number}"), account, number)
    for number in range(5):
        async with PostgresStore.open(in_schema(url, f"bot{number}")) as store:
            assert await store.row("k") == {"v": number}
            assert await store.position() == f"s{number}"


async def test_processes_of_one_account_that_start_at_once_make_its_schema_once(url: str) -> None:
    place, taken = in_schema(url, "bot"), []

    async def start(number: int) -> None:
        holder = f"process {number}"
        async with PostgresLease.open(place, name=ONE, holder=holder, within_s=2.0) as lease:
            taken.append(await lease.take(60))

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(start, number)
    assert len([epoch for epoch in taken if epoch is not None]) == 1


async def test_the_tables_of_another_account_are_refused(url: str) -> None:
    await lead_and_write(url, ONE, 1)
    with pytest.raises(StoreUnavailable, match=r"it has the tables of @one:example\.org: give"):
        await lead_and_write(url, TWO, 2)
    async with PostgresStore.open(url) as store:
        assert await store.row("k") == {"v": 1}


async def test_another_account_may_use_the_tables_after_a_reset(url: str) -> None:
    await lead_and_write(url, ONE, 1)
    reading.empty_store(url)
    await lead_and_write(url, TWO, 2)
    async with PostgresStore.open(url) as store:
        assert await store.row("k") == {"v": 2}


async def test_a_process_that_stood_by_during_a_reset_goes_on_unless_another_account_came(
    url: str,
) -> None:
    async with PostgresLease.open(url, name=ONE, holder="process 1", within_s=2.0) as lease:
        reading.empty_store(url)
        assert (await lease.look()).left_s < 0
        assert await lease.take(60)
        reading.empty_store(url)
        await lead_and_write(url, TWO, 2)
        with pytest.raises(StoreUnavailable, match="those of another account now"):
            await lease.look()


async def test_a_pool_that_drops_the_schema_is_refused(cluster: Cluster, url: str) -> None:
    await lead_and_write(url, ONE, 1)
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with pgbouncer(cluster) as folder:
        through_pool = in_schema(f"postgresql://bot@/{name}?host={folder}", "surfaces_two")
        says = "the server uses the schema public and not surfaces_two.*a pool such as PgBouncer"
        with pytest.raises(StoreUnavailable, match=says):
            await lead_and_write(through_pool, TWO, 2)
        with pytest.raises(StoreUnavailable, match=says):
            reading.empty_store(through_pool)
    assert len(reading.copy_of_store(url)) > 0


@pytest.mark.parametrize(
    ("options", "schema"),
    [
        ("-csearch_path=one", "one"),
        ("-c search_path=One", "one"),
        ("-csearch_path=one -cwork_mem=1MB -csearch_path=two", "two"),
        ("-csearch_path=one,two", None),
        ("-cwork_mem=1MB", None),
        (None, None),
    ],
)
def test_the_schema_that_a_url_names(options: str | None, schema: str | None) -> None:
    assert schema_in({"options": options}) == schema


@pytest.mark.parametrize("table", ["inbox", "lease", "asks", "ask_parts"])
def test_a_reset_empties_no_table_of_another_program(url: str, table: str) -> None:
    outside(url, f"CREATE TABLE {table}(id int)", f"INSERT INTO {table} VALUES (1)")  # noqa: S608
    with pytest.raises(StoreRefused, match=f"it has the table {table} of another program"):
        reading.empty_store(url)
    with psycopg.connect(url) as connection:
        assert connection.execute(f"SELECT id FROM {table}".encode()).fetchall() == [(1,)]  # noqa: S608


async def test_a_reset_deletes_the_conversations_that_workers_keep(url: str) -> None:
    database = Database(url)
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO asks (account, event_id, chat, question, asker)"
            " VALUES ('a', '', '', '', '')"
        )
        await connection.execute("INSERT INTO ask_parts SELECT id, 1, 0, '' FROM asks")
    await database.close()
    reading.empty_store(url)
    with psycopg.connect(url) as outside:
        assert outside.execute("SELECT FROM asks").fetchall() == []
        assert outside.execute("SELECT FROM ask_parts").fetchall() == []
