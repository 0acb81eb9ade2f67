"""What every StateStore does with rows, commits and trouble, whatever it is made of."""

from collections.abc import Sequence
from dataclasses import replace

import anyio
import pytest

from actors.model import EventId
from actors.port_errors import StoreCorrupt
from actors.ports import StateStore
from actors.writes import (
    AcceptMessage,
    DeleteRow,
    PutIntent,
    PutRow,
    QueueMessage,
    SavePosition,
    Write,
)
from tests.store.conftest import Stores
from tests.store.values import (
    ALICE,
    OTHER_ROOM,
    ROOM,
    inbound,
    intent,
    names_waiting,
    outbound,
    outside,
)

pytestmark = pytest.mark.anyio


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


async def test_a_row_that_names_another_room_is_not_deleted(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([PutRow(key, {"surface_ref": ROOM}) for key in "ab"])
        await store.commit([PutRow("c", {"v": 1}), PutRow("d", {"surface_ref": [ROOM]})])
        outside(opened.place, "INSERT INTO kv VALUES ('e', 'not json')")
        await store.commit([DeleteRow("a", surface_ref=OTHER_ROOM)])
        await store.commit([DeleteRow(key, surface_ref=ROOM) for key in "bcde"])
        assert set(await store.rows("")) == {"a", "c", "d", "e"}


async def test_keys_are_found_in_order_whatever_their_rows_say(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([PutRow(key, {"n": 1}) for key in ("b:2", "a:1", "b:1", "c")])
        assert await store.keys("b:") == ("b:1", "b:2")
        assert await store.keys("") == ("a:1", "b:1", "b:2", "c")
        assert await store.keys("d") == ()


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
        outside(opened.place, f"INSERT INTO kv VALUES ('bad', CAST({damage} AS TEXT))")  # noqa: S608
        assert await store.row("bad") is None
        assert await store.rows("") == {"bad": None, "good": {"v": 1}}


async def test_endless_nesting_reads_as_none(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([])
        outside(opened.place, f"INSERT INTO kv VALUES ('bad', '{'[' * 100_000}')")  # noqa: S608
        assert await store.row("bad") is None


async def test_a_key_that_is_not_utf8_hides_no_other(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([PutRow("good", {"v": 1})])
        outside(opened.place, "INSERT INTO kv VALUES (CAST(x'ff' AS TEXT), '{}')")
        assert (await store.rows("")).get("good") == {"v": 1}


@pytest.mark.parametrize("odd", ["\0", "\x01", "\x01\0\x02", "\U0010ffff", "\ue000"])
async def test_every_character_is_kept_wherever_it_stands(opened: Stores, odd: str) -> None:
    said = replace(
        inbound(f"a{odd}"),
        msgtype=f"m{odd}",
        body=odd,
        thread=EventId(odd),
        reply_to=EventId(f"{odd}."),
        quoted=odd,
    )
    answer = replace(outbound(f"t{odd}"), body=odd, thread=EventId(odd), html=f"<p>{odd}</p>")
    async with opened() as store:
        await store.commit([PutRow(f"k{odd}", {odd: odd}), PutRow("k", {}), PutRow("l", {})])
        await store.commit([AcceptMessage(said), QueueMessage(answer), SavePosition(odd)])
        assert await store.keys(f"k{odd}") == (f"k{odd}",)
        assert await store.keys("k") == ("k", f"k{odd}")
        assert await store.row(f"k{odd}") == {odd: odd}
        assert [waiting.message for waiting in await store.waiting(ROOM, 9)] == [said]
        assert await store.unsent(ROOM, 9) == (answer,)
        assert await store.position() == odd
        assert await store.known_of([said.event_id]) == {said.event_id}


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


async def test_text_with_half_a_surrogate_pair_is_refused_alone(opened: Stores) -> None:
    refused = 0

    async def commit(store: StateStore, body: str, number: int) -> None:
        nonlocal refused
        try:
            await store.commit([AcceptMessage(replace(inbound(str(number)), body=body))])
        except UnicodeEncodeError:
            refused += 1

    async with opened() as store:
        async with anyio.create_task_group() as group:
            for number, body in enumerate(["good", "\ud800", "good"]):
                group.start_soon(commit, store, body, number)
        assert refused == 1
        assert sorted(await names_waiting(store)) == ["$0", "$2"]


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


# --- trouble


async def test_a_table_lost_under_way_is_corruption(opened: Stores) -> None:
    async with opened() as store:
        await store.commit([PutRow("k", {})])
        outside(opened.place, "DROP TABLE kv")
        with pytest.raises(StoreCorrupt):
            await store.row("k")
        with pytest.raises(StoreCorrupt):
            await store.commit([PutRow("k", {})])
