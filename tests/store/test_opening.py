"""What becomes of a file that is not as we left it."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from actors.writes import AcceptMessage, OpenGap, PutIntent, PutRow, QueueMessage, SavePosition
from adapter.sqlite.inline import InlineStore
from adapter.sqlite.journal import read_journal
from adapter.sqlite.schema import STORE_SCHEMA
from tests.store.conftest import ON_FILES, Journals, Stores
from tests.store.values import ALICE, ROOM, inbound, intent, outbound, record

pytestmark = pytest.mark.anyio


@pytest.fixture(params=ON_FILES)
def implementation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


OURS = STORE_SCHEMA.version
FILLED = ("meta", "gaps", "inbox", "outbox", "intents")
"""The tables that are kept and in which `fill` puts one row."""
GAP = OpenGap(ROOM, since="s0", upto="s1")


async def fill(opened: Stores) -> None:
    """One of everything, and a few hundred rows."""
    async with opened() as store:
        await store.commit([PutRow(f"k{number}", {"n": "x" * 100}) for number in range(500)])
        await store.commit([SavePosition("s1"), AcceptMessage(inbound("a"))])
        await store.commit([QueueMessage(outbound("t")), PutIntent(intent("n")), GAP])
    assert opened.path.stat().st_size > 40_000


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def truncate_to(size: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, size)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "another kind of file": lambda path: path.write_text("Dear diary, " * 1000),
    "random bytes": lambda path: path.write_bytes(bytes(range(256)) * 100),
    "ten bytes": lambda path: path.write_bytes(b"SQLite for"),
    "zeroes": lambda path: path.write_bytes(bytes(8192)),
    "truncated to the header": truncate_to(100),
    "truncated to one page": truncate_to(4096),
    "truncated in a page": truncate_to(30_000),
    "first page overwritten": lambda path: overwrite(path, 100, b"\xaa" * 3996),
    "pages overwritten": lambda path: overwrite(path, 8192, b"\xaa" * 24_000),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_damaged_file_is_moved_aside_and_begun_anew(
    opened: Stores, damage: Callable[[Path], object]
) -> None:
    await fill(opened)
    damage(opened.path)
    damaged = opened.path.read_bytes()
    async with opened() as store:
        assert await store.rows("") == {}
        await store.commit([PutRow("k", {"v": 1})])
        assert await store.row("k") == {"v": 1}
        assert store.recovery is not None
        assert opened.said == [store.recovery]
    aside = opened.path.with_name("cache.db.corrupt-20270115T080000Z")
    assert aside.name in opened.said[0]
    assert aside.read_bytes() == damaged
    assert opened.path.stat().st_mode & 0o777 == 0o600


async def test_a_second_damaged_file_does_not_replace_the_first(opened: Stores) -> None:
    for text in ("first", "second"):
        opened.path.write_text(text)
        async with opened() as store:
            await store.commit([PutRow("k", {})])
    kept = sorted(opened.path.parent.glob("*.corrupt-*"))
    assert [path.read_text() for path in kept] == ["first", "second"]


async def test_an_empty_file_is_simply_filled(opened: Stores) -> None:
    opened.path.touch()
    async with opened() as store:
        await store.commit([PutRow("k", {})])
    assert opened.said == []


async def test_a_log_whose_database_is_gone_is_ignored(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([PutRow("k", {})])
        wal = opened.path.with_name("cache.db-wal").read_bytes()
    assert wal
    opened.path.unlink()
    opened.path.with_name("cache.db-wal").write_bytes(wal)
    async with opened() as store:
        assert await store.rows("") == {}
        await store.commit([PutRow("new", {})])
        assert await store.row("new") == {}


@pytest.mark.parametrize("companion", ["-wal", "-shm"])
async def test_rubbish_beside_the_database_does_no_harm(opened: Stores, companion: str) -> None:
    async with opened() as store:
        await store.commit([PutRow("k", {"v": 1})])
    opened.path.with_name(f"cache.db{companion}").write_bytes(b"rubbish" * 10_000)
    async with opened() as store:
        assert await store.row("k") == {"v": 1}
        await store.commit([PutRow("k", {"v": 2})])
        assert await store.row("k") == {"v": 2}


async def test_a_later_version_rebuilds_the_cache_and_keeps_what_has_our_columns(
    opened: Stores,
) -> None:
    await fill(opened)
    with closing(sqlite3.connect(opened.path)) as other:
        other.execute("PRAGMA user_version = 99")
    async with opened() as store:
        assert store.recovery == f"the schema version is 99, this release uses {OURS}; rebuilt: kv"
        assert opened.said == [store.recovery]
        assert await store.rows("") == {}
        assert await store.position() == "s1"
        assert await store.gaps() == (GAP,)
        assert [waiting.message for waiting in await store.waiting(ROOM, 9)] == [inbound("a")]
        assert await store.unsent(ROOM, 9) == (outbound("t"),)
        assert await store.open_intents(ALICE) == (intent("n"),)
    async with opened() as store:
        assert store.recovery is None


async def test_the_cache_of_an_older_bot_is_rebuilt(opened: Stores) -> None:
    with closing(sqlite3.connect(opened.path)) as other:
        other.execute("CREATE TABLE kv(key TEXT, value BLOB, changed REAL)")
        other.execute("CREATE TABLE notes(text TEXT)")
        other.execute("INSERT INTO notes VALUES ('somebody else''s')")
        other.commit()
    async with opened() as store:
        await store.commit([PutRow("k", {})])
        assert await store.rows("") == {"k": {}}
    assert "rebuilt: kv" in opened.said[0]
    with closing(sqlite3.connect(opened.path)) as other:
        assert other.execute("SELECT * FROM notes").fetchall() == [("somebody else's",)]


async def test_a_queue_of_a_later_version_with_other_columns_is_set_aside(opened: Stores) -> None:
    await fill(opened)
    with closing(sqlite3.connect(opened.path)) as other:
        other.execute("ALTER TABLE inbox RENAME COLUMN body TO content")
        other.execute("PRAGMA user_version = 99")
    async with opened() as store:
        assert await store.waiting_counts() == {}
        await store.commit([AcceptMessage(inbound("b"))])
        assert len(await store.waiting(ROOM, 9)) == 1
        assert await store.unsent(ROOM, 9) == (outbound("t"),)
    (said,) = opened.said
    assert said.startswith(f"the schema version is 99, this release uses {OURS}; rebuilt: kv; ")
    assert "; set aside: inbox as inbox_20270115T080000Z; a later release wrote this file" in said
    with closing(sqlite3.connect(opened.path)) as other:
        kept = other.execute("SELECT event_id FROM inbox_20270115T080000Z").fetchall()
        index = other.execute("SELECT tbl_name FROM sqlite_master WHERE name = 'inbox_waiting'")
        assert (kept, index.fetchall()) == ([("$a",)], [("inbox",)])


@pytest.mark.parametrize("table", FILLED)
async def test_a_table_that_was_edited_from_outside_is_set_aside_and_the_others_stay(
    opened: Stores, table: str
) -> None:
    await fill(opened)
    for _ in range(2):
        with closing(sqlite3.connect(opened.path)) as other:
            other.execute(f"ALTER TABLE {table} ADD COLUMN remark TEXT")
        async with opened() as store:
            assert await store.row("k1") is not None
    # The second one does not take the first one's name.
    aside = f"{table}_20270115T080000Z"
    assert opened.said == [
        f"the schema version is {OURS}, this release uses {OURS}; set aside: {table} as {name}"
        for name in (aside, f"{aside}_")
    ]
    with closing(sqlite3.connect(opened.path)) as other:
        for kept in FILLED:
            name = aside if kept == table else kept
            assert other.execute(f"SELECT count(*) FROM {name}").fetchone() == (1,)  # noqa: S608


async def test_a_lost_table_is_made_again_and_the_others_stay(opened: Stores) -> None:
    await fill(opened)
    with closing(sqlite3.connect(opened.path)) as other:
        other.execute("DROP TABLE outbox")
    async with opened() as store:
        assert await store.unsent_counts() == {}
        assert await store.position() == "s1"
    assert "missing: outbox" in opened.said[0]


async def test_a_kv_that_is_not_a_table_is_damage(opened: Stores) -> None:
    with closing(sqlite3.connect(opened.path)) as other:
        other.execute("CREATE VIEW kv AS SELECT 1 AS key, 2 AS value")
    async with opened() as store:
        await store.commit([PutRow("k", {})])
    assert "was damaged" in opened.said[0]


async def test_a_trigger_that_somebody_else_has_made_is_removed(opened: Stores) -> None:
    await fill(opened)
    with closing(sqlite3.connect(opened.path)) as database, database:
        database.execute(
            """CREATE TRIGGER "an ""odd"" one" BEFORE INSERT ON kv
            BEGIN SELECT RAISE(ABORT, 'no'); END"""
        )
    async with opened() as store:
        await store.commit([PutRow("k", {"n": 1})])
        assert await store.row("k") == {"n": 1}
    assert opened.said == ['triggers removed: an "odd" one']
    async with opened() as store:
        assert store.recovery is None


def test_the_kv_table_has_the_shape_that_others_rely_on() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(STORE_SCHEMA.script)
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'kv'").fetchone()
    assert sql == "CREATE TABLE kv(key TEXT PRIMARY KEY, value TEXT)"


async def test_a_damaged_journal_is_moved_aside_as_well(journals: Journals) -> None:
    journals.path.write_text("not a journal")
    async with journals() as journal:
        await journal.append(record(1))
        assert journal.recovery is not None
        assert journals.said == [journal.recovery]
    assert [row.transition.reason for row in read_journal(journals.path)] == ["number 1"]
    (aside,) = journals.path.parent.glob("*.corrupt-*")
    assert aside.read_text() == "not a journal"


async def test_a_journal_with_other_columns_is_set_aside(journals: Journals) -> None:
    with closing(sqlite3.connect(journals.path)) as other:
        other.execute("CREATE TABLE journal(seq INTEGER PRIMARY KEY, what TEXT)")
    async with journals() as journal:
        await journal.append(record(1))
        assert "set aside: journal" in (journal.recovery or "")
    assert len(read_journal(journals.path)) == 1


def test_a_database_in_memory_is_closed_with_its_last_reference() -> None:
    """In whichever thread that goes: Python's collector runs in any of them."""
    store = [InlineStore()]
    connection: sqlite3.Connection = vars(store[0]._database)["_connection"]
    collector = Thread(target=store.clear)
    collector.start()
    collector.join()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
