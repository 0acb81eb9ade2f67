"""The journal, written by every implementation and read from outside."""

from dataclasses import asdict
from pathlib import Path

import anyio
import pytest

from actors.port_errors import StoreCorrupt, StoreUnavailable
from adapter.sqlite.inline import InlineJournal
from adapter.sqlite.journal import JournalMissing, SqliteJournal, read_journal
from tests.store.conftest import Journals
from tests.store.values import record

pytestmark = pytest.mark.anyio


async def test_a_row_has_the_records_fields_in_the_contracts_order(journals: Journals) -> None:
    async with journals() as journal:
        await journal.append(record(7))
        (row,) = journals.rows()
    assert list(row.fields().items()) == [("seq", 1), *asdict(record(7)).items()]
    assert row.transition == record(7)


async def test_it_is_read_oldest_first_while_it_is_written(journals: Journals) -> None:
    async with journals() as journal:
        for number in range(3):
            await journal.append(record(number))
            assert [row.transition.dwell_ms for row in journals.rows()] == list(range(number + 1))


async def test_a_limit_means_the_newest(journals: Journals) -> None:
    async with journals() as journal:
        for number in range(6):
            machine = "lifecycle" if number % 2 else "room:!r"
            await journal.append(record(number, machine=machine))
    assert [row.seq for row in journals.rows(limit=2)] == [5, 6]
    assert [row.seq for row in journals.rows(machine="room:!r")] == [1, 3, 5]
    assert [row.seq for row in journals.rows(machine="room:!r", limit=2)] == [3, 5]
    assert [row.seq for row in journals.rows(after_seq=4)] == [5, 6]
    assert [row.seq for row in journals.rows(after_seq=4, limit=1)] == [6]
    assert [row.seq for row in journals.rows(machine="room:!r", after_seq=4)] == [5]
    assert journals.rows(limit=0) == []
    assert journals.rows(machine="room:!other") == []


async def test_concurrent_records_are_all_kept(journals: Journals) -> None:
    async with journals() as journal, anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(journal.append, record(number))
    rows = journals.rows()
    assert {row.transition.dwell_ms for row in rows} == set(range(50))
    assert [row.seq for row in rows] == list(range(1, 51))


async def test_numbers_go_on_after_a_restart(journals: Journals) -> None:
    for number in range(3):
        async with journals() as journal:
            await journal.append(record(number))
            assert journal.recovery is None
    assert [row.seq for row in journals.rows()] == [1, 2, 3]


async def test_it_keeps_the_newest_rows_only(journals: Journals) -> None:
    async with journals(max_rows=5) as journal:
        for number in range(12):
            await journal.append(record(number))
    assert [row.transition.dwell_ms for row in journals.rows()] == [7, 8, 9, 10, 11]


async def test_it_forgets_what_is_too_old(journals: Journals) -> None:
    times = ("2027-01-15T07:00:00Z", "2027-01-15T07:59:00.5Z", "2027-01-15T08:00:00+00:00")
    async with journals(max_age_s=60) as journal:
        for number, at in enumerate(times):
            await journal.append(record(number, at=at))
            journals.clock.now += 0.25
    assert [row.transition.dwell_ms for row in journals.rows()] == [1, 2]
    journals.clock.now += 100
    async with journals(max_age_s=60) as journal:
        await journal.append(record(3, at="2027-01-15T08:01:40Z"))
    assert [row.seq for row in journals.rows()] == [4]


async def test_a_clock_set_ahead_deletes_nothing_while_the_bot_runs(journals: Journals) -> None:
    async with journals(max_age_s=90 * 86_400.0) as journal:
        await journal.append(record(1, at="2027-01-15T08:00:00Z"))
        journals.clock.now += 365 * 86_400.0
        await journal.append(record(2, at="2028-01-15T08:00:00Z"))
    assert [row.transition.dwell_ms for row in journals.rows()] == [1, 2]


@pytest.mark.parametrize("companions", [True, False])
async def test_one_that_is_deleted_while_it_is_written_is_begun_anew(
    tmp_path: Path,
    companions: bool,  # noqa: FBT001
) -> None:
    path, said = tmp_path / "journal.db", list[str]()
    async with SqliteJournal.open(path, on_recovery=said.append) as journal:
        await journal.append(record(1))
        for ending in ("", "-wal", "-shm") if companions else ("",):
            path.with_name(path.name + ending).unlink()
        async with anyio.create_task_group() as tasks:
            for number in (2, 3, 4):
                tasks.start_soon(journal.append, record(number))
        assert {row.transition.dwell_ms for row in read_journal(path)} == {2, 3, 4}
    assert said == [
        "journal.db was deleted or replaced while the bot ran; the bot uses the file at its path"
    ]
    assert len(read_journal(path)) == 3


async def test_one_that_cannot_be_begun_anew_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with SqliteJournal.open(path) as journal:
        path.unlink()
        path.mkdir()
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await journal.append(record(1))
        path.rmdir()
        await journal.append(record(2))
        assert [row.transition.dwell_ms for row in read_journal(path)] == [2]


async def test_one_that_is_damaged_while_it_is_written_is_begun_anew(tmp_path: Path) -> None:
    path, said = tmp_path / "journal.db", list[str]()
    async with SqliteJournal.open(path, on_recovery=said.append) as journal:
        with path.open("r+b") as file:
            file.write(b"rubbish" * 2000)
        path.with_name("journal.db-wal").write_bytes(b"")
        with pytest.raises(StoreCorrupt):
            await journal.append(record(1))
        await journal.append(record(7))
        assert [row.transition.dwell_ms for row in read_journal(path)] == [7]
    assert "a new file is used" in said[0]


async def test_one_in_memory_can_be_read_too() -> None:
    journal = InlineJournal()
    await journal.append(record(1))
    await journal.append(record(2))
    assert [row.transition.dwell_ms for row in await journal.rows()] == [1, 2]
    journal.close()


def test_no_file_is_a_missing_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalMissing, match="there is no journal"):
        read_journal(tmp_path / "journal.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_a_journal_is_a_missing_journal(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    with pytest.raises(JournalMissing, match="holds no journal"):
        read_journal(tmp_path / "empty.db")


def test_a_damaged_journal_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("rubbish" * 1000)
    with pytest.raises(StoreCorrupt):
        read_journal(tmp_path / "journal.db")


async def test_a_path_with_odd_characters_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "journal?mode=rw#100%.db"
    async with SqliteJournal.open(path) as journal:
        await journal.append(record(1))
    assert len(read_journal(path)) == 1
