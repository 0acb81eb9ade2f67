"""What only a file can suffer: other programs' locks, and paths that lead nowhere."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.port_errors import StoreCorrupt, StoreUnavailable
from actors.writes import PutRow
from adapter.sqlite.store import SqliteStore
from tests.store.conftest import ON_FILES, Stores

pytestmark = pytest.mark.anyio


@pytest.fixture(params=ON_FILES)
def implementation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_locked_database_is_unavailable_until_it_is_unlocked(opened: Stores) -> None:
    async with opened(busy_timeout_s=0.05) as store:
        with closing(sqlite3.connect(opened.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="locked"):
                await store.commit([PutRow("k", {})])
            assert await store.rows("") == {}
            other.execute("ROLLBACK")
        await store.commit([PutRow("k", {})])
        assert await store.row("k") == {}


async def test_a_locked_database_is_not_taken_for_a_damaged_one(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([PutRow("k", {})])
    with closing(sqlite3.connect(opened.path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable):
            async with opened(busy_timeout_s=0.05):
                pass
    async with opened() as store:
        assert await store.row("k") == {}
    assert opened.said == []


async def test_a_path_that_is_a_folder_is_unavailable(opened: Stores) -> None:
    opened.path.mkdir()
    with pytest.raises(StoreUnavailable):
        async with opened():
            pass


async def test_a_path_below_a_file_is_unavailable(opened: Stores) -> None:
    opened.path.write_text("")
    opened.path /= "cache.db"
    with pytest.raises(StoreUnavailable):
        async with opened():
            pass


async def test_a_missing_folder_is_made_for_the_owner_alone(opened: Stores) -> None:
    opened.path = opened.path.with_name("data") / "cache.db"
    async with opened():
        assert opened.path.parent.stat().st_mode & 0o777 == 0o700
        assert opened.path.stat().st_mode & 0o777 == 0o600


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
