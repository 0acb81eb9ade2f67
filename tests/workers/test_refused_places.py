"""What a worker refuses at its start, as the bot does, and what it leaves alone."""

from collections.abc import Iterator

import psycopg
import pytest
from procrastinate.schema import SchemaManager

from actors.port_errors import StoreRefused, StoreUnavailable
from adapter.workers.database import Database
from tests.postgres import Cluster, throwaway_cluster
from tests.workers.conftest import QUICK

pytestmark = pytest.mark.anyio

ASKS = "CREATE TABLE asks (id INTEGER, customer TEXT)"
OLDER_QUEUE = f"{SchemaManager.get_schema()}; DROP TABLE procrastinate_workers CASCADE"
THINGS = "SELECT relname, relkind, oid FROM pg_class WHERE relnamespace = 'public'::regnamespace"
GIVE = "give the bot a database of its own, or a schema"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with throwaway_cluster() as cluster:
        yield cluster


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def things(url: str) -> set[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return set(connection.execute(THINGS))


async def refusal(url: str) -> str:
    """How a start is refused: that of a worker, and each use by the bot."""
    database = Database(url, QUICK)
    with pytest.raises(StoreRefused) as raised:
        await database.check()
    with pytest.raises(StoreRefused):
        async with database.reading():
            pass
    await database.close()
    return str(raised.value)


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        (ASKS, "asks"),
        ("CREATE TABLE asks (id BIGINT, account TEXT, event_id TEXT)", "asks"),
        ("CREATE TABLE ask_parts (price NUMERIC)", "ask_parts"),
        ("CREATE TABLE ask_workers (name TEXT)", "ask_workers"),
        ("CREATE TABLE ask_schema (number INTEGER)", "ask_schema"),
        ("CREATE VIEW asks AS SELECT 1 AS id", "asks"),
    ],
)
async def test_tables_of_another_program_are_refused_and_stay(
    cluster: Cluster, statement: str, table: str
) -> None:
    url = cluster.database()
    run(url, statement, f"CREATE VIEW used AS TABLE {table}")
    before = things(url)
    assert await refusal(url) == f"it has the table {table} of another program: {GIVE}"
    assert things(url) == before


@pytest.mark.parametrize(
    ("statements", "which"),
    [
        ([SchemaManager.get_schema()], "tables procrastinate_events, procrastinate_jobs, "),
        ([OLDER_QUEUE], "tables procrastinate_events, procrastinate_jobs, "),
        ([OLDER_QUEUE, ASKS], "table asks of another program"),
        (["CREATE TABLE procrastinate_jobs (id INTEGER)"], "table procrastinate_jobs of another"),
    ],
    ids=["whole", "older", "older, and asks", "one table"],
)
async def test_the_queue_of_another_program_is_refused_and_stays(
    cluster: Cluster, statements: list[str], which: str
) -> None:
    url = cluster.database()
    run(url, *statements)
    before = things(url)
    said = await refusal(url)
    assert said.startswith(f"it has the {which}")
    assert said.endswith(f" of another program: {GIVE}")
    assert things(url) == before


async def test_the_tables_of_the_bot_are_not_refused_when_its_version_is_lost(
    cluster: Cluster,
) -> None:
    url = cluster.database()
    for lost in ("ask_schema", "asks, ask_parts", "procrastinate_jobs", "asks, ask_schema"):
        await Database(url, QUICK).open()
        run(url, f"DROP TABLE {lost} CASCADE")
    await Database(url, QUICK).open()


async def test_the_tables_of_a_newer_release_are_refused(cluster: Cluster) -> None:
    url = cluster.database()
    await Database(url, QUICK).open()
    run(url, "UPDATE ask_schema SET version = 1000")
    assert "of a newer release" in await refusal(url)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_an_encoding_without_all_characters_is_refused(
    cluster: Cluster, encoding: str
) -> None:
    says = f"the database has the encoding {encoding}: create one with ENCODING 'UTF8'"
    assert await refusal(cluster.database(encoding=encoding)) == says


async def test_a_database_or_a_right_that_is_missing_is_refused(cluster: Cluster) -> None:
    url = cluster.database()
    assert '"nowhere" does not exist' in await refusal(cluster.url("nowhere"))
    assert 'role "nobody" does not exist' in await refusal(url.replace("bot@", "nobody@"))
    run(url, "CREATE ROLE guest LOGIN")
    assert "permission denied for schema public" in await refusal(url.replace("bot@", "guest@"))
    assert "no schema of the search path" in await refusal(f"{url}&options=-csearch_path%3Da,b")


async def test_a_database_that_is_away_or_not_ready_is_no_refusal(cluster: Cluster) -> None:
    url = cluster.database()
    for away in ("postgresql://bot@/x?host=/nowhere", f"{url}&options=-csearch_path%3Dlater"):
        database = Database(away, QUICK)
        await database.check()
        with pytest.raises(StoreUnavailable) as raised:
            await database.open()
        assert not isinstance(raised.value, StoreRefused)
