"""How long a bot with many rooms takes from the lease until it is live, after a `kill -9`.

`python -m benchmarks.takeover` builds a homeserver with ROOMS (2500) rooms, or takes the one that a
run before has built. In each of ROUNDS (10) rounds, people talk in some of the rooms, the bot is
killed with SIGKILL, and people talk on. On PostgreSQL, a second process takes over: its time counts
from the lease. On SQLite, the same program starts again: its time counts from the start of its
work. PostgreSQL is a temporary server on a socket that flushes to the disk as usual.

At the end, each database is compared with the rows of a bot that reads all rooms anew. The exit
code is 1 if rows differ, or if a median is over the target.
"""

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Final

import anyio
import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.rows import read_rows
from benchmarks.topology import PASSWORD, OwnerRooms, homeserver_with
from demo.bot import BotProcess, LogEvent
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.postgres import Cluster, throwaway_cluster

MOST_S: Final = 0.5
"""The longest median from the lease, or from the start of work, until live."""
_PEOPLE: Final = 10
_READ_WITHIN_S: Final = 900
_SETTLES_S: Final = 2.0
"""People say their words within this time before the kill, and hear the answers."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A person in one of their chats."""

    owner: Person
    room_id: str


class RowsDiffer(Exception):
    """The rows after the kills are not those of a full rebuild."""


@asynccontextmanager
async def _chats(url: str, owners: Sequence[OwnerRooms]) -> AsyncIterator[list[Chat]]:
    async with AsyncExitStack() as stack:
        found = []
        for each in owners:
            person = Person.logged_in(url, each.owner, PASSWORD)
            found.append(Chat(await stack.enter_async_context(person), each.chats[0]))
        yield found


async def _say(chats: Sequence[Chat], text: str) -> None:
    async with anyio.create_task_group() as tasks:
        for chat in chats:
            tasks.start_soon(chat.owner.say, chat.room_id, text)


def _moment(event: LogEvent) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()


async def _live(bot: BotProcess) -> LogEvent:
    return await bot.wait_for_state("live", timeout_s=_READ_WITHIN_S)


async def takeovers(
    bots: tuple[BotProcess, BotProcess], chats: Sequence[Chat], rounds: int
) -> list[float]:
    """The seconds from the lease until live, for each kill of the process that leads."""
    leader, standby = bots
    leader.start()
    await _live(leader)
    taken = []
    for number in range(rounds):
        standby.start()
        await standby.wait_for_event("standing_by")
        await _say(chats, f"before {number}")
        await anyio.sleep(_SETTLES_S)
        await _say(chats[::2], f"in between {number}")
        await leader.kill()
        await _say(chats[1::2], f"after {number}")
        elected = await standby.wait_for_state("login")
        taken.append(_moment(await _live(standby)) - _moment(elected))
        leader, standby = standby, leader
    await anyio.sleep(_SETTLES_S)
    await leader.terminate()
    return taken


async def restarts(bot: BotProcess, chats: Sequence[Chat], rounds: int) -> list[float]:
    """The seconds from the start of work until live, for each start after a kill."""
    bot.start()
    await _live(bot)
    taken = []
    for number in range(rounds):
        await _say(chats, f"before {number}")
        await anyio.sleep(_SETTLES_S)
        await _say(chats[::2], f"in between {number}")
        await bot.kill()
        await _say(chats[1::2], f"after {number}")
        bot.start()
        starting = await bot.wait_for_event("starting")
        taken.append(_moment(await _live(bot)) - _moment(starting))
    await anyio.sleep(_SETTLES_S)
    await bot.terminate()
    return taken


def _rows(url: str) -> dict[str, object]:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT key, value FROM kv").fetchall()
    return {str(key): json.loads(value) for key, value in found}


@dataclass(frozen=True, slots=True)
class Taken:
    """The seconds until live, for each kill, and the number of rows that were right in the end."""

    seconds: list[float]
    rows: int


@dataclass(frozen=True, slots=True)
class Course:
    """The homeserver, a server of databases, and a folder for the programs."""

    synapse: ThrowawaySynapse
    cluster: Cluster
    folder: Path

    @asynccontextmanager
    async def _bot(self, name: str, environment: Mapping[str, str]) -> AsyncIterator[BotProcess]:
        async with BotProcess(
            homeserver_url=self.synapse.url,
            user_id="@bot:localhost",
            password=PASSWORD,
            folder=self.folder / name,
            environment=dict(environment),
        ) as bot:
            yield bot

    async def postgres(self, chats: Sequence[Chat], rounds: int) -> Taken:
        """Kill the process that leads, over and over. Raises RowsDiffer."""
        url = self.cluster.database()
        on_it = {"MATRIX_DB_PATH": url, "MATRIX_JOURNAL_PATH": ""}
        async with self._bot("one", on_it) as one, self._bot("other", on_it) as other:
            seconds = await takeovers((one, other), chats, rounds)
        return Taken(seconds, await self._right("PostgreSQL", _rows(url)))

    async def sqlite(self, chats: Sequence[Chat], rounds: int) -> Taken:
        """Kill the only process, over and over. Raises RowsDiffer."""
        async with self._bot("files", {}) as bot:
            seconds = await restarts(bot, chats, rounds)
            return Taken(seconds, await self._right("SQLite", read_rows(bot.database)))

    async def _right(self, name: str, rows: Mapping[str, object]) -> int:
        """Compare the rows with those of a bot that reads all rooms anew; their number."""
        async with self._bot(f"rebuilt for {name}", {}) as rebuilding:
            rebuilding.start()
            await _live(rebuilding)
            await rebuilding.terminate()
            rebuilt = read_rows(rebuilding.database)
        if rows != rebuilt:
            keys = sorted(key for key in {*rows, *rebuilt} if rows.get(key) != rebuilt.get(key))
            raise RowsDiffer(f"{name}: {len(keys)} rows, {keys[:5]}")
        return len(rebuilt)


async def measure(rooms: int, rounds: int) -> bool:
    """Measure and print; whether the target is met. Raises RowsDiffer."""
    console = Console()

    def building(what: str, done: int, total: int) -> None:
        console.print(f"building {what}: {done} of {total}")

    with throwaway_cluster(fsync="on") as cluster:
        async with homeserver_with(rooms, building) as (synapse, topology):
            owners = topology.owners_of("bot")[:_PEOPLE]
            async with _chats(synapse.url, owners) as chats:
                course = Course(synapse, cluster, synapse.folder / "takeovers")
                measured = {
                    "PostgreSQL, from the lease": await course.postgres(chats, rounds),
                    "SQLite, from the start of work": await course.sqlite(chats, rounds),
                }
    title = f"until live after {rounds} kills, with {topology.rooms_of('bot')} rooms"
    table = Table("database", "p50 s", "longest s", "rows that are right", title=title)
    for name, taken in measured.items():
        cells = (f"{median(taken.seconds):.2f}", f"{max(taken.seconds):.2f}", f"{taken.rows:,}")
        table.add_row(name, *cells)
    console.print(table)
    return all(median(taken.seconds) <= MOST_S for taken in measured.values())


def main() -> int:
    """Measure; the exit code."""
    rooms = int(os.environ.get("ROOMS") or 2500)
    rounds = int(os.environ.get("ROUNDS") or 10)
    return 0 if anyio.run(measure, rooms, rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
