"""What the rooms on the server say, and what a rebuild makes of them: a cache's measure."""

import json
import os
import sqlite3
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio

from supervisor.demo.bot import BotProcess
from supervisor.demo.person import Json, Person
from tests.synapse.home import MARKER

SETTINGS: Final = ("MATRIX_", "BOT_", "STATUS_", "LOG_")


@dataclass(slots=True)
class Rooms:
    """One owner's rooms by their markers, as the server has them."""

    spaces: list[str] = field(default_factory=list)
    chats: dict[str, list[str]] = field(default_factory=dict)
    """The rooms of each chat id: one, if all is well."""
    listed: set[str] = field(default_factory=set)
    """What the Spaces list."""

    @property
    def count(self) -> int:
        return len(self.spaces) + sum(map(len, self.chats.values()))


async def rooms_of_owners(account: Person) -> dict[str, Rooms]:
    """Every marked room that the bot's account is in, by owner."""
    owners: dict[str, Rooms] = {}
    for room_id in await account.joined_rooms():
        state = await account.state(room_id)
        marker = content_of(state, MARKER, account.user_id)
        if marker is None:
            continue
        rooms = owners.setdefault(marker["owner"], Rooms())
        if marker["kind"] == "space":
            rooms.spaces.append(room_id)
            rooms.listed |= set(listed_in(state))
        else:
            rooms.chats.setdefault(marker["chat_id"], []).append(room_id)
    return owners


def content_of(state: Iterable[Json], type_: str, state_key: str = "") -> Json | None:
    """The content of one event in a room's state; None where it is missing or empty."""
    for event in state:
        if (event["type"], event["state_key"]) == (type_, state_key):
            content: Json = event["content"]
            return content or None
    return None


def listed_in(state: Iterable[Json]) -> list[str]:
    """The rooms that a Space lists."""
    return [
        event["state_key"]
        for event in state
        if event["type"] == "m.space.child" and event["content"].get("via")
    ]


async def run_reconcile(bot: BotProcess, *arguments: str, **environment: str) -> Json:
    """Run `surfaces-bot reconcile --json` with the bot's settings, and answer its report."""
    done = await anyio.run_process(
        [sys.executable, "-m", "supervisor", "reconcile", "--json", *arguments],
        env=without_settings() | bot.environment | {"LOG_LEVEL": "WARNING"} | environment,
        cwd=bot.folder,
        check=False,
    )
    assert done.returncode == 0, (done.stdout.decode(), done.stderr.decode())
    report: Json = json.loads(done.stdout)
    return report


async def rebuilt(bot: BotProcess, folder: Path, **environment: str) -> dict[str, Any]:
    """The rows that `reconcile` makes in an empty folder, beside a bot that may be running."""
    folder.mkdir(parents=True)
    database = folder / "rebuilt.db"
    await run_reconcile(
        bot,
        MATRIX_DB_PATH=str(database),
        MATRIX_STORE_PATH=str(folder / "store"),
        MATRIX_JOURNAL_PATH=str(folder / "journal.db"),
        MATRIX_DEVICE_ID="REBUILDER",
        **environment,
    )
    return rows_of(database)


def rows_of(database: Path) -> dict[str, Any]:
    """The whole `kv` table, decoded."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT key, value FROM kv")
        return {key: json.loads(value) for key, value in rows}


def without_settings() -> dict[str, str]:
    """Answer our own environment without settings that were meant for another bot."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
