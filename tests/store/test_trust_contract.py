"""What a store knows of dirty rooms, and of rows that another program has changed."""

import pytest

from actors.model import RoomId
from actors.writes import (
    ClearDirty,
    DeleteRow,
    MarkDirty,
    NoteWholeRead,
    PutRow,
    SavePosition,
    Write,
)
from tests.store.conftest import ON_FILES, Stores
from tests.store.values import ROOM, outside

pytestmark = pytest.mark.anyio

HALL, STUDY = RoomId("!hall:x"), RoomId("!study:x")
NOTED = (PutRow("a", {"v": 1}), PutRow("b", {"v": 2}), NoteWholeRead(7.5))


async def test_marks_are_kept_with_the_latest_change(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([MarkDirty(HALL, 1), MarkDirty(STUDY, 2), SavePosition("s1")])
        await store.commit([MarkDirty(HALL, 3)])
    async with opened() as store:
        assert await store.dirty() == {STUDY: 2, HALL: 3}


async def test_only_the_change_that_was_seen_is_cleared(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([MarkDirty(HALL, 1), MarkDirty(STUDY, 2), MarkDirty(HALL, 3)])
        await store.commit([ClearDirty(HALL, 1), ClearDirty(STUDY, 2)])
        assert await store.dirty() == {HALL: 3}
        await store.commit([ClearDirty(HALL, 3)])
        assert await store.dirty() == {}


async def test_without_a_whole_read_no_row_is_trusted(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([PutRow("a", {"v": 1})])
        assert await store.whole_read_at() is None


@pytest.mark.parametrize("write", [PutRow("a", {"v": 3}), DeleteRow("b"), PutRow("c", {})])
async def test_what_the_bot_writes_keeps_the_whole_read(opened: Stores, write: Write) -> None:
    async with opened() as store:
        await store.commit(NOTED)
        await store.commit([write, PutRow("d", {})])
        assert await store.whole_read_at() == 7.5
    async with opened() as store:
        assert await store.whole_read_at() == 7.5


async def test_a_new_position_takes_the_whole_read_back(opened: Stores) -> None:
    async with opened() as store:
        await store.commit(NOTED)
        await store.commit([NoteWholeRead(None), SavePosition("s2")])
        assert await store.whole_read_at() is None


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM kv WHERE key = 'a'",
        "DELETE FROM kv",
        "INSERT INTO kv VALUES ('c', '{}')",
        "INSERT INTO kv VALUES ('c', NULL)",
        "UPDATE kv SET value = '{\"v\":9}' WHERE key = 'a'",
        "UPDATE kv SET key = 'c' WHERE key = 'a'",
        "UPDATE kv SET value = CASE key WHEN 'a' THEN '{\"v\":2}' ELSE '{\"v\":1}' END",
    ],
)
async def test_a_row_that_another_program_has_changed_voids_it_for_good(
    opened: Stores, statement: str
) -> None:
    async with opened() as store:
        await store.commit(NOTED)
        outside(opened.place, statement)
        assert await store.whole_read_at() is None
        await store.commit([PutRow("d", {})])
        assert await store.whole_read_at() is None
        await store.commit([PutRow("d", {"v": 1}), NoteWholeRead(8.0)])
        assert await store.whole_read_at() == 8.0


@pytest.mark.parametrize("lost", ["dirty", "kv"])
async def test_rows_beside_a_lost_table_are_not_trusted(opened: Stores, lost: str) -> None:
    async with opened() as store:
        await store.commit([*NOTED, MarkDirty(ROOM, 1)])
    outside(opened.place, f"DROP TABLE {lost}")
    async with opened() as store:
        assert await store.whole_read_at() is None


@pytest.mark.parametrize("implementation", ON_FILES, indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA user_version = 4",
        "DROP TRIGGER kv_updated",
        "ALTER TABLE meta RENAME TO other",
        "CREATE TRIGGER undo AFTER INSERT ON inbox BEGIN DELETE FROM gaps; END",
    ],
)
async def test_rows_in_a_file_that_had_to_be_changed_are_not_trusted(
    opened: Stores, statement: str
) -> None:
    async with opened() as store:
        await store.commit([*NOTED, MarkDirty(ROOM, 1)])
    outside(opened.path, statement)
    async with opened() as store:
        assert await store.whole_read_at() is None
        await store.commit(NOTED)
        outside(opened.path, "UPDATE kv SET value = NULL")
        assert await store.whole_read_at() is None
    assert opened.said
    opened.said.clear()
    async with opened():
        assert not opened.said
