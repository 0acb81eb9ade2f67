"""What every StateStore does, whatever it is made of."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from actors.model import EventId, IntentStep, Nonce
from actors.ports import (
    AcceptMessage,
    CountAttempt,
    DeleteRow,
    FinishMessage,
    MarkSent,
    PutIntent,
    PutRow,
    QueueMessage,
    SavePosition,
    StateStore,
    StoreCorrupt,
    StoreUnavailable,
    Write,
)
from adapter.sqlite.sql_store import PRUNE_LIMIT
from tests.store.conftest import Stores
from tests.store.values import ALICE, BOB, OTHER_ROOM, ROOM, inbound, intent, outbound

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["inline-asyncio", "inline-trio", "aiosqlite-asyncio"])
def implementation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def anyio_backend(implementation: str) -> str:
    return implementation.rpartition("-")[2]


@pytest.fixture
def opened(implementation: str, tmp_path: Path) -> Stores:
    return Stores(implementation.startswith("inline"), tmp_path / "cache.db")


def outside(path: Path, *statements: str) -> None:
    """Another program at work on the file."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


async def names_waiting(store: StateStore, limit: int = 100) -> list[str]:
    return [waiting.message.event_id for waiting in await store.waiting(ROOM, limit)]


# --- rows


async def test_a_row_comes_back_as_it_was_put(opened: Stores) -> None:
    value: dict[str, object] = {"name": "Чат 4", "archived": False, "index": 4, "list": [None, 1.5]}
    async with opened() as store:
        await store.commit([PutRow("chat:@a:b:C4", value)])
        assert await store.row("chat:@a:b:C4") == value


async def test_an_absent_row_is_none(opened: Stores) -> None:
    async with opened() as store:
        assert await store.row("nothing") is None
        assert await store.rows("nothing") == {}


async def test_the_last_put_of_a_key_counts(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([PutRow("k", {"v": 1}), DeleteRow("k"), PutRow("k", {"v": 2})])
        assert await store.row("k") == {"v": 2}
        await store.commit([PutRow("k", {"v": 3})])
        assert await store.rows("") == {"k": {"v": 3}}


async def test_deleting_takes_a_row_and_an_absent_one_is_no_error(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([PutRow("k", {"v": 1})])
        await store.commit([DeleteRow("k"), DeleteRow("never there")])
        assert await store.rows("") == {}


async def test_a_prefix_is_text_and_no_pattern(opened: Stores) -> None:
    keys = ["chat:%", "chat:%x", "chat:_", "chat:a", "CHAT:%", "chat", "chat:%\U0010ffff"]
    async with opened() as store:
        await store.commit([PutRow(key, {"key": key}) for key in keys])
        assert set(await store.rows("chat:%")) == {"chat:%", "chat:%x", "chat:%\U0010ffff"}
        assert set(await store.rows("")) == set(keys)


@pytest.mark.parametrize(
    "damage",
    ["'not json'", "'[1]'", "'5'", "5", "NULL", "''", "x'7b2261223a22ff227d'"],
    ids=["text", "list", "number text", "number", "null", "empty", "not utf-8"],
)
async def test_a_value_that_is_no_object_reads_as_none(opened: Stores, damage: str) -> None:
    async with opened() as store:
        await store.commit([PutRow("good", {"v": 1})])
        outside(opened.path, f"INSERT INTO kv VALUES ('bad', CAST({damage} AS TEXT))")  # noqa: S608
        assert await store.row("bad") is None
        assert await store.rows("") == {"bad": None, "good": {"v": 1}}


async def test_endless_nesting_reads_as_none(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([])
        outside(opened.path, f"INSERT INTO kv VALUES ('bad', '{'[' * 100_000}')")  # noqa: S608
        assert await store.row("bad") is None


async def test_a_key_that_is_not_utf8_hides_no_other(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([PutRow("good", {"v": 1})])
        outside(opened.path, "INSERT INTO kv VALUES (CAST(x'ff' AS TEXT), '{}')")
        assert (await store.rows("")).get("good") == {"v": 1}


# --- commits


async def test_a_commit_is_wholly_in_or_wholly_out(opened: Stores) -> None:
    too_big = AcceptMessage(inbound("huge", sent_ts=2**70))
    async with opened() as store:
        with pytest.raises(OverflowError):
            await store.commit([PutRow("k", {"v": 1}), too_big, SavePosition("s1")])
        assert await store.rows("") == {}
        assert await store.position() is None
        await store.commit([PutRow("k", {"v": 2})])
        assert await store.row("k") == {"v": 2}


async def test_one_callers_bad_value_leaves_the_others_commits_in(opened: Stores) -> None:
    refused = 0

    async def commit(store: StateStore, writes: Sequence[Write]) -> None:
        nonlocal refused
        try:
            await store.commit(writes)
        except OverflowError:
            refused += 1

    async with opened() as store:
        async with anyio.create_task_group() as group:
            for number in range(10):
                huge = 2**70 if number == 5 else number
                writes: list[Write] = [
                    PutRow(f"k{number}", {}),
                    AcceptMessage(inbound(f"{number}", sent_ts=huge)),
                ]
                group.start_soon(commit, store, writes)
        assert refused == 1
        assert set(await store.rows("k")) == {f"k{number}" for number in range(10) if number != 5}
        assert len(await names_waiting(store)) == 9


async def test_committing_nothing_is_no_error(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([])
        assert await store.rows("") == {}


async def test_what_was_committed_is_there_after_a_restart(opened: Stores) -> None:
    async with opened() as store:
        await store.commit(
            [
                PutRow("k", {"v": 1}),
                SavePosition("s1"),
                AcceptMessage(inbound("a")),
                QueueMessage(outbound("t")),
                PutIntent(intent("n")),
            ]
        )
    async with opened() as store:
        assert await store.row("k") == {"v": 1}
        assert await store.position() == "s1"
        assert await names_waiting(store) == ["$a"]
        assert await store.unsent(ROOM, 10) == (outbound("t"),)
        assert await store.open_intents(ALICE) == (intent("n"),)
    assert opened.said == []


async def test_a_caller_reads_its_own_commit_while_others_commit(opened: Stores) -> None:
    seen: list[bool] = []

    async def write_and_read(store: StateStore, number: int) -> None:
        for turn in range(5):
            await store.commit([PutRow(f"k{number}", {"turn": turn})])
            seen.append(await store.row(f"k{number}") == {"turn": turn})

    async with opened() as store, anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(write_and_read, store, number)
    assert seen == [True] * 100


async def test_a_cancelled_commit_is_wholly_in_or_wholly_out(opened: Stores) -> None:
    async with opened() as store:
        for number in range(20):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    writes: list[Write] = [
                        PutRow(f"a{number}", {}),
                        AcceptMessage(inbound(f"{number}")),
                    ]
                    group.start_soon(store.commit, writes)
                    for _ in range(number % 7):
                        await anyio.lowlevel.checkpoint()
                    scope.cancel()
        await store.commit([PutRow("after", {})])
        rows = {key[1:] for key in await store.rows("a") if key != "after"}
        assert rows == {name[1:] for name in await names_waiting(store)}


async def test_a_commit_under_cancellation_writes_nothing(opened: Stores) -> None:
    async with opened() as store:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await store.commit([PutRow("k", {})])
        await store.commit([PutRow("after", {})])
        assert set(await store.rows("")) == {"after"}


# --- inbox


async def test_messages_wait_in_the_order_of_their_acceptance(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([AcceptMessage(inbound(name)) for name in "cab"])
        await store.commit([AcceptMessage(inbound("x", OTHER_ROOM))])
        await store.commit([AcceptMessage(inbound("d", edit=True))])
        assert await names_waiting(store) == ["$c", "$a", "$b", "$d"]
        assert await names_waiting(store, limit=2) == ["$c", "$a"]
        assert [waiting.message for waiting in await store.waiting(ROOM, 10)] == [
            *map(inbound, "cab"),
            inbound("d", edit=True),
        ]


async def test_a_message_is_accepted_once(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([AcceptMessage(inbound("a")), CountAttempt(EventId("$a"))])
        await store.commit([AcceptMessage(replace(inbound("a"), body="another"))])
        (waiting,) = await store.waiting(ROOM, 10)
        assert (waiting.message, waiting.attempts) == (inbound("a"), 1)


@pytest.mark.parametrize("dead", [False, True])
async def test_a_finished_message_never_waits_again(opened: Stores, dead: bool) -> None:  # noqa: FBT001
    async with opened() as store:
        await store.commit([AcceptMessage(inbound("a")), AcceptMessage(inbound("b"))])
        await store.commit([FinishMessage(EventId("$a"), dead=dead)])
        await store.commit([AcceptMessage(inbound("a"))])
        assert await names_waiting(store) == ["$b"]


async def test_finishing_or_counting_an_unknown_message_is_no_error(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([FinishMessage(EventId("$no")), CountAttempt(EventId("$no"))])
        assert await store.waiting_rooms() == ()


async def test_rooms_with_waiting_messages_come_longest_waiting_first(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([AcceptMessage(inbound("a")), AcceptMessage(inbound("b", OTHER_ROOM))])
        await store.commit([AcceptMessage(inbound("c"))])
        assert await store.waiting_rooms() == (ROOM, OTHER_ROOM)
        await store.commit([FinishMessage(EventId("$a"))])
        assert await store.waiting_rooms() == (OTHER_ROOM, ROOM)
        await store.commit([FinishMessage(EventId("$b")), FinishMessage(EventId("$c"))])
        assert await store.waiting_rooms() == ()


# --- outbox


async def test_messages_to_send_come_in_order(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([QueueMessage(outbound(name)) for name in "ca"])
        await store.commit([QueueMessage(outbound("b", notice=True))])
        await store.commit([QueueMessage(outbound("x", OTHER_ROOM))])
        expected = (outbound("c"), outbound("a"), outbound("b", notice=True))
        assert await store.unsent(ROOM, 10) == expected
        assert await store.unsent(ROOM, 1) == expected[:1]
        assert await store.unsent_rooms() == (ROOM, OTHER_ROOM)


@pytest.mark.parametrize("event_id", [EventId("$sent"), None], ids=["sent", "refused"])
async def test_a_settled_message_is_not_sent_again(
    opened: Stores, event_id: EventId | None
) -> None:
    async with opened() as store:
        await store.commit([QueueMessage(outbound("a")), QueueMessage(outbound("b"))])
        await store.commit([MarkSent("a", event_id), MarkSent("unknown", event_id)])
        await store.commit([QueueMessage(outbound("a"))])
        assert await store.unsent(ROOM, 10) == (outbound("b"),)
        await store.commit([MarkSent("b", event_id)])
        assert await store.unsent_rooms() == ()


async def test_a_known_transaction_keeps_its_first_text(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([QueueMessage(outbound("a"))])
        await store.commit([QueueMessage(replace(outbound("a"), body="another"))])
        assert await store.unsent(ROOM, 10) == (outbound("a"),)


# --- position and intents


async def test_the_position_is_the_one_saved_last(opened: Stores) -> None:
    async with opened() as store:
        assert await store.position() is None
        await store.commit([SavePosition("s1"), SavePosition("s2")])
        assert await store.position() == "s2"


async def test_intents_stay_in_the_order_of_the_promise(opened: Stores) -> None:
    second = replace(intent("n2"), step=IntentStep.CREATING, started_at=12.5, told_queued=True)
    async with opened() as store:
        await store.commit([PutIntent(intent(name)) for name in ("n1", "n2", "n0")])
        await store.commit([PutIntent(second)])
        assert await store.open_intents(ALICE) == (intent("n1"), second, intent("n0"))
        assert await store.open_intents(BOB) == ()


async def test_only_if_new_leaves_a_known_intent_as_it_is(opened: Stores) -> None:
    done = intent("n", step=IntentStep.DONE)
    async with opened() as store:
        await store.commit([PutIntent(intent("n"), only_if_new=True)])
        await store.commit([PutIntent(done, only_if_new=True)])
        assert await store.open_intents(ALICE) == (intent("n"),)
        await store.commit([PutIntent(done)])
        await store.commit([PutIntent(intent("n"), only_if_new=True)])
        assert await store.open_intents(ALICE) == ()


async def test_owners_are_those_with_an_open_intent(opened: Stores) -> None:
    async with opened() as store:
        await store.commit(
            [PutIntent(intent("n1", BOB)), PutIntent(intent("n2")), PutIntent(intent("n3", BOB))]
        )
        assert await store.intent_owners() == (BOB, ALICE)
        await store.commit([PutIntent(intent("n2", step=IntentStep.DONE))])
        assert await store.intent_owners() == (BOB,)


async def test_an_intent_that_cannot_be_read_hides_no_other(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([PutIntent(intent("n1")), PutIntent(intent("n2"))])
        outside(opened.path, "UPDATE intents SET body = '{}' WHERE nonce = 'n1'")
        assert [found.nonce for found in await store.open_intents(ALICE)] == [Nonce("n2")]


# --- pruning


async def test_pruning_deletes_what_is_settled_and_old(opened: Stores) -> None:
    async with opened() as store:
        for age, name in ((200.0, "old"), (100.0, "new")):
            opened.clock.now -= age
            for state in ("waiting", "done", "dead"):
                await store.commit([AcceptMessage(inbound(f"{name}-{state}"))])
            for state in ("unsent", "sent", "refused"):
                await store.commit([QueueMessage(outbound(f"{name}-{state}"))])
            await store.commit(
                [
                    FinishMessage(EventId(f"${name}-done")),
                    FinishMessage(EventId(f"${name}-dead"), dead=True),
                    MarkSent(f"{name}-sent", EventId("$e")),
                    MarkSent(f"{name}-refused", None),
                ]
            )
            opened.clock.now += age
        assert await store.prune(before=opened.clock.now - 150) == 3
        assert await store.prune(before=opened.clock.now - 150) == 0
        # What stayed is still known; what went can be accepted anew.
        names = ["old-done", "old-dead", "old-waiting", "new-done", "new-dead"]
        await store.commit([AcceptMessage(inbound(name)) for name in names])
        assert await names_waiting(store) == ["$old-waiting", "$new-waiting", "$old-done"]
        assert [m.txn_id for m in await store.unsent(ROOM, 10)] == ["old-unsent", "new-unsent"]


async def test_pruning_goes_on_until_all_is_deleted(opened: Stores) -> None:
    names = [str(number) for number in range(PRUNE_LIMIT + 7)]
    async with opened() as store:
        await store.commit([AcceptMessage(inbound(name)) for name in names])
        await store.commit([FinishMessage(EventId(f"${name}")) for name in names])
        assert await store.prune(before=opened.clock.now + 1) == PRUNE_LIMIT + 7


# --- trouble


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


async def test_a_table_lost_under_way_is_corruption(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([PutRow("k", {})])
        outside(opened.path, "DROP TABLE kv")
        with pytest.raises(StoreCorrupt):
            await store.row("k")
        with pytest.raises(StoreCorrupt):
            await store.commit([PutRow("k", {})])


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
