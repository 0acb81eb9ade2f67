"""What the rooms on the server say, and what a rebuild makes of them: a cache's measure."""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from actors.chats import ChatManager
from actors.model import UserId
from actors.rules.report import ReconcileReport
from adapter.matrix.gateway import Gateway
from adapter.matrix.reconcile import reconcile_matrix_state
from adapter.sqlite.store import SqliteStore
from demo.bot import BotProcess
from demo.client import Json
from demo.person import Person
from tests.synapse.home import MARKER
from tests.synapse.program import surfaces_bot

Rows: TypeAlias = dict[str, Any]


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


async def run_reconcile(bot: BotProcess, **environment: str) -> Json:
    """Run `surfaces-bot reconcile --json` with the bot's settings, and answer its report."""
    done = await surfaces_bot(bot, "reconcile", "--json", environment=environment)
    assert done.code == 0, done.err
    return done.report


async def rebuilt(bot: BotProcess, folder: Path) -> Rows:
    """The rows that `reconcile` makes in an empty folder, beside a bot that may be running."""
    folder.mkdir(parents=True)
    database = folder / "rebuilt.db"
    await run_reconcile(
        bot,
        MATRIX_DB_PATH=str(database),
        MATRIX_STORE_PATH=str(folder / "store"),
        MATRIX_JOURNAL_PATH=str(folder / "journal.db"),
        MATRIX_DEVICE_ID="REBUILDER",
    )
    return rows_of(database)


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Brings any database in line with an account's rooms: quicker than a program of its own."""

    gateway: Gateway

    @classmethod
    @asynccontextmanager
    async def logged_in(
        cls, homeserver_url: str, user_id: str, password: str
    ) -> AsyncIterator["Reconciler"]:
        """Log in with a device of its own, which disturbs no bot."""
        gateway = Gateway(
            homeserver_url, UserId(user_id), password=password, device_id="RECONCILER"
        )
        try:
            await gateway.log_in()
            yield cls(gateway)
        finally:
            await gateway.close()

    async def __call__(self, database: Path) -> ReconcileReport:
        """Reconcile once, and answer the report."""
        async with SqliteStore.open(database, on_recovery=lambda _: None) as store:
            return await reconcile_matrix_state(self.gateway, store, ChatManager(store))

    async def rebuild(self) -> tuple[Rows, ReconcileReport]:
        """The rows and the report of a reconciliation that begins with nothing."""
        with TemporaryDirectory() as folder:
            database = Path(folder, "rebuilt.db")
            report = await self(database)
            return rows_of(database), report


def rows_of(database: Path) -> Rows:
    """The whole `kv` table, decoded."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT key, value FROM kv")
        return {key: json.loads(value) for key, value in rows}
