"""Commits in groups: how many transactions they take, and what a cancellation does to them."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import pytest

from actors.model import StoredGeneration
from actors.port_errors import StoreUnavailable
from actors.writes import KeepGeneration, PutIntent, PutRow, Write
from adapter.sql.group import GroupCommit
from adapter.sql.statements import statement_for
from adapter.sql.values import Statement, grouped
from adapter.sqlite.connection import connected
from adapter.sqlite.opening import prepare_file
from adapter.sqlite.schema import STORE_SCHEMA
from tests.store.values import ALICE, intent

pytestmark = pytest.mark.anyio


def put(key: str) -> Statement:
    return statement_for(PutRow(key, {}), now=0)


@asynccontextmanager
async def traced(path: Path) -> AsyncIterator[tuple[GroupCommit, list[str]]]:
    """A writer, and every statement that reaches SQLite through it."""
    prepare_file(path, STORE_SCHEMA, now=0)
    trace: list[str] = []
    async with connected(path) as db:
        await db.set_trace_callback(trace.append)
        async with GroupCommit.over(db) as group:
            yield group, trace


def keys(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as other:
        return {key for (key,) in other.execute("SELECT key FROM kv")}


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_commits_that_come_together_share_one_transaction(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    async with traced(path) as (group, trace):
        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(group.submit, [put(f"k{number}")])
        assert trace.count("BEGIN IMMEDIATE") == 1
        assert trace.count("COMMIT") == 1
    assert len(keys(path)) == 100


async def test_commits_that_come_during_a_transaction_share_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    async with traced(path) as (group, trace), anyio.create_task_group() as tasks:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            tasks.start_soon(group.submit, [put("first")])
            await anyio.wait_all_tasks_blocked()
            for number in range(50):
                tasks.start_soon(group.submit, [put(f"k{number}")])
            await anyio.wait_all_tasks_blocked()
            other.execute("ROLLBACK")
    assert trace.count("COMMIT") == 2
    assert len(keys(path)) == 51


@pytest.mark.parametrize("write", [PutIntent(intent("n")), KeepGeneration(StoredGeneration(ALICE))])
async def test_only_a_promise_waits_for_the_disk(tmp_path: Path, write: Write) -> None:
    promise = statement_for(write, now=0)
    async with traced(tmp_path / "cache.db") as (group, trace):
        for statements in ([put("a")], [put("b"), promise], [put("c")]):
            await group.submit(statements)
    settings = [said for said in trace if said.startswith("PRAGMA")]
    assert settings == [f"PRAGMA synchronous = {level}" for level in ("NORMAL", "FULL", "NORMAL")]


async def test_a_caller_cancelled_under_way_leaves_no_transaction_open(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    async with traced(path) as (group, trace):
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(group.submit, [put("begun-1"), put("begun-2")])
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(group.submit, [put("queued-1"), put("queued-2")])
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
            other.execute("ROLLBACK")
        await group.submit([put("after")])
        assert trace.count("BEGIN IMMEDIATE") == trace.count("COMMIT") == 2
    # What had begun is wholly in, what had not is wholly out.
    assert keys(path) == {"begun-1", "begun-2", "after"}


async def test_closing_writes_what_was_submitted(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    async with anyio.create_task_group() as tasks, traced(path) as (group, _):
        for number in range(10):
            tasks.start_soon(group.submit, [put(f"k{number}")])
        # Each has submitted, and the writer has had no turn to finish.
        await anyio.lowlevel.checkpoint()
    assert len(keys(path)) == 10


async def test_being_cancelled_closes_properly(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with anyio.CancelScope() as scope:
        async with traced(path) as (group, _):
            await group.submit([put("k")])
            scope.cancel()
            await anyio.sleep_forever()
    assert keys(path) == {"k"}
    # The last connection that closes takes the log along.
    assert files(tmp_path) == ["cache.db"]


async def test_a_closed_writer_is_unavailable(tmp_path: Path) -> None:
    async with traced(tmp_path / "cache.db") as (group, _):
        pass
    with pytest.raises(StoreUnavailable, match="closed"):
        await group.submit([put("k")])


async def test_a_full_disk_is_unavailable_for_all_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    refused = 0

    async def submit(group: GroupCommit, number: int) -> None:
        nonlocal refused
        try:
            await group.submit([statement_for(PutRow(f"k{number}", {"v": "x" * 9999}), now=0)])
        except StoreUnavailable:
            refused += 1

    prepare_file(path, STORE_SCHEMA, now=0)
    async with connected(path, "PRAGMA max_page_count = 15") as db, GroupCommit.over(db) as group:
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(submit, group, number)
        await group.submit([put("small")])
    assert refused == 20
    assert keys(path) == {"small"}


def test_equal_statements_become_one_run_and_tables_keep_their_order() -> None:
    one, other = Statement("a", "A", ("1",)), Statement("b", "B", ("2",))
    last = Statement("a", "A2", ("3",))
    assert list(grouped([one, other, one, other, last, one])) == [
        ("A", False, [("1",), ("1",)]),
        ("A2", False, [("3",)]),
        ("A", False, [("1",)]),
        ("B", False, [("2",), ("2",)]),
    ]
