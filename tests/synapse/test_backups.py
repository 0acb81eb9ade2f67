"""Backups of the homeserver and of the bot's database that are restored, and what is purged."""

import json
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from actors.rules.generation import Doubt
from demo.bot import BotProcess
from demo.client import MatrixClient, part_of_path
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD
from tests.synapse.home import Home, accept, hear, move_in, words_of

pytestmark = pytest.mark.anyio


def keep(database: Path, folder: Path) -> None:
    """Make a backup of a database that no process has open."""
    folder.mkdir()
    for file in database.parent.glob(f"{database.name}*"):
        shutil.copy2(file, folder)


def bring_back(database: Path, folder: Path) -> None:
    """Restore a backup."""
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()
    for file in folder.iterdir():
        shutil.copy2(file, database.parent)


@dataclass(slots=True)
class Place:
    """A homeserver of one's own with a bot that is live, and Alice with a home there."""

    homeserver: ThrowawaySynapse
    bot: BotProcess
    home: Home
    stack: AsyncExitStack

    @property
    def database(self) -> Path:
        return self.homeserver.folder / "synapse.db"

    async def without_homeserver(self, name: str, *, bring: bool) -> None:
        """Stop the homeserver to make a backup or to restore it, and start it again."""
        await self.homeserver.stop()
        (bring_back if bring else keep)(self.database, self.homeserver.folder / name)
        await self.homeserver.start()
        self.home = replace(self.home, owner=await self.somebody("alice"))

    async def somebody(self, localpart: str) -> Person:
        login = Person.logged_in(self.homeserver.url, localpart, PASSWORD)
        return await self.stack.enter_async_context(login)

    async def replies(self) -> list[str]:
        return await words_of(self.home.owner, self.home.chat, self.bot.user_id)

    async def started_from_now(self) -> str:
        return str((await self.bot.wait_for_event("started_from_now"))["reason"])


@pytest.fixture
async def place(own_synapse: ThrowawaySynapse, tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        for localpart in ("alice", "bot"):
            await own_synapse.register(localpart, PASSWORD)
        bot = await stack.enter_async_context(
            BotProcess(
                homeserver_url=own_synapse.url,
                user_id="@bot:localhost",
                password=PASSWORD,
                folder=tmp_path / "bot",
            )
        )
        await bot.start_and_go_live()
        login = Person.logged_in(own_synapse.url, "alice", PASSWORD)
        alice = await stack.enter_async_context(login)
        place = Place(own_synapse, bot, await move_in(alice, bot), stack)
        assert await place.home.ask("first") == "first"
        yield place


async def say_all(place: Place, what: str, count: int) -> list[str]:
    texts = [f"{what} {number}" for number in range(count)]
    for text in texts:
        await place.home.owner.say(place.home.chat, text)
    return texts


async def test_after_a_restore_of_the_homeserver_everything_is_answered_once(place: Place) -> None:
    await place.bot.terminate()
    await place.without_homeserver("backup", bring=False)
    await place.bot.start_and_go_live()
    for number in range(5):
        await place.home.ask(f"lost {number}")
    await place.bot.terminate()
    await place.without_homeserver("backup", bring=True)
    expected = ["first", *await say_all(place, "while down", 20)]
    await place.bot.start_and_go_live()
    expected += await say_all(place, "after", 20)
    await place.home.owner.say(place.home.chat, "last")
    await place.home.owner.wait_for(
        lambda event: (event.sender, event.body) == (place.bot.user_id, "last"), timeout_s=30
    )
    assert await place.replies() == [*expected, "last"]


async def test_a_homeserver_restored_while_the_bot_is_up_is_noticed(place: Place) -> None:
    await place.without_homeserver("backup", bring=False)
    await place.bot.wait_for_state("live")
    await place.home.ask("lost")
    await place.without_homeserver("backup", bring=True)
    assert await place.started_from_now() in {Doubt.HOMESERVER, Doubt.EVENT}
    await place.bot.wait_for_state("live")
    assert await place.home.ask("after") == "after"
    assert await place.replies() == ["first", "after"]


async def test_an_old_database_repeats_nothing(place: Place) -> None:
    await place.home.ask("!rename Old")
    await place.bot.terminate()
    keep(place.bot.database, place.bot.folder / "backup")
    await place.bot.start_and_go_live()
    for number in range(5):
        await place.home.ask(f"answered {number}")
    await place.home.ask("!rename New")
    await place.home.owner.set_state(place.home.chat, "m.room.name", {"name": "Newest"})
    await place.home.new_chat("!new Second")
    await hear(place.home.owner, place.bot, place.home.chat)
    await place.bot.terminate()
    said = await place.replies()
    bring_back(place.bot.database, place.bot.folder / "backup")
    (place.bot.store / "session.json").unlink()
    await place.bot.start_and_go_live()
    assert await place.home.ask("!chats") == "Your chats:\nC1: Newest\nC2: Second"
    assert (await place.replies())[:-1] == said
    assert await place.home.owner.name_of(place.home.chat) == "Newest"


async def test_a_homeserver_begun_anew_under_its_old_name(place: Place) -> None:
    await place.bot.terminate()
    await place.homeserver.stop()
    for file in place.homeserver.folder.glob("synapse.db*"):
        file.unlink()
    await place.homeserver.start()
    for localpart in ("alice", "bot"):
        await place.homeserver.register(localpart, PASSWORD)
    place.bot.start()
    assert await place.started_from_now() == Doubt.NEW_HOMESERVER
    await place.bot.wait_for_state("live")
    assert place.bot.kv() == {}
    home = await move_in(await place.somebody("alice"), place.bot)
    assert await home.ask("!chats") == "Your chats:\nC1: Chat 1"


async def test_a_chat_and_a_space_that_an_administrator_purges(place: Place) -> None:
    await place.homeserver.register("admin", PASSWORD, admin=True)
    admin, home = await place.somebody("admin"), place.home

    async def purge(room_id: str) -> None:
        path = f"/_synapse/admin/v1/rooms/{part_of_path(room_id)}"
        await admin._call("DELETE", path, {"purge": True, "force_purge": True})

    second = await home.new_chat("!new Second")
    await hear(home.owner, place.bot, home.chat)
    await place.bot.terminate()
    await purge(second)
    await place.bot.start_and_go_live()
    gone = "Second (C2) can't be opened any more"
    assert (await home.ask("!open C2")).startswith(gone)
    assert "Second" not in await home.ask("!chats")
    assert "C3" in await home.ask("!new Third")
    await purge(await accept(home.owner, place.bot, is_space=False))
    assert (await home.ask("!open C3")).startswith("Third (C3) can't be opened any more")
    await purge(home.space)
    assert (await home.ask("!new Fourth")).startswith("I can't find your Space any more.")
    assert await home.ask("still there?") == "still there?"


async def test_a_room_that_vanishes_without_a_trace_is_noticed_at_the_start(place: Place) -> None:
    second = await place.home.new_chat("!new Second")
    await hear(place.home.owner, place.bot, place.home.chat)
    await place.bot.terminate()
    await place.homeserver.stop()
    with closing(sqlite3.connect(place.database)) as connection, connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            if "room_id" in columns:
                connection.execute(f"DELETE FROM {table} WHERE room_id = ?", (second,))  # noqa: S608
    await place.homeserver.start()
    place.home = replace(place.home, owner=await place.somebody("alice"))
    await place.bot.start_and_go_live()
    assert "Second" not in await place.home.ask("!chats")


@pytest.mark.parametrize("how", ["a day ago", "another session"])
async def test_a_reply_that_the_homeserver_has_forgotten_is_not_sent_twice(
    place: Place, how: str
) -> None:
    await place.bot.terminate()
    await place.homeserver.stop()
    with closing(sqlite3.connect(place.database)) as connection, connection:
        connection.execute("DELETE FROM event_txn_id_device_id")
    await place.homeserver.start()
    place.home = replace(place.home, owner=await place.somebody("alice"))
    age_s = 25 * 3600 if how == "a day ago" else 0
    with closing(sqlite3.connect(place.bot.database)) as connection, connection:
        connection.execute(
            "UPDATE outbox SET state = 'unsent', event_id = NULL, tried_at = tried_at - ?"
            " WHERE seq = (SELECT max(seq) FROM outbox)",
            (age_s,),
        )
    if not age_s:
        (place.bot.store / "session.json").unlink()
    await place.bot.start_and_go_live()
    await place.bot.wait_for_event("looked_for_message", lambda event: bool(event["found"]))
    assert await place.home.ask("second") == "second"
    assert await place.replies() == ["first", "second"]


async def test_a_reply_that_release_0_1_has_sent_is_not_sent_again(place: Place) -> None:
    """It has no mark, and the database does not say that it was tried."""
    await place.bot.terminate()
    session = json.loads((place.bot.store / "session.json").read_text())
    room, txn_id, body = place.home.chat, "$of-0.1.0", "from the first release"
    path = f"/rooms/{part_of_path(room)}/send/m.room.message/{part_of_path(txn_id)}"
    async with aiohttp.ClientSession() as http:
        by_the_bot = MatrixClient(http, place.homeserver.url, session)
        await by_the_bot.request("PUT", path, {"msgtype": "m.text", "body": body})
    await place.homeserver.stop()
    with closing(sqlite3.connect(place.database)) as connection, connection:
        connection.execute("DELETE FROM event_txn_id_device_id")
    await place.homeserver.start()
    place.home = replace(place.home, owner=await place.somebody("alice"))
    with closing(sqlite3.connect(place.bot.database)) as connection, connection:
        connection.execute(
            "INSERT INTO outbox(txn_id, room_id, body, notice, created_at) VALUES (?, ?, ?, 0, ?)",
            (txn_id, room, body, time.time() - 90_000),
        )
        for index in ("outbox_edits", "outbox_anchors"):
            connection.execute(f"DROP INDEX {index}")
        for column in ("thread", "reply_to", "tried_at", "tried_by", "details", "kind", "edits"):
            connection.execute(f"ALTER TABLE outbox DROP COLUMN {column}")
        for column in ("thread", "reply_to", "quoted", "mentions", "file", "edits"):
            connection.execute(f"ALTER TABLE inbox DROP COLUMN {column}")
        connection.execute("PRAGMA user_version = 1")
    await place.bot.start_and_go_live()
    await place.bot.wait_for_event("looked_for_message", lambda event: bool(event["found"]))
    assert await place.home.ask("second") == "second"
    assert await place.replies() == ["first", body, "second"]
