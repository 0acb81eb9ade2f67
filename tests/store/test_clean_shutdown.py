"""A database that may be trusted without reading the rooms: closed by us, not written since."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.port_errors import StoreCorrupt
from actors.writes import PutRow
from adapter.sqlite.clean_shutdown import record_clean_shutdown, take_clean_shutdown_record
from adapter.sqlite.schema import STORE_SCHEMA
from adapter.sqlite.store import SqliteStore

pytestmark = pytest.mark.anyio
ACCOUNT = "@bot:x"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def closed(path: Path) -> None:
    async with SqliteStore.open(path) as store:
        await store.commit([PutRow("matrix_user:@a:x", {"next_chat_index": 1})])
        assert await store.undisturbed()


def write_from_outside(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM kv")


async def test_a_database_that_nobody_touched_since_the_shutdown_is_known_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.db"
    await closed(path)
    record_clean_shutdown(path, tmp_path, ACCOUNT)
    assert take_clean_shutdown_record(path, tmp_path, ACCOUNT)


async def test_a_record_is_good_for_one_start_only(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await closed(path)
    record_clean_shutdown(path, tmp_path, ACCOUNT)
    take_clean_shutdown_record(path, tmp_path, ACCOUNT)
    assert not take_clean_shutdown_record(path, tmp_path, ACCOUNT)


async def test_a_database_written_since_the_shutdown_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await closed(path)
    record_clean_shutdown(path, tmp_path, ACCOUNT)
    write_from_outside(path)
    assert not take_clean_shutdown_record(path, tmp_path, ACCOUNT)


async def test_the_database_of_another_account_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await closed(path)
    record_clean_shutdown(path, tmp_path, ACCOUNT)
    assert not take_clean_shutdown_record(path, tmp_path, "@other:x")


async def test_a_database_whose_cache_this_release_rebuilds_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await closed(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {STORE_SCHEMA.version + 1}")
    record_clean_shutdown(path, tmp_path, ACCOUNT)
    assert not take_clean_shutdown_record(path, tmp_path, ACCOUNT)


async def test_a_database_that_is_still_open_gets_no_record(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with SqliteStore.open(path) as store:
        await store.commit([PutRow("matrix_user:@a:x", {"next_chat_index": 1})])
        record_clean_shutdown(path, tmp_path, ACCOUNT)
    assert not take_clean_shutdown_record(path, tmp_path, ACCOUNT)


async def test_a_write_from_outside_while_the_store_is_open_disturbs_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with SqliteStore.open(path) as store:
        await store.commit([PutRow("matrix_user:@a:x", {"next_chat_index": 1})])
        write_from_outside(path)
        assert not await store.undisturbed()


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_file_that_is_gone_is_noticed_while_the_store_is_open(
    tmp_path: Path, *, replaced: bool
) -> None:
    path = tmp_path / "a.db"
    async with SqliteStore.open(path) as store:
        await store.verify()
        path.unlink()
        if replaced:
            path.write_bytes(b"another one")
        with pytest.raises(StoreCorrupt, match="deleted or replaced"):
            await store.verify()
        assert not await store.undisturbed()
