"""What only the store on PostgreSQL can suffer, and its fence."""

import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import anyio
import psycopg
import pytest
from anyio.lowlevel import checkpoint
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from actors.model import EventId
from actors.port_errors import LeaseLost, StoreCorrupt, StoreUnavailable
from actors.writes import NoteWholeRead, PutIntent, PutRow, SavePosition
from adapter.postgres import reading, schema
from adapter.postgres.dialect import bound, worded
from adapter.postgres.fence import Fence
from adapter.postgres.journal import PostgresJournal
from adapter.postgres.store import PostgresStore
from adapter.postgres.transactions import Claim
from adapter.sql import outbox_statements as outbox
from adapter.sql import statements as sql
from adapter.sql.migrations import Step
from adapter.sql.values import Query
from tests.postgres import Cluster, pgbouncer
from tests.relay import DatabaseRelay
from tests.store.relay import relay
from tests.store.values import ALICE, ROOM, intent, outside, record

pytestmark = pytest.mark.anyio

REPOSITORY = Path(__file__).parents[2]
EVENT = EventId("$q")


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.database()


def lead(url: str, epoch: int) -> Fence:
    """Take the lease as a new process would; the fence of that process."""
    outside(
        url,
        f"INSERT INTO lease VALUES ('@bot:x', {epoch}, 'holder', now())"  # noqa: S608
        " ON CONFLICT(name) DO UPDATE SET epoch = excluded.epoch",
    )
    return Fence("@bot:x", epoch)


# --- the tables


async def test_processes_that_start_at_once_share_an_empty_database(url: str) -> None:
    start_at_once(url, 3)
    async with PostgresStore.open(url) as store:
        await store.commit([PutRow("k", {})])
    assert [row.seq for row in reading.read_journal(url)] == [1, 2, 3]


def start_at_once(url: str, number: int) -> None:
    """Let so many processes open the store and the journal while all find an empty database.

    They wait for the right to change tables until each has come so far.
    """
    with ExitStack() as stack:
        held = stack.enter_context(psycopg.connect(url, autocommit=True))
        held.execute(f"SELECT pg_advisory_lock({schema.LOCK})".encode())
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.store.opening_program", url],
                    cwd=REPOSITORY,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(number)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("now\n")
            process.stdin.flush()
        waiting = b"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while held.execute(waiting).fetchone() != (number,):
            assert [process.poll() for process in processes] == [None] * number
        held.close()
        for process in processes:
            process.communicate()
    assert {process.returncode for process in processes} == {0}


async def test_the_tables_of_an_earlier_version_are_changed_and_keep_their_rows(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with PostgresStore.open(url) as store:
        await store.commit([PutRow("k", {"v": 1}), SavePosition("s1")])
    present = schema.STORE_SCHEMA
    later = replace(
        present,
        version=present.version + 1,
        steps=(Step(present.version + 1, "meta", ("ALTER TABLE meta ADD COLUMN at BIGINT",)),),
    )
    monkeypatch.setattr("adapter.postgres.store.STORE_SCHEMA", later)
    said: list[str] = []
    async with PostgresStore.open(url, on_recovery=said.append) as store:
        assert await store.rows("") == {"k": {"v": 1}}
        assert await store.position() == "s1"
    outside(url, "UPDATE meta SET at = 1")
    assert said == [f"the schema version was {present.version}, this release uses {later.version}"]
    monkeypatch.setattr("adapter.postgres.store.STORE_SCHEMA", present)
    with pytest.raises(StoreUnavailable, match="go back to the later release"):
        async with PostgresStore.open(url):
            pass


async def test_a_lost_table_is_made_again_and_the_others_stay(url: str) -> None:
    async with PostgresStore.open(url) as store:
        await store.commit([PutRow("k", {}), SavePosition("s1")])
    outside(url, "DROP TABLE kv")
    said: list[str] = []
    async with PostgresStore.open(url, on_recovery=said.append) as store:
        assert await store.rows("") == {}
        assert await store.position() == "s1"
    assert "created: kv" in said[0]


@pytest.mark.parametrize("table", schema.STORE_SCHEMA.tables)
async def test_a_table_that_is_lost_under_way_is_noticed_and_made_again(
    url: str, table: str
) -> None:
    async with PostgresStore.open(url) as store:
        await store.verify()
        await store.commit([PutRow("k", {}), NoteWholeRead(7.5)])
        outside(url, f"DROP TABLE {table} CASCADE")
        with pytest.raises(StoreCorrupt, match=f"missing in the database: {table}$"):
            await store.verify()
    async with PostgresStore.open(url) as store:
        await store.verify()
        assert await store.whole_read_at() is None


async def test_a_function_that_is_lost_under_way_is_noticed_and_made_again(url: str) -> None:
    async with PostgresStore.open(url) as store:
        outside(url, "DROP FUNCTION surfaces_row_changed CASCADE")
        with pytest.raises(StoreCorrupt, match="surfaces_row_changed"):
            await store.verify()
    async with PostgresStore.open(url) as store:
        await store.verify()
        await store.commit([PutRow("k", {}), NoteWholeRead(7.5)])
        outside(url, "UPDATE kv SET value = NULL")
        assert await store.whole_read_at() is None


@pytest.mark.parametrize("table", ["inbox", "gaps"])
async def test_a_position_is_forgotten_with_the_messages_before_it(url: str, table: str) -> None:
    async with PostgresStore.open(url) as store:
        await store.commit([SavePosition("s1")])
    outside(url, f"DROP TABLE {table}")
    async with PostgresStore.open(url) as store:
        assert await store.position() is None


async def test_rows_that_are_changed_with_another_search_path_are_not_trusted(url: str) -> None:
    outside(url, "CREATE SCHEMA own")
    own = f"{url}&options=-csearch_path%3Down"
    for statement in ("UPDATE own.kv SET value = NULL", "TRUNCATE own.kv"):
        async with PostgresStore.open(own) as store:
            await store.commit([PutRow("k", {}), NoteWholeRead(7.5)])
            assert await store.whole_read_at() == 7.5
            outside(url, statement)
            assert await store.whole_read_at() is None


async def test_a_database_that_cannot_hold_all_text_is_refused(cluster: Cluster) -> None:
    with pytest.raises(StoreUnavailable, match="ENCODING 'UTF8'"):
        async with PostgresStore.open(cluster.database(encoding="LATIN1")):
            pass


async def test_ids_are_compared_as_bytes_in_a_database_with_a_language(cluster: Cluster) -> None:
    async with PostgresStore.open(cluster.database(locale="C.UTF-8")) as store:
        await store.commit([PutRow(key, {}) for key in ("b", "B", "a", "_", "Я")])
        assert await store.keys("") == ("B", "_", "a", "b", "Я")


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (sql.waiting_query(ROOM, 10), "inbox_waiting"),
        (sql.WAITING_COUNTS, "inbox_waiting"),
        (outbox.unsent_query(ROOM, 10), "outbox_unsent"),
        (outbox.UNSENT_COUNTS, "outbox_unsent"),
        (outbox.anchors_query(EVENT), "outbox_"),
        (sql.open_intents_query(ALICE), "intents_open"),
        (sql.INTENT_OWNERS, "intents_open"),
        (sql.rows_query("chat:"), "kv_pkey"),
    ],
)
async def test_no_query_walks_through_what_is_settled(url: str, query: Query, index: str) -> None:
    async with PostgresStore.open(url):
        pass
    with psycopg.connect(url, cursor_factory=psycopg.RawCursor) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_bitmapscan = off")
        explain = b"EXPLAIN " + worded(query.sql)
        plan = [line for (line,) in connection.execute(explain, bound(query.params))]
    assert any(index in line for line in plan), plan


# --- the fence


async def test_nothing_is_written_once_another_process_leads(url: str) -> None:
    async with PostgresStore.open(url):
        pass
    async with PostgresStore.open(url, fence=lead(url, 1)) as store:
        await store.commit([PutRow("k", {"v": 1})])
        lead(url, 2)
        with pytest.raises(LeaseLost, match="epoch 1 has ended"):
            await store.commit([PutRow("k", {"v": 2})])
        assert await store.row("k") == {"v": 1}


@pytest.mark.parametrize(("lock", "waits"), [("FOR SHARE", True), ("FOR KEY SHARE", False)])
async def test_a_takeover_waits_for_a_transaction_that_has_passed_the_fence(
    url: str, lock: str, *, waits: bool
) -> None:
    """With the weaker lock, the old leader could still commit after the takeover."""
    async with PostgresStore.open(url):
        lead(url, 1)
    script = schema.STORE_SCHEMA.script
    assert "led FOR SHARE" in script
    outside(url, script.replace("led FOR SHARE", f"led {lock}"))
    with psycopg.connect(url) as old, psycopg.connect(url) as new:
        old.execute("SELECT surfaces_fence('@bot:x', 1)")
        new.execute("SET lock_timeout = '100ms'")
        take = "UPDATE lease SET epoch = 2 WHERE name = '@bot:x'"
        if waits:
            with pytest.raises(errors.LockNotAvailable):
                new.execute(take)
        else:
            new.execute(take)


async def test_a_process_that_pauses_in_a_transaction_does_not_hold_up_a_takeover(
    url: str,
) -> None:
    async with PostgresStore.open(url):
        lead(url, 1)
    claim = Claim(5.0, replace(lead(url, 1), idle_ms=50))
    claim._number = 1
    outside(url, "SELECT surfaces_claim()")
    raw = psycopg.RawCursor
    with psycopg.connect(url, cursor_factory=raw) as old, psycopg.connect(url) as new:
        for query in claim.queries(synced=False):
            old.execute(worded(query.sql), bound(query.params))
        new.execute("UPDATE lease SET epoch = 2 WHERE name = '@bot:x'")
        new.commit()
        with pytest.raises(errors.IdleInTransactionSessionTimeout):
            old.execute("SELECT 1")


# --- outages


async def test_a_server_that_is_killed_is_unavailable_until_it_runs_again(
    own_cluster: Cluster,
) -> None:
    async with PostgresStore.open(own_cluster.database()) as store:
        await store.commit([PutRow("k", {"v": 1}), PutIntent(intent("n"))])
        own_cluster.kill()
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await store.commit([PutRow("k", {"v": 2})])
            with pytest.raises(StoreUnavailable):
                await store.row("k")
        own_cluster.start()
        await _recovered(store)
        assert await store.row("k") == {"v": 1}
        assert await store.open_intents(ALICE) == (intent("n"),)
        await store.commit([PutRow("k", {"v": 3})])
        assert await store.row("k") == {"v": 3}


async def _recovered(store: PostgresStore) -> None:
    """Use the store until the pauses between attempts to connect are over."""
    while True:
        try:
            await store.commit([PutRow("probe", {})])
            await store.verify()
        except StoreUnavailable:
            continue
        return


async def test_a_lost_connection_is_told_once_and_replaced(url: str) -> None:
    """What was committed last may be lost with the server, so no loss is passed over."""
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 's%'"
    async with PostgresStore.open(url) as store:
        await store.commit([PutRow("k", {"v": 1})])
        await store.row("k")
        outside(url, f"{end} AND datname = current_database()")
        with pytest.raises(StoreUnavailable, match="terminat"):
            await store.commit([PutRow("k", {"v": 2})])
        with pytest.raises(StoreUnavailable, match="terminat"):
            await store.row("k")
        await store.commit([PutRow("k", {"v": 3})])
        assert await store.row("k") == {"v": 3}


async def test_a_journal_whose_connection_was_lost_meanwhile_loses_no_row(url: str) -> None:
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 's%'"
    async with PostgresJournal.open(url) as journal:
        await journal.append(record(1))
        outside(url, f"{end} AND datname = current_database()")
        await _others_have_ended(url, left=0)
        await journal.append(record(2))
    assert [row.transition.dwell_ms for row in reading.read_journal(url)] == [1, 2]


async def test_a_transaction_that_waits_too_long_is_given_up_by_the_server(url: str) -> None:
    async with PostgresStore.open(url, timeout_s=0.5) as store:
        await store.commit([PutRow("k", {"v": 1})])
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE kv IN EXCLUSIVE MODE")
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                await store.commit([PutRow("k", {"v": 2})])
        await store.commit([PutRow("l", {})])
        assert await store.rows("") == {"k": {"v": 1}, "l": {}}


async def test_what_was_given_up_does_not_arrive_late(
    cluster: Cluster, url: str, tmp_path: Path
) -> None:
    name = str(conninfo_to_dict(url)["dbname"])
    async with relay(cluster.folder, tmp_path) as between:
        by_relay = f"postgresql://bot@/{name}?host={tmp_path}"
        async with PostgresStore.open(by_relay, timeout_s=0.5) as store:
            await store.commit([PutRow("k", {"v": 1})])
            between.hold_back()
            with pytest.raises(StoreUnavailable, match=r"not answered within 0\.5 s"):
                await store.commit([PutRow("k", {"v": 2})])
            held = between.let_new_ones_pass()
            await store.commit([PutRow("k", {"v": 3})])
            held.set()
            await _others_have_ended(url)
            assert await store.row("k") == {"v": 3}


async def _others_have_ended(url: str, *, left: int = 1) -> None:
    """Wait until the server is done with the connections that have ended."""
    count = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'surfaces-bot'"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        # One connection of a store writes; it has read nothing yet.
        while connection.execute(count).fetchone() != (left,):
            await checkpoint()


async def test_lost_commits_are_told_also_without_a_lost_connection(
    url: str,
) -> None:
    """A pool in front of a server that was restarted hides the restart."""
    async with PostgresStore.open(url) as store:
        await store.commit([PutRow("k", {"v": 1})])
        await store.commit([PutRow("k", {"v": 2})])
        outside(url, "UPDATE writer SET commits = commits - 1")
        with pytest.raises(StoreUnavailable, match="newest commits are lost"):
            await store.commit([PutRow("k", {"v": 3})])
        assert await store.row("k") == {"v": 2}


async def test_after_lost_commits_nothing_is_written_until_the_store_is_opened_anew(
    own_cluster: Cluster,
) -> None:
    """What a process writes next may follow from what is lost."""
    url = own_cluster.database()
    async with PostgresStore.open(url) as store:
        await store.commit([PutRow("k", {"v": 1}), PutIntent(intent("n"))])
        await store.commit([PutRow("k", {"v": 2})])  # waits for no disk
        own_cluster.kill()
        own_cluster.start()
        with pytest.raises(StoreUnavailable):
            await store.commit([PutRow("k", {"v": 3})])
        for _ in range(2):
            with pytest.raises(StoreCorrupt, match="has lost its newest commits"):
                await store.commit([PutRow("k", {"v": 3})])
        assert await store.row("k") == {"v": 1}
    async with PostgresStore.open(url) as store:
        await store.commit([PutRow("k", {"v": 3})])


async def test_lost_commits_are_noticed_although_the_answer_to_the_next_claim_is_lost(
    own_cluster: Cluster,
) -> None:
    async with (
        DatabaseRelay(own_cluster.database()) as between,
        PostgresStore.open(between.url) as store,
    ):
        await store.commit([PutIntent(intent("n"))])
        await store.commit([PutRow("k", {"v": 1})])  # waits for no disk
        own_cluster.kill()
        own_cluster.start()
        between.loses_answer_to = b"surfaces_claim"
        with pytest.raises(StoreUnavailable):
            await store.commit([PutRow("k", {"v": 2})])
        for _ in range(2):
            with pytest.raises(StoreCorrupt, match="has lost its newest commits"):
                await store.commit([PutRow("k", {"v": 2})])


async def test_after_a_crash_without_lost_commits_the_store_goes_on(own_cluster: Cluster) -> None:
    url = own_cluster.database()
    async with PostgresStore.open(url) as store:
        await store.commit([PutRow("k", {"v": 1})])
        await store.commit([PutIntent(intent("n"))])  # waits for the disk
        own_cluster.kill()
        own_cluster.start()
        with pytest.raises(StoreUnavailable):
            await store.commit([PutRow("k", {"v": 2})])
        await store.commit([PutRow("k", {"v": 2})])


async def test_a_second_writer_is_told_to_the_first(url: str) -> None:
    async with PostgresStore.open(url) as one, PostgresStore.open(url) as other:
        await one.commit([PutRow("k", {"v": 1})])
        await other.commit([PutRow("k", {"v": 2})])
        with pytest.raises(StoreUnavailable, match="another connection writes now"):
            await one.commit([PutRow("k", {"v": 3})])
        await one.commit([PutRow("k", {"v": 4})])
        assert await other.row("k") == {"v": 4}


async def test_a_server_that_only_reads_is_unavailable_and_left(url: str) -> None:
    name = str(conninfo_to_dict(url)["dbname"])
    async with PostgresStore.open(f"{url}&target_session_attrs=any") as store:
        await store.commit([PutRow("k", {"v": 1})])
        outside(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        outside(
            url.replace(name, "postgres"),
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608
        )
        for match in ("terminat", "read-only"):
            with pytest.raises(StoreUnavailable, match=match):
                await store.commit([PutRow("k", {"v": 2})])
        outside(url.replace(name, "postgres"), f"ALTER DATABASE {name} RESET ALL")
        await _recovered(store)
        assert await store.row("k") == {"v": 1}


async def test_a_pool_that_exchanges_connections_after_each_transaction_will_do(
    cluster: Cluster, url: str
) -> None:
    name = str(conninfo_to_dict(url)["dbname"])
    with pgbouncer(cluster) as folder:
        through_pool = f"postgresql://bot@/{name}?host={folder}"
        async with PostgresStore.open(through_pool) as store:

            async def write_and_read(room: str) -> None:
                for turn in range(10):
                    await store.commit([PutRow(room, {"turn": turn}), SavePosition(room)])
                    assert await store.row(room) == {"turn": turn}

            async with anyio.create_task_group() as group:
                for number in range(5):
                    group.start_soon(write_and_read, f"r{number}")
            # The pool gives the next transactions connections on which nothing was prepared.
            outside(
                url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 's%' AND datname = current_database()",
            )
            await _recovered(store)
            assert len(await store.rows("r")) == 5
            for number in range(20):
                await store.commit([PutRow("k", {"turn": number})])
                assert await store.row("k") == {"turn": number}


async def test_no_server_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        async with PostgresStore.open(f"postgresql:///db?host={tmp_path}"):
            pass
    with pytest.raises(StoreUnavailable):
        reading.read_journal(f"postgresql:///db?host={tmp_path}")


async def test_a_journal_that_is_lost_under_way_is_made_again(url: str) -> None:
    said: list[str] = []
    async with PostgresJournal.open(url, on_recovery=said.append) as journal:
        await journal.append(record(1))
        outside(url, "DROP TABLE journal")
        await journal.append(record(2), record(3))
        await journal.append(record(4))
    assert [row.transition.dwell_ms for row in reading.read_journal(url)] == [2, 3, 4]
    assert "created: journal" in said[0]
