"""What a reconciliation makes of rooms of every kind, whatever cache it begins with."""

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias

import anyio
import pytest

from demo.bot import BotProcess
from demo.client import Json
from demo.comparison import differences
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, newcomer, unique
from tests.synapse.home import MARKER
from tests.synapse.proxy import FaultProxy, Request
from tests.synapse.rebuilding import (
    Reconciler,
    Rows,
    content_of,
    listed_in,
    rebuilt,
    rows_of,
    run_reconcile,
)
from tests.synapse.topology import Topology, build

pytestmark = pytest.mark.anyio


@dataclass(frozen=True, slots=True)
class Stage:
    """The rooms, a bot that has been reconciled with them once and does not run, and its proxy."""

    topology: Topology
    bot: BotProcess
    proxy: FaultProxy
    report: Json
    rows: Rows


@pytest.fixture(scope="module")
async def stage(
    synapse: ThrowawaySynapse, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    localpart = unique("bot")
    user_id = await synapse.register(localpart, PASSWORD)
    async with AsyncExitStack() as stack:

        async def new_person(name: str) -> Person:
            return await newcomer(stack, synapse, name)

        login = Person.logged_in(synapse.url, localpart, PASSWORD)
        topology = await build(await stack.enter_async_context(login), new_person)
        proxy = await stack.enter_async_context(FaultProxy(synapse.url))
        bot = BotProcess(
            homeserver_url=proxy.url,
            user_id=user_id,
            password=PASSWORD,
            folder=tmp_path_factory.mktemp("topology") / "bot",
        )
        await stack.enter_async_context(bot)
        report = await run_reconcile(bot)
        yield Stage(topology, bot, proxy, report, bot.kv())


def outcomes(report: Json, rows: Rows) -> dict[str, str]:
    """What became of each room that the report or the rows mention."""
    found = {
        key.removeprefix("matrix_room:"): row["chat_id"] or row["room_type"]
        for key, row in rows.items()
        if key.startswith("matrix_room:")
    }
    for note in report["skipped_rooms"]:
        found[note["room_id"]] = f"skipped: {note['reason']}"
    for note in report["conflicts"]:
        known = [found[note["room_id"]]] if note["room_id"] in found else []
        found[note["room_id"]] = ", ".join([*known, f"conflict: {note['reason']}"])
    return found


def surprises(topology: Topology, found: dict[str, str]) -> list[str]:
    """One line for each room of which something else became than was expected."""
    return [
        f"{topology.labels.get(room_id, 'not built')}: "
        f"expected {topology.expected.get(room_id)!r}, found {found.get(room_id)!r}"
        for room_id in sorted(topology.expected.keys() | found.keys())
        if topology.expected.get(room_id) != found.get(room_id)
    ]


async def test_every_room_is_what_its_builder_expects(stage: Stage) -> None:
    assert surprises(stage.topology, outcomes(stage.report, stage.rows)) == []


async def test_every_owner_has_the_right_space_and_the_next_index(stage: Stage) -> None:
    prefix, topology = "matrix_user:", stage.topology
    rows = {key: row for key, row in stage.rows.items() if key.startswith(prefix)}
    assert rows == {
        f"{prefix}{owner}": {"space_id": space, "next_chat_index": topology.next_indexes[owner]}
        for owner, space in topology.spaces.items()
    }


async def test_each_chat_row_belongs_to_a_room_row(stage: Stage) -> None:
    rooms = {
        (row["matrix_user_id"], row["chat_id"], key.partition(":")[2])
        for key, row in stage.rows.items()
        if key.startswith("matrix_room:") and row["room_type"] == "chat"
    }
    chats = [
        (row["user_id"], row["chat_id"], row["surface_ref"])
        for key, row in stage.rows.items()
        if key.startswith("chat:")
    ]
    assert set(chats) == rooms
    assert len(chats) == len(rooms)


async def test_hostile_names_are_one_short_line_in_the_rows(stage: Stage) -> None:
    names = [row["name"] for key, row in stage.rows.items() if key.startswith("chat:")]
    assert all(0 < len(name) <= 255 for name in names)
    assert all(name.isprintable() or "🐈" in name for name in names)


async def test_the_report_counts_what_was_restored(stage: Stage) -> None:
    report, kinds = stage.report, [key.partition(":")[0] for key in stage.rows]
    assert report["joined_rooms"] == len(stage.topology.expected)
    assert report["restored_user_meta"] == kinds.count("matrix_user")
    assert report["restored_room_meta"] == kinds.count("matrix_room")
    assert report["restored_chat_rows"] == kinds.count("chat")
    assert report["changes"] == len(stage.rows)
    assert report["repaired_chat_rows"] == report["removed_rows"] == 0


# ---------------------------------------------------------------- whatever the cache was


async def test_a_second_run_changes_nothing_and_says_so(stage: Stage) -> None:
    report = await run_reconcile(stage.bot)
    assert (report["changes"], report["changed_rooms"]) == (0, [])
    assert stage.bot.kv() == stage.rows


async def test_a_rebuild_gives_the_very_same_rows(stage: Stage, tmp_path: Path) -> None:
    assert differences(stage.rows, await rebuilt(stage.bot, tmp_path / "rebuilt")) == []


def seeded(seed: str | int) -> Random:
    return Random(seed)  # noqa: S311


Damage: TypeAlias = Callable[[Rows, Random], Rows]
"""The rows as somebody has left them."""


def without(prefix: str) -> Damage:
    return lambda rows, _: {key: row for key, row in rows.items() if not key.startswith(prefix)}


def without_some(rows: Rows, random: Random) -> Rows:
    return {key: row for key, row in rows.items() if random.random() < 0.5}


def with_field(prefix: str, field: str, *values: object) -> Damage:
    """Every row of a family has one of the values there, or another row's where there is none."""

    def damage(rows: Rows, random: Random) -> Rows:
        family = [key for key in rows if key.startswith(prefix)]
        others = values or [rows[key][field] for key in family]
        return {
            key: {**row, field: random.choice(others)} if key in family else row
            for key, row in rows.items()
        }

    return damage


def with_garbage(rows: Rows, random: Random) -> Rows:
    garbage: tuple[Any, ...] = ("", None, [], {}, {"space_id": 7}, 4)
    return {key: random.choice(garbage) for key in rows}


def with_strangers(rows: Rows, random: Random) -> Rows:
    """Rows of people and chats that the rooms know nothing of."""
    chat = random.choice([row for key, row in rows.items() if key.startswith("chat:")])
    stranger = {"space_id": "!nowhere", "next_chat_index": 3}
    return {
        **rows,
        "matrix_user:@stranger:localhost": stranger,
        "chat:@stranger:localhost:C1": {**chat, "user_id": "@stranger:localhost", "chat_id": "C1"},
        f"chat:{chat['user_id']}:C700": {**chat, "chat_id": "C700"},
    }


ROWS_DAMAGED: Final[dict[str, Damage]] = {
    "no rows": without(""),
    "no user rows": without("matrix_user:"),
    "no room rows": without("matrix_room:"),
    "no chat rows": without("chat:"),
    "half of the rows": without_some,
    "the counters too low": with_field("matrix_user:", "next_chat_index", 1),
    "the counters too high": with_field("matrix_user:", "next_chat_index", 700),
    "wrong Spaces of owners": with_field("matrix_user:", "space_id", "!nowhere", 7),
    "wrong Spaces of rooms": with_field("matrix_room:", "space_id"),
    "wrong owners": with_field("matrix_room:", "matrix_user_id"),
    "wrong chat ids": with_field("matrix_room:", "chat_id"),
    "wrong names": with_field("matrix_room:", "display_name", "another", None),
    "no platform chat ids": with_field("matrix_room:", "platform_chat_id", None),
    "wrong rooms": with_field("chat:", "surface_ref"),
    "chats archived or not": with_field("chat:", "is_archived", *(True, False)),
    "rows that can't be read": with_garbage,
    "rows of strangers": with_strangers,
}


def with_user_version_of_the_future(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")


FILE_DAMAGED: Final[dict[str, Callable[[Path], object]]] = {
    "missing": Path.unlink,
    "empty": lambda database: database.write_bytes(b""),
    "truncated": lambda database: database.write_bytes(database.read_bytes()[:9_000]),
    "random bytes": lambda database: database.write_bytes(seeded(1).randbytes(20_000)),
    "random bytes in the middle": lambda database: database.write_bytes(
        database.read_bytes()[:4_096] + seeded(1).randbytes(60_000)
    ),
    "a text": lambda database: database.write_text("This is a shopping list.\n" * 300),
    "of another schema version": with_user_version_of_the_future,
}


@pytest.fixture(scope="module")
async def reconcile(stage: Stage) -> AsyncIterator[Reconciler]:
    login = Reconciler.logged_in(stage.proxy.url, stage.bot.user_id, PASSWORD)
    async with login as reconciler:
        yield reconciler


@pytest.mark.parametrize("damage", ROWS_DAMAGED)
async def test_damaged_rows_end_as_a_rebuild_has_them(
    stage: Stage, reconcile: Reconciler, tmp_path: Path, damage: str
) -> None:
    """Of owners with unmarked rooms the rows are evidence: they take part once all are marked."""
    spared = {
        key: row for key, row in stage.rows.items() if owner_of(key, row) in stage.topology.unmarked
    }
    marked = {key: row for key, row in stage.rows.items() if key not in spared}
    database = copied(stage.bot.database, tmp_path)
    write_rows(database, spared | ROWS_DAMAGED[damage](marked, seeded(damage)))
    await must_mend(reconcile, database, stage.rows)


@pytest.mark.parametrize("damage", FILE_DAMAGED)
async def test_a_damaged_file_ends_with_the_rows_of_a_rebuild(
    stage: Stage, reconcile: Reconciler, tmp_path: Path, damage: str
) -> None:
    database = copied(stage.bot.database, tmp_path)
    FILE_DAMAGED[damage](database)
    await must_mend(reconcile, database, stage.rows)


async def must_mend(reconcile: Reconciler, database: Path, rows: Rows) -> None:
    report = await reconcile(database)
    assert differences(rows, rows_of(database)) == []
    assert report["changes"] > 0
    assert (await reconcile(database))["changes"] == 0


def owner_of(key: str, row: Json) -> str:
    """Whose row it is."""
    if key.startswith("matrix_user:"):
        return key.partition(":")[2]
    return str(row.get("matrix_user_id") or row["user_id"])


def copied(database: Path, folder: Path) -> Path:
    assert not database.with_name(f"{database.name}-wal").exists()
    return Path(shutil.copy(database, folder))


def write_rows(database: Path, rows: Rows) -> None:
    """Let the database have these rows and no others."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM kv")
        values = [(key, json.dumps(row)) for key, row in rows.items()]
        connection.executemany("INSERT INTO kv VALUES (?, ?)", values)


async def test_nothing_of_all_this_has_written_on_the_server(stage: Stage) -> None:
    assert stage.proxy.forwarded
    assert stage.proxy.writes == []


# ---------------------------------------------------------------- and once the bot is live


@dataclass(frozen=True, slots=True)
class Lacking:
    """What the rooms on the server lack: the requests that would mend it, one for each."""

    markers: set[str]
    """Rooms whose marker says something else than their rows, or that have none."""
    links: set[tuple[str, str]]
    """Space and room: to be listed, or, where the room has been replaced, no longer."""


async def lacking(me: Person, rows: Rows) -> Lacking:
    """Compare the rooms with the rows, by the contract."""
    found = Lacking(set(), set())
    rooms = {
        key.partition(":")[2]: row for key, row in rows.items() if key.startswith("matrix_room:")
    }
    for room_id, row in rooms.items():
        state = await me.state(room_id)
        marker = content_of(state, MARKER, me.user_id) or {}
        if not marker.items() >= marker_for(row, rows).items():
            found.markers.add(room_id)
        if row["room_type"] != "space":
            continue
        listed = set(listed_in(state))
        wanted = {chat for chat, it in rooms.items() if it["space_id"] == room_id} - {room_id}
        replaced = {chat for chat in listed - wanted if await latest(me, chat) in wanted}
        found.links.update((room_id, chat) for chat in (wanted - listed) | replaced)
    return found


def marker_for(row: Json, rows: Rows) -> Json:
    owner = row["matrix_user_id"]
    common = {"version": 1, "kind": row["room_type"], "owner": owner}
    if row["room_type"] == "space":
        index = rows[f"matrix_user:{owner}"]["next_chat_index"]
        return {**common, "next_chat_index": index}
    archived = rows[f"chat:{owner}:{row['chat_id']}"]["is_archived"]
    kept = {name: row[name] for name in ("chat_id", "space_id", "platform_chat_id")}
    return {**common, **kept, "archived": archived}


async def latest(me: Person, room_id: str) -> str:
    """The room that a chain of upgrades has led to."""
    while room_id in await me.joined_rooms():
        tombstone = await me.state_of(room_id, "m.room.tombstone")
        if tombstone is None:
            break
        room_id = tombstone["replacement_room"]
    return room_id


async def test_going_live_writes_what_is_missing_once(stage: Stage, tmp_path: Path) -> None:
    before = await lacking(stage.topology.me, stage.rows)
    assert len(before.markers) > 10
    assert len(before.links) > 5
    writes = await live_for_a_while(stage, until=before)
    assert len(writes) == len(before.markers) + len(before.links)
    assert await lacking(stage.topology.me, stage.rows) == Lacking(set(), set())
    assert differences(stage.rows, stage.bot.kv()) == []
    assert differences(stage.rows, await rebuilt(stage.bot, tmp_path / "rebuilt")) == []


async def test_once_all_is_marked_no_row_is_evidence_any_more(
    stage: Stage, reconcile: Reconciler, tmp_path: Path
) -> None:
    for name, damage in ROWS_DAMAGED.items():
        database = copied(stage.bot.database, tmp_path)
        write_rows(database, damage(stage.rows, seeded(name)))
        await must_mend(reconcile, database, stage.rows)


@pytest.mark.parametrize("files_lost", [False, True])
async def test_a_second_start_writes_nothing(stage: Stage, *, files_lost: bool) -> None:
    if files_lost:
        stage.bot.wipe()
    assert await live_for_a_while(stage, until=Lacking(set(), set())) == []


async def live_for_a_while(stage: Stage, until: Lacking) -> list[Request]:
    """Run the bot until it has written all this, and has answered somebody; what it wrote."""
    first = len(stage.proxy.writes)

    def written() -> list[Request]:
        return [write for write in stage.proxy.writes[first:] if "/state/" in write.name]

    def missing() -> set[str]:
        marked = {write.room_id or "" for write in written() if MARKER in write.name}
        linked = {write.room_id or "" for write in written() if "m.space.child" in write.name}
        return (until.markers - marked) | ({space for space, _ in until.links} - linked)

    await stage.bot.start_and_go_live()
    try:
        with anyio.move_on_after(30):
            while missing():
                await anyio.sleep(0.05)
        (owner, chat), *_ = stage.topology.tenants
        assert await owner.ask(chat, "all done?") == "all done?"
    finally:
        code = await stage.bot.terminate()
    assert [stage.topology.labels.get(room_id, room_id) for room_id in missing()] == []
    assert code == 0
    return written()
