"""Whatever local files are lost, a restart brings everything back and creates nothing."""

import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from demo.bot import BotProcess
from demo.comparison import Rows, count, differences
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, newcomer, unique
from tests.synapse.home import Home, accept, eventually, hear, history, knock, move_in, words_of
from tests.synapse.rebuilding import rebuilt

pytestmark = pytest.mark.anyio


@dataclass(slots=True)
class Town:
    """A bot of their own, two owners with five chats between them, and who counts the rooms."""

    bot: BotProcess
    homes: tuple[Home, Home]
    rooms: list[str]
    """The Spaces and the chats, among them one renamed, one named by hand, one archived."""
    admin: Person

    async def on_the_server(self) -> Mapping[str, object]:
        """Everything that has happened in the owners' rooms, and how many rooms there are."""
        timelines = {
            room: [event.event_id for event in await history(home.owner, room)]
            for home in self.homes
            for room in sorted(await home.owner.joined_rooms())
        }
        return {"rooms": await self.admin.rooms_on_server(), **timelines}


@asynccontextmanager
async def town_on(homeserver: ThrowawaySynapse, folder: Path) -> AsyncIterator[Town]:
    """Found a town. Its bot is live."""
    async with AsyncExitStack() as stack:
        bot = BotProcess(
            homeserver_url=homeserver.url,
            user_id=await homeserver.register(unique("bot"), PASSWORD),
            password=PASSWORD,
            folder=folder / "bot",
        )
        await stack.enter_async_context(bot)
        await bot.start_and_go_live()
        people = [await newcomer(stack, homeserver, name) for name in ("alice", "bob")]
        alice, bob = [await move_in(person, bot) for person in people]
        rooms = [alice.chat, bob.chat, *await furnish(alice), await bob.new_chat("!new Thesis")]
        await hear(bob.owner, bot, bob.chat)
        admin = await newcomer(stack, homeserver, "admin", admin=True)
        yield Town(bot, (alice, bob), [*rooms, alice.space, bob.space], admin)


@pytest.fixture(scope="module")
async def town(
    synapse: ThrowawaySynapse, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """Lost and recovered again and again; each test leaves its bot live."""
    async with town_on(synapse, tmp_path_factory.mktemp("town")) as founded:
        yield founded


async def furnish(home: Home) -> list[str]:
    """Two more chats: one with a name given by hand, and one that is put away."""
    named = await home.new_chat()
    await hear(home.owner, home.bot, home.chat)
    await home.owner.set_state(named, "m.room.name", {"name": "Named by hand 🍵"})
    await eventually(lambda: home.chat_row("C2")["name"] == "Named by hand 🍵", "the new name")
    archived = await home.new_chat("!new Old plans")
    await hear(home.owner, home.bot, home.chat)
    await home.owner.ask(archived, "!archive")
    await home.owner.ask(archived, "!yes")
    await home.ask("!rename Weekly report")
    return [named, archived]


def everything(bot: BotProcess) -> None:
    bot.wipe(journal=True)


def the_database(bot: BotProcess) -> None:
    for file in bot.folder.glob(f"{bot.database.name}*"):
        file.unlink()


def the_session(bot: BotProcess) -> None:
    (bot.store / "session.json").unlink()


def the_databases_contents(bot: BotProcess) -> None:
    the_database(bot)
    bot.database.write_bytes(b"this is no database " * 500)


def some_rows(bot: BotProcess) -> None:
    with closing(sqlite3.connect(bot.database)) as connection, connection:
        connection.execute("DELETE FROM kv WHERE key LIKE 'matrix_user:%'")
        connection.execute("DELETE FROM kv WHERE key LIKE 'chat:%:C2'")
        connection.execute(
            "UPDATE kv SET value = json_set(value, '$.surface_ref', '!elsewhere') "
            "WHERE key LIKE 'chat:%:C1'"
        )


@pytest.mark.parametrize(
    ("end", "lose"),
    [
        pytest.param(BotProcess.kill, everything, marks=pytest.mark.quick),
        (BotProcess.terminate, the_database),
        (BotProcess.kill, the_databases_contents),
        (BotProcess.terminate, some_rows),
        (BotProcess.terminate, the_session),
    ],
)
async def test_a_restart_brings_back(
    town: Town, end: Callable[[BotProcess], Awaitable[object]], lose: Callable[[BotProcess], None]
) -> None:
    kv, before = town.bot.kv(), await town.on_the_server()
    await end(town.bot)
    lose(town.bot)
    await recovers(town, kv, before)


async def test_a_restart_brings_back_rooms_of_an_older_version_too(
    synapse_of_version_10: ThrowawaySynapse, tmp_path: Path
) -> None:
    async with town_on(synapse_of_version_10, tmp_path) as town:
        kv, before = town.bot.kv(), await town.on_the_server()
        await town.bot.kill()
        everything(town.bot)
        await recovers(town, kv, before)
        new = await town.homes[0].new_chat()
        assert town.homes[0].row(new)["chat_id"] == "C4"


async def recovers(town: Town, kv: Rows, before: Mapping[str, object]) -> None:
    """The same rows, from the same rooms: nobody is invited, nothing is written or created."""
    await town.bot.start_and_go_live()
    assert differences(kv, town.bot.kv()) == []
    assert await town.on_the_server() == before
    assert [await home.owner.new_invites() for home in town.homes] == [[], []]
    for home in town.homes:
        assert await home.ask("do you remember?") == "do you remember?"


async def test_what_is_compared_is_a_town_and_not_nothing(town: Town) -> None:
    kv, alice = town.bot.kv(), town.homes[0]
    assert {key.partition(":")[2] for key in kv if key.startswith("matrix_room:")} == {*town.rooms}
    assert count(kv, "matrix_user") == 2
    assert count(kv, "chat") == len(town.rooms) - 2 >= 5
    assert [alice.chat_row(chat_id)["name"] for chat_id in ("C1", "C2", "C3")] == [
        "Weekly report",
        "Named by hand 🍵",
        "Old plans",
    ]
    assert alice.chat_row("C3")["is_archived"] is True


async def test_the_report_counts_what_was_lost_and_a_second_one_finds_nothing(town: Town) -> None:
    kv = town.bot.kv()
    await town.bot.kill()
    town.bot.wipe()
    await town.bot.start_and_go_live()
    report = report_of(town.bot)
    for key, kind in RESTORED.items():
        assert report[key] == count(kv, kind), key
    assert (report["repaired_chat_rows"], report["backfilled_platform_chat_ids"]) == (0, 0)
    doors = {home.door for home in town.homes}
    assert doors <= {skipped["room_id"] for skipped in report["skipped_rooms"]}
    await town.bot.kill()
    with closing(sqlite3.connect(town.bot.database)) as connection, connection:
        connection.execute("UPDATE kv SET value = value")  # so that every room is read
    await town.bot.start_and_go_live()
    report = report_of(town.bot)
    assert (report["changes"], report["conflicts"]) == (0, [])
    assert report["already_right"] == count(kv, "matrix_room")


async def test_a_name_given_while_the_bot_was_away_is_the_chats_name(town: Town) -> None:
    """Also after an orderly stop, when the bot looks only at what has changed since."""
    bob, name = town.homes[1], "Named in the dark"
    assert await town.bot.terminate() == 0
    await bob.owner.set_state(bob.chat, "m.room.name", {"name": name})
    await town.bot.start_and_go_live()
    assert (bob.row(bob.chat)["display_name"], bob.chat_row("C1")["name"]) == (name, name)


async def test_a_kill_while_rooms_change_costs_no_row(town: Town, tmp_path: Path) -> None:
    """The next start reads only what has changed, and has the rows of a rebuild."""
    alice, bob = town.homes

    async def rename(home: Home, name: str) -> None:
        await home.owner.set_state(home.chat, "m.room.name", {"name": name})

    for number in range(4):
        async with anyio.create_task_group() as tasks:
            for home in town.homes:
                tasks.start_soon(rename, home, f"Round {number}")
            await anyio.sleep(number * 0.02)
            await town.bot.kill()
        await town.bot.start_and_go_live()
        assert {alice.row(alice.chat)["display_name"], bob.row(bob.chat)["display_name"]} == {
            f"Round {number}"
        }
        hydrated = [it for it in town.bot.events() if it.get("trigger") == "hydrated"]
        assert "changed since the stored position" in hydrated[-1]["reason"]
        assert town.bot.kv() == await rebuilt(town.bot, tmp_path / str(number))


async def test_after_a_recovery_new_chat_after_recovery_where_it_was(town: Town) -> None:
    """A new chat gets the next number, and another invite leads into the Space there is."""
    await town.bot.kill()
    rows = [town.bot.kv()[f"matrix_user:{home.owner.user_id}"] for home in town.homes]
    town.bot.wipe()
    await town.bot.start_and_go_live()
    for home, row in zip(town.homes, rows, strict=True):
        new = await home.new_chat()
        await hear(home.owner, town.bot, home.chat)
        town.rooms.append(new)
        assert home.row(new)["chat_id"] == f"C{row['next_chat_index']}"
    alice, before = town.homes[0], await town.admin.rooms_on_server()
    await alice.owner.leave(alice.space)
    door = await knock(alice.owner, town.bot)
    assert await accept(alice.owner, town.bot, is_space=True) == alice.space
    assert alice.space in await hear(alice.owner, town.bot, door)
    assert await town.admin.rooms_on_server() == before + 1


async def test_what_was_said_meanwhile_is_answered_once_while_the_database_is_there(
    town: Town,
) -> None:
    alice, bob = town.homes
    await town.bot.kill()
    await alice.owner.say(alice.chat, "said in the dark")
    await bob.owner.say(bob.chat, "!status")
    await town.bot.start_and_go_live()
    assert await hear(alice.owner, town.bot, alice.chat) == "said in the dark"
    assert "(C1)" in await hear(bob.owner, town.bot, bob.chat)
    assert await alice.ask("and this?") == "and this?"
    assert await town.bot.terminate() == 0
    await town.bot.start_and_go_live()
    assert await alice.ask("once more") == "once more"
    words = await words_of(alice.owner, alice.chat, town.bot.user_id)
    assert words[-3:] == ["said in the dark", "and this?", "once more"]


async def test_a_database_of_another_release_keeps_the_position_and_gets_its_cache_back(
    town: Town,
) -> None:
    alice, kv = town.homes[0], town.bot.kv()
    assert await town.bot.terminate() == 0
    await alice.owner.say(alice.chat, "said between two releases")
    look = town.bot.database.stat()
    with closing(sqlite3.connect(town.bot.database)) as connection:
        connection.execute("PRAGMA user_version = 99")
    # The other release has shut down cleanly as well.
    os.utime(town.bot.database, ns=(look.st_atime_ns, look.st_mtime_ns))
    await town.bot.start_and_go_live()
    assert differences(kv, town.bot.kv()) == []
    assert await hear(alice.owner, town.bot, alice.chat) == "said between two releases"
    events = {event["event"] for event in town.bot.events()}
    assert "file_set_aside" in events
    assert "started_from_now" not in events


async def test_without_the_database_it_says_so_and_answers_what_was_said_in_the_dark(
    town: Town,
) -> None:
    alice = town.homes[0]
    await alice.ask("the last before the loss")
    await town.bot.kill()
    await alice.owner.say(alice.chat, "said in the dark")
    before = await town.admin.rooms_on_server()
    town.bot.wipe()
    await town.bot.start_and_go_live()
    assert "started_from_now" in {event["event"] for event in town.bot.events()}
    assert await hear(alice.owner, town.bot, alice.chat) == "said in the dark"
    assert await alice.ask("the first after it") == "the first after it"
    words = await words_of(alice.owner, alice.chat, town.bot.user_id)
    assert words[-3:] == ["the last before the loss", "said in the dark", "the first after it"]
    assert await town.admin.rooms_on_server() == before


RESTORED = {
    "restored_user_meta": "matrix_user",
    "restored_room_meta": "matrix_room",
    "restored_chat_rows": "chat",
}


def report_of(bot: BotProcess) -> dict[str, Any]:
    """What the latest run has reported of its reconciliation."""
    return next(event for event in bot.events() if event["event"] == "reconciled")
