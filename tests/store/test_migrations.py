"""A database of an earlier release is opened by a later one, and no row that is kept is lost."""

import shutil
import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Final

import pytest

from actors.model import (
    Attempt,
    ChatId,
    EventId,
    InboundMessage,
    Intent,
    IntentKind,
    IntentStep,
    Nonce,
    OutboundKind,
    OutboundMessage,
    PlatformChatId,
    ReplyState,
    RoomId,
    UserId,
)
from actors.port_errors import StoreUnavailable
from actors.ports import StateStore, Waiting
from actors.writes import OpenAnchor, OpenGap, QueueMessage, RetryMessage
from adapter.sql.migrations import Step
from adapter.sql.store import SqlStore
from adapter.sqlite.connecting import connect
from adapter.sqlite.inline import _Database
from adapter.sqlite.journal import read_journal
from adapter.sqlite.migrations import FIRST_VERSION
from adapter.sqlite.opening import copy_database, prepare_file
from adapter.sqlite.queues import read_inbox
from adapter.sqlite.schema import JOURNAL_SCHEMA, STORE_SCHEMA, Schema, statements_of
from adapter.sqlite.upgrade import prepare_connection
from tests.store.conftest import ON_FILES, Journals, Stores
from tests.store.later import LATER, LATER_JOURNAL, NEW_COLUMNS, ONE, TWO, with_columns
from tests.store.values import outside, record

pytestmark = pytest.mark.anyio


@pytest.fixture(params=ON_FILES)
def implementation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


RELEASES: Final = Path(__file__).parent / "fixtures"
BEFORE_ANCHORS: Final = 3
"""The last version without the columns of anchors."""
HALL, STUDY = RoomId("!hall:localhost"), RoomId("!study:localhost")
ALICE, BOB = UserId("@alice:localhost"), UserId("@bob:localhost")


def message(name: str, room_id: RoomId = HALL, *, edit: bool = False) -> InboundMessage:
    body = f"body of {name} ☃"
    return InboundMessage(
        EventId(f"${name}"), room_id, ALICE, 1_799_999_999_000, "m.text", body, edit
    )


def reply(name: str, room_id: RoomId = HALL, *, notice: bool = False) -> OutboundMessage:
    """An unsent reply. Release 0.1 may have tried to send it."""
    tried = Attempt(1_800_000_000.0, "")
    return OutboundMessage(name, room_id, f"reply {name} ☃", notice, tried=tried)


INVITED: Final = Intent(
    Nonce("n-invited"), ALICE, IntentKind.INVITED, IntentStep.WANTED, reply_room=HALL
)
ONBOARD: Final = Intent(
    Nonce("n-onboard"),
    ALICE,
    IntentKind.ONBOARD,
    IntentStep.CREATED,
    room_id=RoomId("!space:localhost"),
)
CHAT: Final = Intent(
    Nonce("n-chat"),
    ALICE,
    IntentKind.CHAT,
    IntentStep.CREATING,
    reply_room=STUDY,
    name="Тест",
    chat_id=ChatId("C4"),
    platform_chat_id=PlatformChatId("alice-4"),
    room_id=RoomId("!c4:localhost"),
    started_at=1_799_999_995.25,
    told_queued=True,
)
SPACE: Final = Intent(
    Nonce("n-space"), BOB, IntentKind.SPACE, IntentStep.CREATING, started_at=1_799_999_990.5
)
FIRST_CHAT: Final = Intent(Nonce("n-first"), BOB, IntentKind.FIRST_CHAT, IntentStep.WANTED)


def release(name: str, folder: Path) -> Path:
    """A copy of a file that an earlier release has left."""
    return Path(shutil.copy(RELEASES / name, folder))


def store_of(path: Path, schema: Schema) -> SqlStore:
    return SqlStore(_Database(path, schema, now=0, busy_timeout_s=5))


async def assert_nothing_is_lost(store: StateStore) -> None:
    """Everything that release 0.1 kept is read back, and is read back as it was."""
    assert await store.position() == "s42_1"
    assert await store.gaps() == (OpenGap(STUDY, since="s10_1", upto="s20_1"),)
    assert list(await store.waiting_counts()) == [HALL, STUDY]
    assert await store.waiting(HALL, 9) == (
        Waiting(message("first"), attempts=0),
        Waiting(message("second", edit=True), attempts=2),
    )
    assert await store.waiting(STUDY, 9) == (Waiting(message("study", STUDY), attempts=0),)
    assert list(await store.unsent_counts()) == [HALL, STUDY]
    assert await store.unsent(HALL, 9) == (reply("first"), reply("notice", notice=True))
    assert await store.unsent(STUDY, 9) == (reply("study", STUDY),)
    assert await store.intent_owners() == (ALICE, BOB)
    assert await store.open_intents(ALICE) == (INVITED, ONBOARD, CHAT)
    assert await store.open_intents(BOB) == (SPACE, FIRST_CHAT)
    # The dead message is the only one that nothing but a retry brings back.
    await store.commit([RetryMessage(EventId("$dead"))])
    assert message("dead") in [waiting.message for waiting in await store.waiting(HALL, 9)]
    # Settled rows are known: what comes again is ignored.
    await store.commit([QueueMessage(reply("sent")), QueueMessage(reply("refused"))])
    assert await store.unsent(HALL, 9) == (reply("first"), reply("notice", notice=True))


def content(path: Path) -> list[str]:
    """Tables and rows as SQL."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


# --- a database of release 0.1


async def test_a_database_of_release_0_1_opens_without_losing_a_row(opened: Stores) -> None:
    shutil.copy(RELEASES / "release-0.1.db", opened.path)
    async with opened() as store:
        await assert_nothing_is_lost(store)
    assert "set aside" not in " ".join(opened.said)
    assert version_of(opened.path) == STORE_SCHEMA.version


async def test_a_journal_of_release_0_1_opens_without_losing_a_row(journals: Journals) -> None:
    shutil.copy(RELEASES / "release-0.1-journal.db", journals.path)
    async with journals() as journal:
        await journal.append(record(5))
    found = [(row.seq, row.transition) for row in read_journal(journals.path)]
    rows = [(seq, it.machine, it.outcome, it.reason) for seq, it in found]
    assert rows == [
        (1, "lifecycle", "ok", "number 1"),
        (2, "room:!hall:localhost", "ok", "☃"),
        (3, "lifecycle", "denied", "number 3"),
        (4, "lifecycle", "error", "number 4"),
        (5, "lifecycle", "ok", "number 5"),
    ]
    assert "set aside" not in " ".join(journals.said)


async def test_steps_migrate_every_table_that_is_kept_and_rebuild_the_cache(
    tmp_path: Path,
) -> None:
    path = release("release-0.1.db", tmp_path)
    before = read_inbox(path)
    said = prepare_file(path, LATER, now=0) or ""
    versions = f"the schema version is 1, this release uses {TWO}"
    assert said.startswith(f"{versions}; migrated: meta, gaps, inbox, outbox, intents; rebuilt: kv")
    assert said.endswith("later_notes")
    assert version_of(path) == TWO
    assert read_inbox(path) == before
    store = store_of(path, LATER)
    assert await store.rows("") == {}
    await assert_nothing_is_lost(store)
    with closing(sqlite3.connect(path)) as connection:
        texts = connection.execute("SELECT DISTINCT later_text = upper(event_id) FROM inbox")
        made = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE '%waiting'")
        assert (texts.fetchall(), made.fetchall()) == ([(1,)], [("inbox_waiting",)])
    assert prepare_file(path, LATER, now=0) is None


def test_steps_migrate_the_journal(tmp_path: Path) -> None:
    path = release("release-0.1-journal.db", tmp_path)
    before = read_journal(path)
    said = prepare_file(path, LATER_JOURNAL, now=0)
    assert (
        said
        == f"the schema version is 1, this release uses {LATER_JOURNAL.version}; migrated: journal"
    )
    assert read_journal(path) == before


def test_a_database_takes_only_the_steps_that_it_has_not_taken_yet(tmp_path: Path) -> None:
    path = release("release-0.1.db", tmp_path)
    add = Step(ONE, "outbox", ("ALTER TABLE outbox ADD COLUMN later_count INTEGER",))
    count = Step(TWO, "outbox", ("UPDATE outbox SET later_count = ifnull(later_count, 0) + 1",))
    half_way = replace(
        STORE_SCHEMA,
        version=ONE,
        script=with_columns(STORE_SCHEMA.script, {"outbox": "later_count INTEGER"}),
        steps=(*STORE_SCHEMA.steps, add),
    )
    whole = replace(half_way, version=TWO, steps=(*half_way.steps, count))
    for schema in (half_way, whole, whole):
        prepare_file(path, schema, now=0)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT DISTINCT later_count FROM outbox").fetchall() == [(1,)]


@pytest.mark.parametrize("version", range(FIRST_VERSION, STORE_SCHEMA.version))
async def test_a_database_of_any_earlier_version_opens_without_losing_a_row(
    opened: Stores, version: int
) -> None:
    shutil.copy(RELEASES / "release-0.1.db", opened.path)
    earlier = [step for step in STORE_SCHEMA.steps if step.to_version <= version]
    steps = (statement for step in earlier for statement in step.statements)
    outside(opened.path, *steps, f"PRAGMA user_version = {version}")
    async with opened() as store:
        await assert_nothing_is_lost(store)
        queued = [message.kind for message in await store.unsent(HALL, 9)]
        assert queued == [OutboundKind.MESSAGE] * 2
        # The question of a reply that is sent later may have an anchor now.
        anchor = replace(reply("$first.0"), kind=OutboundKind.ANCHOR, tried=None)
        await store.commit([OpenAnchor(anchor, EventId("$first"))])
        assert (await store.unsent(HALL, 9))[-1] == anchor
    assert f"the schema version is {version}" in " ".join(opened.said)
    assert "set aside" not in " ".join(opened.said)


async def test_what_an_earlier_version_knew_of_an_answer_is_kept(opened: Stores) -> None:
    shutil.copy(RELEASES / "release-0.1.db", opened.path)
    earlier = [step for step in STORE_SCHEMA.steps if step.to_version <= BEFORE_ANCHORS]
    steps = (statement for step in earlier for statement in step.statements)
    outside(
        opened.path,
        *steps,
        "UPDATE outbox SET thread = '$root' WHERE txn_id = 'first'",
        """UPDATE outbox SET details = '{"html":"<b>!</b>","state":"stopped","more":true}'"""
        " WHERE txn_id = 'first'",
        f"PRAGMA user_version = {BEFORE_ANCHORS}",
    )
    async with opened() as store:
        first, _ = await store.unsent(HALL, 9)
    stopped = replace(reply("first"), html="<b>!</b>", state=ReplyState.STOPPED, more=True)
    assert first == replace(stopped, thread=EventId("$root"))


# --- trouble under way


async def test_a_kill_at_any_statement_leaves_the_old_version_or_the_new_one_whole(
    tmp_path: Path,
) -> None:
    path = release("release-0.1.db", tmp_path)
    old = content(path)
    found: list[Path] = []

    def keep_what_a_kill_would_leave(_statement: str) -> None:
        folder = tmp_path / str(len(found))
        folder.mkdir()
        found.append(copy_database(path, folder))

    with closing(connect(path)) as connection:
        # Changes reach the file's log before their commit, as those of a large database do.
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.set_trace_callback(keep_what_a_kill_would_leave)
        prepare_connection(connection, LATER, now=0)
        keep_what_a_kill_would_leave("")
    versions = [version_of(each) for each in found]
    assert versions == sorted(versions)
    assert versions.count(1) > len([s for step in LATER.steps for s in step.statements])
    assert {1, TWO} == set(versions)
    for each in found:
        assert version_of(each) == TWO or content(each) == old
        store = store_of(each, LATER)
        await assert_nothing_is_lost(store)


@pytest.mark.parametrize(
    ("trouble", "why"),
    [("PRAGMA query_only = ON", "readonly"), ("PRAGMA max_page_count = 20", "full")],
    ids=["a read-only disk", "a full disk"],
)
async def test_a_disk_that_cannot_be_written_leaves_the_old_version(
    tmp_path: Path, trouble: str, why: str
) -> None:
    path = release("release-0.1.db", tmp_path)
    old = content(path)
    grown = Step(TWO, "meta", ("INSERT INTO meta(key, value) VALUES ('big', zeroblob(1000000))",))
    schema = replace(LATER, steps=(*LATER.steps, grown))
    with closing(connect(path)) as connection:
        connection.execute(trouble)
        with pytest.raises(StoreUnavailable, match=why):
            prepare_connection(connection, schema, now=0)
    assert (version_of(path), content(path)) == (1, old)
    prepare_file(path, schema, now=0)
    await assert_nothing_is_lost(store_of(path, schema))


async def test_a_second_process_that_opens_meanwhile_waits_and_finds_the_work_done(
    tmp_path: Path,
) -> None:
    path = release("release-0.1.db", tmp_path)
    second_wants_to_write = Event()
    second: list[Future[str | None]] = []

    def open_second() -> str | None:
        with closing(connect(path)) as connection:
            connection.set_trace_callback(
                lambda said: second_wants_to_write.set() if said.startswith("BEGIN") else None
            )
            return prepare_connection(connection, LATER, now=0)

    def let_the_second_one_begin(said: str) -> None:
        if not second and said.startswith("ALTER"):
            second.append(pool.submit(open_second))
            assert second_wants_to_write.wait(10)

    with ThreadPoolExecutor() as pool, closing(connect(path)) as first:
        first.set_trace_callback(let_the_second_one_begin)
        assert "migrated" in (prepare_connection(first, LATER, now=0) or "")
        assert second[0].result() is None
    await assert_nothing_is_lost(store_of(path, LATER))


# --- tables that are not what their version says


@pytest.mark.parametrize(
    ("table", "edit"),
    [
        # The step's own column is there already.
        ("outbox", "ALTER TABLE outbox ADD COLUMN later_at REAL"),
        # The step runs, and does not lead to our columns.
        ("intents", "ALTER TABLE intents ADD COLUMN remark TEXT"),
        # The first step runs, the second one has no column to read.
        ("inbox", "ALTER TABLE inbox RENAME COLUMN event_id TO name"),
    ],
)
def test_a_table_that_its_steps_do_not_fit_is_set_aside_as_it_was(
    tmp_path: Path, table: str, edit: str
) -> None:
    path = release("release-0.1.db", tmp_path)
    with closing(sqlite3.connect(path)) as other:
        other.execute(edit)
        other.commit()
        rows = other.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
    said = prepare_file(path, LATER, now=0) or ""
    assert f"set aside: {table} as {table}_19700101T000000Z" in said
    others = [kept for kept in NEW_COLUMNS if kept != table]
    assert all(kept in said.partition("migrated: ")[2].partition(";")[0] for kept in others)
    with closing(sqlite3.connect(path)) as other:
        kept = other.execute(f"SELECT * FROM {table}_19700101T000000Z").fetchall()  # noqa: S608
        assert kept == rows
        assert other.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608


async def test_going_back_and_forth_between_releases_sets_aside_only_what_was_changed(
    tmp_path: Path,
) -> None:
    path = release("release-0.1.db", tmp_path)
    prepare_file(path, LATER, now=0)
    said = prepare_file(path, STORE_SCHEMA, now=0) or ""
    changed = [table for table in STORE_SCHEMA.kept if table in NEW_COLUMNS]
    aside = ", ".join(f"{table} as {table}_19700101T000000Z" for table in changed)
    assert f"set aside: {aside}; a later release wrote this file" in said
    said = prepare_file(path, LATER, now=0) or ""
    assert "migrated: meta, gaps, inbox, outbox, intents; rebuilt: kv" in said
    with closing(sqlite3.connect(path)) as other:
        # As docs/operating.md says.
        other.execute(
            "INSERT OR IGNORE INTO outbox(txn_id, state, room_id, body, notice, event_id,"
            " created_at) SELECT txn_id, state, room_id, body, notice, event_id, created_at"
            " FROM outbox_19700101T000000Z ORDER BY seq"
        )
        other.commit()
    assert list(await store_of(path, LATER).unsent_counts()) == [HALL, STUDY]


# --- the lists of steps


@pytest.mark.parametrize("schema", [STORE_SCHEMA, JOURNAL_SCHEMA], ids=["store", "journal"])
def test_steps_are_in_the_order_of_their_versions_and_for_tables_that_are_kept(
    schema: Schema,
) -> None:
    versions = [step.to_version for step in schema.steps]
    assert versions == sorted(versions)
    assert set(versions) <= set(range(FIRST_VERSION + 1, schema.version + 1))
    assert {step.table for step in schema.steps} <= set(schema.kept)


@pytest.mark.parametrize("schema", [STORE_SCHEMA, JOURNAL_SCHEMA], ids=["store", "journal"])
def test_every_table_of_the_script_is_a_cache_or_is_kept(schema: Schema) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements_of(schema.script):
            connection.execute(statement)
        found = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        assert {name for (name,) in found} == {*schema.caches, *schema.kept}
