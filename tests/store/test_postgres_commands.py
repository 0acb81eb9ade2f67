"""The shell commands on a PostgreSQL database, and that none of them shows the password."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import psycopg
import pytest

from actors.model import EventId
from actors.port_errors import StoreUnavailable
from actors.writes import AcceptMessage, FinishMessage, PutIntent, PutRow, SavePosition
from adapter.postgres.journal import PostgresJournal
from adapter.postgres.lease import PostgresLease
from adapter.postgres.reading import read_inbox
from adapter.postgres.store import PostgresStore
from adapter.workers.database import translated as database_errors
from supervisor import cli
from supervisor.app import check as app_check
from supervisor.app.databases import copied_store
from supervisor.app.findings import check_paths
from supervisor.commands import invocation
from supervisor.lock import instance_lock
from supervisor.settings import load_local_settings
from supervisor.status.snapshot import rfc3339
from tests.environment import Environment
from tests.postgres import Cluster
from tests.store.values import ALICE, inbound, intent, record

PASSWORD = "do-not-show-me"


@pytest.fixture
def url(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, as the environment names it."""
    url = cluster.database().replace("bot@", f"bot:{PASSWORD}@")
    Environment(monkeypatch, tmp_path).put(MATRIX_DB_PATH=url)
    monkeypatch.setattr(invocation, "configure_logging", lambda **_: None)
    return url


@pytest.fixture
def filled(url: str) -> str:
    """One message is done, one waits, one is dead; the journal has two rows."""

    async def fill() -> None:
        async with PostgresStore.open(url) as store, PostgresJournal.open(url) as journal:
            await store.commit([AcceptMessage(inbound(name)) for name in ("a", "b", "c")])
            await store.commit([FinishMessage(EventId("$a"))])
            await store.commit([FinishMessage(EventId("$c"), dead=True), PutRow("k\0", {"v": 1})])
            await store.commit([PutIntent(intent("n")), SavePosition("s1")])
            await journal.append(record(1), record(2))

    anyio.run(fill)
    return url


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that ends well; what it printed."""

    def run_it(*arguments: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
        shown = capsys.readouterr()
        assert end.value.code == code, shown.err
        assert PASSWORD not in shown.out + shown.err
        return shown.out + shown.err

    return run_it


@pytest.mark.usefixtures("filled")
def test_the_journal_is_shown(run: Callable[..., str]) -> None:
    rows = [json.loads(line) for line in run("log", "--json").splitlines()]
    assert [(row["seq"], row["dwell_ms"]) for row in rows] == [(1, 1), (2, 2)]
    assert "logged_in" in run("log")
    assert json.loads(run("status", "--json"))["last_transition"]["seq"] == 2
    assert "no bot is running" in run("status")
    assert "stateDiagram" in run("graph")


async def elect(url: str, name: str, holder: str, boot: str) -> None:
    """Let a process lead for a minute, and become live."""
    async with (
        PostgresLease.open(url, name=name, holder=holder, within_s=2.0) as lease,
        PostgresJournal.open(url) as journal,
    ):
        epoch = await lease.take(60)
        assert epoch is not None
        elected, live = (replace(record(1), at=rfc3339(time.time()), boot=boot) for _ in range(2))
        reason = f"epoch {epoch}, after process 1 in epoch 5"
        await journal.append(
            replace(elected, src="standby", trigger="elected", dst="login", reason=reason),
            replace(live, src="reconcile", trigger="reconciled", dst="live"),
        )


def test_the_state_shown_is_that_of_the_process_that_leads(
    url: str, run: Callable[..., str]
) -> None:
    anyio.run(elect, url, "@bot:example.org", "process 2 on there", "new")
    late = replace(record(2), at=rfc3339(time.time()), boot="old", src="live", dst="stopped")

    async def stop_late() -> None:
        async with PostgresJournal.open(url) as journal:
            await journal.append(replace(late, trigger="lease_lost", reason="paused"))

    anyio.run(stop_late)
    with instance_lock(load_local_settings().store_path):
        said = run("status")
        assert "process 2 on there leads\nlive for" in said
        assert "starting" not in said + run("log")
        assert "\nlive for" in run("log")
    assert "live for" in run("status")
    assert json.loads(run("status", "--json"))["last_transition"]["dst"] == "live"


def test_check_tells_the_state_of_the_process_that_leads(
    url: str, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def all_is_well(*_: object) -> None:
        pass

    async def write(boot: str) -> None:
        lost = replace(record(2), at=rfc3339(time.time()), boot=boot, src="live", dst="degraded")
        async with PostgresJournal.open(url) as journal:
            await journal.append(replace(lost, trigger="homeserver_lost", reason=f"{boot} is cut"))

    monkeypatch.setattr(app_check, "check", all_is_well)
    anyio.run(elect, url, "@bot:example.org", "process 2 on there", "leader")
    with instance_lock(load_local_settings().store_path):
        anyio.run(write, "former")
        assert "degraded" not in run("check")
        anyio.run(write, "leader")
        assert "the running bot is degraded: leader is cut" in run("check", code=1)


@pytest.mark.usefixtures("url")
def test_a_database_without_tables_says_so(run: Callable[..., str]) -> None:
    assert "the database holds no journal" in run("log", code=1)
    assert "the database holds no inbox" in run("inbox", code=1)
    assert json.loads(run("status", "--json"))["last_transition"] is None
    assert "stateDiagram" in run("graph")
    assert "There is nothing to remove" in run("reset", "--yes")


def test_the_tables_of_another_account_are_not_taken_for_this_one_s(
    filled: str, run: Callable[..., str]
) -> None:
    anyio.run(elect, filled, "@other:example.org", "process 2 on there", "new")
    assert "the messages are those of @other:example.org" in run("inbox")
    assert "database of @other:example.org" in run("reset", "--dry-run")
    leave = ("reset", "--mode", "server-leave-forget", "--dry-run")
    for arguments in (("reconcile", "--dry-run"), ("reconcile",), leave):
        said = run(*arguments, code=78)
        assert "has the tables of @other:example.org, and MATRIX_USER_ID is @bot:" in said


def test_the_status_says_what_it_knows_without_the_database(
    run: Callable[..., str], environment_of: Callable[[str], None]
) -> None:
    environment_of("postgresql://bot@/db?host=/nowhere")
    said = run("status")
    assert "no bot is running" in said
    assert "which process leads is not known: " in said
    assert json.loads(run("status", "--json").splitlines()[0])["last_transition"] is None


_ON_THE_DATABASE: Final = (
    ("log",),
    ("status",),
    ("inbox",),
    ("reset", "--dry-run"),
    ("reset", "--yes"),
    ("reconcile",),
    ("reconcile", "--dry-run"),
)


@pytest.mark.parametrize("arguments", _ON_THE_DATABASE, ids=" ".join)
def test_a_url_that_libpq_can_t_read_is_refused(
    url: str,
    run: Callable[..., str],
    environment_of: Callable[[str], None],
    arguments: tuple[str, ...],
) -> None:
    environment_of(f"{url}&foo=bar")
    said = run(*arguments, code=78)
    assert 'invalid URI query parameter: "foo"): correct the URL in MATRIX_DB_PATH' in said


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize("arguments", _ON_THE_DATABASE, ids=" ".join)
def test_without_the_package_for_postgresql_each_command_says_what_to_install(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    for name in [name for name in sys.modules if name.startswith("adapter.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "install surfaces-bot[postgres], or '.[postgres]' in a" in run(*arguments, code=78)


@pytest.mark.parametrize(
    ("parameter", "before", "says"),
    [
        ("&foo=bar", "", 'parameter: "foo"): correct the URL'),
        ("", "sys.modules['psycopg'] = None", "install surfaces-bot[postgres]"),
    ],
)
def test_a_start_says_the_same(
    url: str, environment_of: Callable[[str], None], parameter: str, before: str, says: str
) -> None:
    environment_of(f"{url}{parameter}")
    program = f"import sys\n{before}\nfrom supervisor import cli\ncli.main(['run'])"
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, timeout=60, capture_output=True, text=True
    )
    assert ended.returncode == 78
    assert says in ended.stderr
    assert PASSWORD not in ended.stdout + ended.stderr


def test_a_dead_message_waits_again(filled: str, run: Callable[..., str]) -> None:
    listed = [json.loads(line) for line in run("inbox", "--json").splitlines()]
    assert [(row["event_id"], row["state"]) for row in listed] == [
        ("$b", "waiting"),
        ("$c", "dead"),
    ]
    assert "waits again" in run("inbox", "--retry", "$c")
    assert "already waiting" in run("inbox", "--retry", "$b")
    assert "already handled" in run("inbox", "--retry", "$a", code=1)
    assert "no message" in run("inbox", "--retry", "$x", code=1)
    assert [row.state for row in read_inbox(filled)] == ["waiting", "waiting"]


def test_a_reset_empties_the_tables_and_keeps_the_journal(
    filled: str, run: Callable[..., str]
) -> None:
    assert "1 message not answered yet" in run("reset", "--dry-run")
    assert len(read_inbox(filled)) == 2
    assert "database" in run("reset", "--yes")
    assert read_inbox(filled) == []
    reasons = [json.loads(line)["reason"] for line in run("log", "--json").splitlines()]
    assert len(reasons) == 3
    assert "removed postgresql:///" in reasons[-1]


def test_what_is_written_to_a_copy_does_not_come_back(filled: str) -> None:
    place = load_local_settings().db_path

    async def look() -> None:
        async with copied_store(place) as copy, PostgresStore.open(filled) as store:
            assert await copy.rows("") == await store.rows("") == {"k\0": {"v": 1}}
            assert await copy.waiting_counts() == await store.waiting_counts()
            assert await copy.open_intents(ALICE) == (intent("n"),)
            assert await copy.position() == "s1"
            await copy.commit([PutRow("k", {}), AcceptMessage(inbound("d"))])
            assert set(await store.rows("")) == {"k\0"}

    anyio.run(look)


@pytest.mark.usefixtures("url")
def test_a_database_that_answers_is_well(environment_of: Callable[[str], None]) -> None:
    said = [finding.what for finding in check_paths(load_local_settings())]
    assert "answers: PostgreSQL" in said[0]
    assert PASSWORD not in "".join(said)
    environment_of("postgresql://bot:do-not-show-me@127.0.0.1:1/nowhere")
    (finding, _, journal) = check_paths(load_local_settings())
    assert not finding.ok
    assert not journal.ok
    assert "127.0.0.1:1/nowhere cannot be used" in finding.what
    assert PASSWORD not in finding.what


@pytest.fixture
def environment_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return partial(monkeypatch.setenv, "MATRIX_DB_PATH")


def test_what_libpq_says_in_several_lines_is_one_sentence() -> None:
    with pytest.raises(StoreUnavailable) as raised, database_errors():
        psycopg.connect("host=/nowhere,/either dbname=x")
    assert "\n" not in str(raised.value)
    assert "Is the server running" in str(raised.value)
