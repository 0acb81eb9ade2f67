"""What makes a PostgreSQL database unusable: a start and `check` say the same."""

from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import psycopg
import pytest

from actors.port_errors import StoreRefused
from adapter.postgres.journal import PostgresJournal
from adapter.postgres.lease import PostgresLease
from adapter.postgres.store import PostgresStore
from supervisor.app.findings import check_paths
from supervisor.settings import load_settings
from tests.environment import ENOUGH, Environment
from tests.postgres import Cluster

ACCOUNT = ENOUGH["MATRIX_USER_ID"]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    return Environment(monkeypatch, tmp_path)


@pytest.fixture
def guest(cluster: Cluster) -> Iterator[Callable[[str], str]]:
    """Makes the URL of a database for a user who owns nothing."""

    def as_guest(url: str) -> str:
        run(url, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
        return url.replace("bot@", "guest@")

    yield as_guest
    # A test has dropped its database, and with it what the user may do there.
    run(cluster.url("postgres"), "DROP ROLE IF EXISTS guest")


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def start(url: str, account: str = ACCOUNT) -> None:
    """Open all that a bot opens."""

    async def open_all() -> None:
        async with PostgresLease.open(url, name=account, holder="p", within_s=2.0) as lease:
            await lease.look()
        async with PostgresJournal.open(url), PostgresStore.open(url):
            pass

    anyio.run(open_all)


def refused_alike(environment: Environment, url: str) -> str:
    """What `check` says of the database and a start, which is refused, too."""
    environment.put(MATRIX_DB_PATH=url)
    found = check_paths(load_settings())
    wrong = [finding.what for finding in found if not finding.ok]
    assert wrong
    assert all(finding.refused for finding in found if not finding.ok)
    with pytest.raises(StoreRefused) as raised:
        start(url)
    assert str(raised.value) in wrong[0] or "permission denied" in str(raised.value)
    return wrong[0]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_an_encoding_without_all_characters(
    environment: Environment, cluster: Cluster, encoding: str
) -> None:
    url = cluster.database(encoding=encoding)
    assert f"the encoding {encoding}: create one with" in refused_alike(environment, url)


def test_a_user_who_may_create_nothing(
    environment: Environment, cluster: Cluster, guest: Callable[[str], str]
) -> None:
    url = guest(cluster.database())
    assert "may not create tables in the schema public" in refused_alike(environment, url)
    in_schema = f"{url}&options=-csearch_path%3Dnew"
    assert "may not create the schema" in refused_alike(environment, in_schema)
    cluster.drop(url)


def test_tables_that_belong_to_another_user(
    environment: Environment, cluster: Cluster, guest: Callable[[str], str]
) -> None:
    url = cluster.database()
    start(url)
    as_guest = guest(url)
    run(url, "GRANT CREATE ON SCHEMA public TO guest")
    said = refused_alike(environment, as_guest)
    assert "may not read and write the bot's tables (dirty, gaps, " in said
    cluster.drop(url)


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("CREATE TABLE kv(id INTEGER, data JSONB)", "kv"),
        ("CREATE TABLE kv(key TEXT PRIMARY KEY, value JSONB)", "kv"),
        ("CREATE TABLE inbox(message TEXT)", "inbox"),
        ("CREATE TABLE lease(tenant TEXT)", "lease"),
        ("CREATE TABLE schema_version(number INTEGER)", "schema_version"),
        ("CREATE TABLE journal(entry TEXT)", "journal"),
    ],
)
def test_tables_of_another_program(
    environment: Environment, cluster: Cluster, statement: str, table: str
) -> None:
    url = cluster.database()
    run(url, statement)
    said = refused_alike(environment, url)
    assert f"it has the table {table} of another program: give the bot a database" in said


def test_tables_of_another_account(environment: Environment, cluster: Cluster) -> None:
    url = cluster.database()
    start(url, "@other:example.org")
    assert "it has the tables of @other:example.org: give" in refused_alike(environment, url)


@pytest.mark.parametrize("path", ["my-bot", "%22MyBot%22", "a,b"])
def test_a_search_path_without_a_schema_that_the_bot_creates(
    environment: Environment, cluster: Cluster, path: str
) -> None:
    url = f"{cluster.database()}&options=-csearch_path%3D{path}"
    assert "no schema of the search path exists" in refused_alike(environment, url)


@pytest.mark.parametrize("option", ["-csearch_path%3Done", "--search_path%3Done"])
def test_a_database_that_a_start_can_use_is_well_before_and_after_it(
    environment: Environment, cluster: Cluster, option: str
) -> None:
    url = f"{cluster.database()}&options={option}"
    environment.put(MATRIX_DB_PATH=url)
    for _ in range(2):
        assert all(finding.ok for finding in check_paths(load_settings()))
        start(url)


def test_a_check_writes_nothing(environment: Environment, cluster: Cluster) -> None:
    url = cluster.database()
    environment.put(MATRIX_DB_PATH=url)
    assert all(finding.ok for finding in check_paths(load_settings()))
    with psycopg.connect(url) as connection:
        (count,) = connection.execute(
            b"SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchone() or (None,)
    assert count == 0
