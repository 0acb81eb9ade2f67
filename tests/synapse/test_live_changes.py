"""Whatever happens to a room, while the bot is live or away, the rows end as a rebuild has them.

Each change happens to an owner of its own. The bot hears of all of them in one of two ways: at
once, or after it was stopped. The simulations kill it at any moment (`tests/simulation/`).
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import anyio
import pytest

from demo.bot import BotProcess
from demo.client import Json
from demo.comparison import differences
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, newcomer, unique
from tests.synapse.home import MARKER
from tests.synapse.rebuilding import Reconciler, Rows, content_of
from tests.synapse.topology import HERE, Topology

pytestmark = pytest.mark.anyio

PATIENCE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Dwelling:
    """A Space with the chat C1, in both of which the owner may do everything."""

    me: Person
    """The bot's account."""
    owner: Person
    space: str
    chat: str
    loose: str
    """A room that the bot's account made, and in no Space; only where the change needs one."""

    def row(self, rows: Rows, room_id: str) -> Json:
        """The row of a room; empty where there is none."""
        return rows.get(f"matrix_room:{room_id}") or {}

    def chat_row(self, rows: Rows, chat_id: str) -> Json:
        return rows.get(f"chat:{self.owner.user_id}:{chat_id}") or {}

    def user_row(self, rows: Rows) -> Json:
        return rows.get(f"matrix_user:{self.owner.user_id}") or {}

    def about_it(self, rows: Rows) -> Rows:
        """The rows of this owner and their rooms."""
        return {
            key: row
            for key, row in rows.items()
            if key.endswith(self.owner.user_id)
            or self.owner.user_id in {row.get("matrix_user_id"), row.get("user_id")}
        }

    async def marker(self, room_id: str) -> Json | None:
        return content_of(await self.me.state(room_id), MARKER, self.me.user_id)

    async def give_way(self, room_id: str) -> None:
        """Let the owner have more power in a room than the bot."""
        powers = await self.me.state_of(room_id, "m.room.power_levels") or {}
        users = {**powers["users"], self.me.user_id: 90}
        await self.me.set_state(room_id, "m.room.power_levels", {**powers, "users": users})

    async def set_marker(self, room_id: str, content: Json) -> str:
        return await self.me.set_state(room_id, MARKER, content, self.me.user_id)


Change: TypeAlias = Callable[[Dwelling], Coroutine[Any, Any, None]]
Ending: TypeAlias = Callable[[Dwelling, Rows], bool]
"""Whether the rows say in the end what they must; the rebuild's rows say the same."""


# ---------------------------------------------------------------- what can happen


async def renamed(home: Dwelling) -> None:
    await home.owner.set_state(home.chat, "m.room.name", {"name": "Holiday plans"})


async def unnamed(home: Dwelling) -> None:
    await home.owner.set_state(home.chat, "m.room.name", {"name": ""})


async def space_renamed(home: Dwelling) -> None:
    await home.owner.set_state(home.space, "m.room.name", {"name": "My rooms"})


async def owner_left(home: Dwelling) -> None:
    await home.owner.leave(home.chat)


async def owner_left_everything(home: Dwelling) -> None:
    for room in (home.chat, home.space):
        await home.owner.leave(room)


async def bot_kicked(home: Dwelling) -> None:
    await home.give_way(home.chat)
    await home.owner.kick(home.chat, home.me.user_id)


async def bot_banned(home: Dwelling) -> None:
    await home.give_way(home.chat)
    path = f"/rooms/{quote(home.chat, safe='')}/ban"
    await home.owner.request("POST", path, {"user_id": home.me.user_id})


async def bot_kicked_and_back(home: Dwelling) -> None:
    await home.give_way(home.chat)
    await home.owner.kick(home.chat, home.me.user_id)
    await home.owner.set_state(home.chat, "m.room.name", {"name": "Back again"})
    await home.owner.invite(home.chat, home.me.user_id)


async def bot_kicked_from_the_space(home: Dwelling) -> None:
    await home.give_way(home.space)
    await home.owner.kick(home.space, home.me.user_id)


async def child_removed(home: Dwelling) -> None:
    await home.me.set_state(home.space, "m.space.child", {}, home.chat)


async def child_removed_by_its_owner(home: Dwelling) -> None:
    await home.owner.set_state(home.space, "m.space.child", {"via": []}, home.chat)


async def child_added(home: Dwelling) -> None:
    await home.me.set_state(home.space, "m.space.child", HERE, home.loose)


async def marker_emptied(home: Dwelling) -> None:
    await home.set_marker(home.chat, {})


async def marker_redacted(home: Dwelling) -> None:
    for event in await home.me.state(home.chat):
        if event["type"] == MARKER:
            room, event_id = quote(home.chat, safe=""), quote(event["event_id"], safe="")
            await home.me.request("PUT", f"/rooms/{room}/redact/{event_id}/once", {})


async def space_marker_emptied(home: Dwelling) -> None:
    await home.set_marker(home.space, {})


async def marker_spoilt(home: Dwelling) -> None:
    await home.set_marker(home.chat, {"version": 1, "kind": "chat", "owner": "nobody"})


async def archived_elsewhere(home: Dwelling) -> None:
    marker = await home.marker(home.chat)
    await home.set_marker(home.chat, {**(marker or {}), "archived": True})


async def mark_raised(home: Dwelling) -> None:
    marker = await home.marker(home.space)
    await home.set_marker(home.space, {**(marker or {}), "next_chat_index": 40})


async def marked_from_outside(home: Dwelling) -> None:
    content = {"version": 1, "kind": "chat", "owner": home.owner.user_id, "chat_id": "C9"}
    await home.set_marker(home.loose, {**content, "space_id": home.space})


async def claimed_twice(home: Dwelling) -> None:
    content = {"version": 1, "kind": "chat", "owner": home.owner.user_id, "chat_id": "C1"}
    await home.set_marker(home.loose, {**content, "space_id": home.space})


def named(name: str) -> Ending:
    return lambda home, rows: (
        home.row(rows, home.chat).get("display_name")
        == home.chat_row(rows, "C1").get("name")
        == name
    )


def numbered(chat_id: str, next_index: int) -> Ending:
    """The loose room has become this chat."""
    return lambda home, rows: (
        home.chat_row(rows, chat_id).get("surface_ref") == home.loose
        and home.chat_row(rows, "C1").get("surface_ref") == home.chat
        and home.user_row(rows).get("next_chat_index") == next_index
    )


def chat_kept(home: Dwelling, rows: Rows) -> bool:
    row = home.chat_row(rows, "C1")
    return row.get("surface_ref") == home.chat and number_taken(home, rows)


def number_taken(home: Dwelling, rows: Rows) -> bool:
    """The chat itself is not there any more, for a rebuild, but nobody else gets its number."""
    return home.user_row(rows).get("next_chat_index") == 3


CHANGES: Final[dict[Change, Ending]] = {
    renamed: named("Holiday plans"),
    unnamed: named("Chat 1"),
    space_renamed: lambda home, rows: home.row(rows, home.space).get("display_name") == "My rooms",
    owner_left: chat_kept,
    owner_left_everything: chat_kept,
    bot_kicked: number_taken,
    bot_banned: number_taken,
    bot_kicked_and_back: named("Back again"),
    bot_kicked_from_the_space: lambda home, rows: not home.user_row(rows),
    child_removed: chat_kept,
    child_removed_by_its_owner: chat_kept,
    child_added: numbered("C3", 4),
    marker_emptied: chat_kept,
    marker_redacted: chat_kept,
    space_marker_emptied: lambda home, rows: bool(home.chat_row(rows, "C1")),
    marker_spoilt: number_taken,
    archived_elsewhere: lambda home, rows: bool(home.chat_row(rows, "C1").get("is_archived")),
    mark_raised: lambda home, rows: home.user_row(rows).get("next_chat_index") == 40,
    marked_from_outside: numbered("C9", 10),
    claimed_twice: numbered("C3", 4),
}


WITH_A_LOOSE_ROOM: Final = {child_added, marked_from_outside, claimed_twice}


# ---------------------------------------------------------------- how the bot hears of it


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A live bot to which everything has happened, and what a rebuild makes of the rooms then."""

    bot: BotProcess
    homes: dict[Change, Dwelling]
    rebuilt: Rows
    undecided: frozenset[str]
    """The rooms of which the rebuild can't say what they are."""
    joined: frozenset[str]

    def drift(self, home: Dwelling) -> list[str]:
        """Where the bot's rows of a home differ from the rebuild's.

        Of rooms that we have left, or of which it can't be decided what they are, the rows stay as
        they were: a rebuild has nothing to say of them.
        """
        wanted, decided = home.about_it(self.rebuilt), self.joined - self.undecided
        rows = {
            key: row
            for key, row in home.about_it(self.bot.kv()).items()
            if key in wanted or room_of(key, row) in decided
        }
        return differences(wanted, rows)


@pytest.fixture(scope="module", params=["live", "stopped"])
async def neighbourhood(
    request: pytest.FixtureRequest,
    synapse: ThrowawaySynapse,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Neighbourhood]:
    localpart = unique("bot")
    user_id = await synapse.register(localpart, PASSWORD)
    async with AsyncExitStack() as stack:
        login = Person.logged_in(synapse.url, localpart, PASSWORD)
        topology = Topology(await stack.enter_async_context(login))
        homes = await move_all_in(topology, stack, synapse)
        bot = BotProcess(
            homeserver_url=synapse.url,
            user_id=user_id,
            password=PASSWORD,
            folder=tmp_path_factory.mktemp("changes") / "bot",
        )
        await stack.enter_async_context(bot)
        await bot.start_and_go_live()
        if request.param == "stopped":
            assert await bot.terminate() == 0
        async with anyio.create_task_group() as side_by_side:
            for change, home in homes.items():
                side_by_side.start_soon(change, home)
        if request.param == "stopped":
            await bot.start_and_go_live()
        with anyio.move_on_after(PATIENCE_S):
            await settled(bot, homes)
        async with Reconciler.logged_in(synapse.url, user_id, PASSWORD) as reconciler:
            rebuilt, report = await reconciler.rebuild()
        undecided = frozenset(note["room_id"] for note in report["conflicts"])
        joined = await topology.me.joined_rooms()
        yield Neighbourhood(bot, homes, rebuilt, undecided, joined)


async def settled(bot: BotProcess, homes: dict[Change, Dwelling]) -> None:
    """Wait until the rows say what they must, and the rooms say again what they have lost."""
    for change, home in homes.items():
        while not CHANGES[change](home, bot.kv()) or await lacks_something(change, home):
            await anyio.sleep(0.05)


async def lacks_something(change: Change, home: Dwelling) -> bool:
    """Whether the bot has not yet written what a change has taken away, or what it calls for."""
    if change in {child_removed, child_removed_by_its_owner}:
        return not await home.me.state_of(home.space, "m.space.child", home.chat)
    if change is space_marker_emptied:
        return not await home.marker(home.space)
    if change in {marker_emptied, marker_redacted}:
        return not await home.marker(home.chat)
    if change in WITH_A_LOOSE_ROOM:
        return not (await home.marker(home.loose) or {}).get("platform_chat_id")
    return False


async def move_all_in(
    topology: Topology, stack: AsyncExitStack, homeserver: ThrowawaySynapse
) -> dict[Change, Dwelling]:
    homes: dict[Change, Dwelling] = {}

    async def move_in(change: Change) -> None:
        owner = await newcomer(stack, homeserver, "owner")
        powers = {"users": {owner.user_id: 100, topology.me.user_id: 100}}
        options: Json = {"version": "11", "power_level_content_override": powers}
        space = await topology.space(owner, high_water=3, **options)
        chat = await topology.chat(space, owner, "", chat_id="C1", name="Chat 1", **options)
        for room in (space, chat):
            await owner.join(room)
        loose = await topology.me.create_room(name="loose") if change in WITH_A_LOOSE_ROOM else ""
        homes[change] = Dwelling(topology.me, owner, space, chat, loose)

    async with anyio.create_task_group() as side_by_side:
        for change in CHANGES:
            side_by_side.start_soon(move_in, change)
    return homes


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_the_rows_end_as_a_rebuild_has_them(
    neighbourhood: Neighbourhood, change: Change
) -> None:
    bot, home, ends_well = neighbourhood.bot, neighbourhood.homes[change], CHANGES[change]
    with anyio.move_on_after(PATIENCE_S):
        while not ends_well(home, bot.kv()) or neighbourhood.drift(home):
            await anyio.sleep(0.05)
    assert neighbourhood.drift(home) == []
    assert ends_well(home, bot.kv())


def room_of(key: str, row: Json) -> str:
    """The room that a row is about; a user's own row is always to be compared."""
    return str(row.get("surface_ref") or key.partition(":")[2])


async def test_what_the_rooms_lack_is_written_there(
    neighbourhood: Neighbourhood,
) -> None:
    homes = neighbourhood.homes
    assert [
        change.__name__ for change, home in homes.items() if await lacks_something(change, home)
    ] == []
