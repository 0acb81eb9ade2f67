"""Two processes of one bot on PostgreSQL, and people who talk to it: one answers, the other may.

What counts is what the rooms say to a person who reads them over HTTP. `TAKEOVERS=20` in the
environment makes so many rounds of each kind, and checks how long people wait: for a machine that
does nothing else.
"""

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

import anyio

from demo.bot import RUN, BotProcess, LogEvent
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.postgres import Cluster, pgbouncer
from tests.relay import DatabaseRelay, HttpRelay
from tests.synapse.conftest import PASSWORD, unique
from tests.synapse.proxy import FaultProxy, Request
from tests.synapse.talk import Company, gather

TAKEOVERS: Final = int(os.environ.get("TAKEOVERS", "1"))
LEASE_S: Final = 6.0
PAUSE_S: Final = 1.0
"""Each person says something about as often."""
NOT_SILENT_S: Final = 1.0
"""A lease has ended for so long, at most, when people hear from the bot again."""
SLACK_S: Final = 0.0 if "TAKEOVERS" in os.environ else 30.0
"""How much longer all that may take beside other tests."""
_MS: Final = 1000


@dataclass
class Process:
    """A process of the bot, with its own ways to the homeserver and to the database."""

    program: BotProcess
    proxy: FaultProxy
    road: HttpRelay
    """In front of the proxy."""
    relay: DatabaseRelay

    @property
    def sent(self) -> Sequence[Request]:
        """What of this process has changed something on the homeserver."""
        return [
            it for it in self.proxy.forwarded if it.is_write and it.name != "POST user/*/filter"
        ]

    @property
    def logins(self) -> int:
        """How often it has logged in or out."""
        return sum(it.name in {"POST login", "POST logout"} for it in self.proxy.forwarded)

    async def stand_by_again(self) -> None:
        """Start it after it has ended."""
        self.program.start()
        await self.program.wait_for_event("standing_by")


@dataclass
class Pair:
    """The process that leads, and the one that stands by."""

    leader: Process
    standby: Process

    def turn(self) -> None:
        """Call the processes by their new roles."""
        self.leader, self.standby = self.standby, self.leader

    @property
    def created(self) -> int:
        """How many rooms both processes have made."""
        forwarded = [*self.leader.proxy.forwarded, *self.standby.proxy.forwarded]
        return sum(it.name == "POST createRoom" for it in forwarded)

    @property
    def logins(self) -> int:
        """How often both have logged in or out."""
        return self.leader.logins + self.standby.logins

    async def complete(self) -> None:
        """Start again what has ended."""
        for process in (self.leader, self.standby):
            if not process.program.is_started:
                await process.stand_by_again()

    async def wait_for_a_leader(self, timeout_s: float = 60) -> None:
        """Wait until one of them becomes live, and call it the leader."""
        found: list[Process] = []
        async with anyio.create_task_group() as either:

            async def wait(process: Process) -> None:
                await process.program.wait_for_state("live", timeout_s=timeout_s)
                found.append(process)
                either.cancel_scope.cancel()

            either.start_soon(wait, self.leader)
            either.start_soon(wait, self.standby)
        if found[0] is self.standby:
            self.turn()


async def two_processes(
    stack: AsyncExitStack,
    synapse: ThrowawaySynapse,
    database: str,
    folder: Path,
    command: Sequence[str] = RUN,
) -> Pair:
    """A pair on one account and one database; the leader is live."""
    user_id = await synapse.register(unique("bot"), PASSWORD)
    processes = []
    for name in ("one", "two"):
        proxy = await stack.enter_async_context(FaultProxy(synapse.url))
        road = await stack.enter_async_context(HttpRelay(proxy.url))
        relay = await stack.enter_async_context(DatabaseRelay(database))
        bot = BotProcess(
            homeserver_url=road.url,
            user_id=user_id,
            password=PASSWORD,
            folder=folder / name,
            environment={"MATRIX_DB_PATH": relay.url, "MATRIX_JOURNAL_PATH": relay.url},
            command=command,
        )
        processes.append(Process(await stack.enter_async_context(bot), proxy, road, relay))
    pair = Pair(*processes)
    await pair.leader.program.start_and_go_live()
    await pair.standby.stand_by_again()
    return pair


@dataclass
class Talk:
    """A pair, and people who talk to it in rooms of its account."""

    pair: Pair
    company: Company

    @asynccontextmanager
    async def going_on(self, rest_s: float = 2) -> AsyncIterator[None]:
        """People talk, and within, something happens: each message has one answer, in order.

        No room is made, and no process logs in or out.
        """
        logins, rooms = self.pair.logins, self.pair.created
        async with self.company.talking(PAUSE_S):
            yield
            await anyio.sleep(rest_s)
        await self.company.fall_silent()
        await self.company.check()
        assert self.pair.logins == logins
        assert self.pair.created == rooms

    @asynccontextmanager
    async def taken_over(self, within_s: float) -> AsyncIterator[None]:
        """People talk, and the standby becomes live within the context: it answers each in time."""
        async with self.going_on():
            await anyio.sleep(2 + self.company.random.random())
            began = await self._server_time()
            yield
            self.pair.turn()
        silent_s = await self._silence_since(began)
        assert silent_s <= within_s + SLACK_S

    async def _server_time(self) -> float:
        """The homeserver's clock: the bot's latest word."""
        room = self.company.rooms[0]
        return (await _moments(room.owner, room.room_id, self.company.bot.user_id))[-1]

    async def _silence_since(self, began: float) -> float:
        """The longest time without a message of the bot in any room, since a moment."""
        speaker = self.company.bot.user_id
        by_room = [await _moments(room.owner, room.room_id, speaker) for room in self.company.rooms]
        heard = sorted(moment for found in by_room for moment in found)
        before = [moment for moment in heard if moment < began][-1:]
        after = [moment for moment in heard if moment >= began]
        return max(b - a for a, b in zip([*before, *after], after, strict=False))


@contextmanager
def reached(cluster: Cluster, way: str) -> Iterator[str]:
    """The URL of a new database, reached `direct` or by PgBouncer in transaction mode."""
    url = cluster.database()
    if way == "direct":
        yield url
        return
    with pgbouncer(cluster) as folder:
        yield url.replace(str(cluster.folder), str(folder))


async def talk_with(
    stack: AsyncExitStack, synapse: ThrowawaySynapse, database: str, folder: Path
) -> Talk:
    """A pair whose people are in their rooms."""
    pair = await two_processes(stack, synapse, database, folder)
    return Talk(pair, await gather(stack, synapse, pair.leader.program))


async def _moments(person: Person, room_id: str, speaker: str) -> list[float]:
    """When the speaker said something in a room, by the homeserver's clock, oldest first."""
    path = f"/rooms/{quote(room_id, safe='')}/messages?dir=b&limit=500"
    chunk = (await person.request("GET", path))["chunk"]
    return [
        event["origin_server_ts"] / _MS
        for event in reversed(chunk)
        if event["type"] == "m.room.message" and event["sender"] == speaker
    ]


def moment_of(event: LogEvent) -> float:
    """When a line was logged."""
    return datetime.fromisoformat(event["timestamp"]).timestamp()
