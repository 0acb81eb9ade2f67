"""Two processes of one bot on PostgreSQL: one answers, and the other takes over.

What counts is what the rooms say to a person who reads them over HTTP. `TAKEOVERS=20` in the
environment makes so many rounds of each kind, and checks how long people wait: for a machine that
does nothing else.
"""

import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

import anyio
import pytest

from demo.bot import BotProcess, LogEvent
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.postgres import Cluster, throwaway_cluster
from tests.relay import Relay
from tests.synapse.conftest import PASSWORD, unique
from tests.synapse.proxy import FaultProxy, Request
from tests.synapse.talk import Company, gather, seeded

pytestmark = pytest.mark.anyio

TAKEOVERS: Final = int(os.environ.get("TAKEOVERS", "1"))
LEASE_S: Final = 6.0
PAUSE_S: Final = 1.0
"""Each person says something about as often."""
NOT_SILENT_S: Final = 1.0
"""A lease has ended for so long, at most, when people hear from the bot again."""
HANDED_OVER_S: Final = 0.5
SLACK_S: Final = 0.0 if "TAKEOVERS" in os.environ else 30.0
"""How much longer all that may take beside other tests."""
MS: Final = 1000


@pytest.fixture(params=range(TAKEOVERS), autouse=True)
def takeover(request: pytest.FixtureRequest) -> int:
    """The round that it is."""
    return int(request.param)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with throwaway_cluster() as running:
        yield running


@dataclass
class Process:
    """A process of the bot, with its own way to the homeserver and its own to the database."""

    program: BotProcess
    proxy: FaultProxy
    relay: Relay

    @property
    def sent(self) -> Sequence[Request]:
        """What this process has changed on the homeserver."""
        return [
            it for it in self.proxy.forwarded if it.is_write and it.name != "POST user/*/filter"
        ]

    @property
    def logins(self) -> int:
        """How often it has logged in or out."""
        return sum(it.name in {"POST login", "POST logout"} for it in self.proxy.forwarded)


@dataclass
class Pair:
    """The process that leads, the one that stands by, and people who talk to the bot."""

    leader: Process
    standby: Process
    company: Company

    def turn(self) -> None:
        """Call the processes by their new roles."""
        self.leader, self.standby = self.standby, self.leader


@pytest.fixture(scope="module")
async def pair(
    synapse: ThrowawaySynapse, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pair]:
    """A pair whose people are in their rooms."""
    async with AsyncExitStack() as stack:
        database, user_id = cluster.database(), await synapse.register(unique("bot"), PASSWORD)
        processes = []
        for name in ("one", "two"):
            proxy = await stack.enter_async_context(FaultProxy(synapse.url))
            relay = await stack.enter_async_context(Relay(database))
            bot = BotProcess(
                homeserver_url=proxy.url,
                user_id=user_id,
                password=PASSWORD,
                folder=tmp_path_factory.mktemp(name) / "bot",
                environment={"MATRIX_DB_PATH": relay.url, "MATRIX_JOURNAL_PATH": relay.url},
            )
            processes.append(Process(await stack.enter_async_context(bot), proxy, relay))
        await processes[0].program.start_and_go_live()
        processes[1].program.start()
        await processes[1].program.wait_for_event("standing_by")
        company = await gather(stack, synapse, processes[0].program)
        yield Pair(processes[0], processes[1], company)


async def moments(person: Person, room_id: str, speaker: str) -> list[float]:
    """When the speaker said something in a room, by the homeserver's clock, oldest first."""
    path = f"/rooms/{quote(room_id, safe='')}/messages?dir=b&limit=500"
    chunk = (await person.request("GET", path))["chunk"]
    return [
        event["origin_server_ts"] / MS
        for event in reversed(chunk)
        if event["type"] == "m.room.message" and event["sender"] == speaker
    ]


async def silence_since(pair: Pair, began: float) -> float:
    """The longest time without a message of the bot in any room, since a moment."""
    company = pair.company
    speaker = company.bot.user_id
    by_room = [await moments(room.owner, room.room_id, speaker) for room in company.rooms]
    heard = sorted(moment for found in by_room for moment in found)
    before = [moment for moment in heard if moment < began][-1:]
    after = [moment for moment in heard if moment >= began]
    return max(b - a for a, b in zip([*before, *after], after, strict=False))


async def server_time(pair: Pair) -> float:
    """The homeserver's clock: the bot's latest word."""
    room = pair.company.rooms[0]
    return (await moments(room.owner, room.room_id, pair.company.bot.user_id))[-1]


@asynccontextmanager
async def measured(pair: Pair, within_s: float) -> AsyncIterator[None]:
    """People talk, and something happens to the leader: each message has one answer, in order.

    Within, the standby becomes live. It has the session that there was, and answers soon.
    """
    company, standby = pair.company, pair.standby
    logins, rooms = standby.logins, created(pair)
    async with company.talking(PAUSE_S):
        await anyio.sleep(2 + seeded().random())
        began = await server_time(pair)
        yield
        pair.turn()
        await anyio.sleep(2)
    await company.fall_silent()
    await company.check()
    assert standby.logins == logins
    assert created(pair) == rooms
    assert await silence_since(pair, began) <= within_s + SLACK_S


def moment_of(event: LogEvent) -> float:
    """When a line was logged."""
    return datetime.fromisoformat(event["timestamp"]).timestamp()


def created(pair: Pair) -> int:
    """How many rooms both processes have made."""
    forwarded = [*pair.leader.proxy.forwarded, *pair.standby.proxy.forwarded]
    return sum(it.name == "POST createRoom" for it in forwarded)


async def stand_by_again(process: Process) -> None:
    """Start a process that has ended."""
    process.program.start()
    await process.program.wait_for_event("standing_by")


async def test_when_the_leader_is_killed(pair: Pair) -> None:
    async with measured(pair, LEASE_S + NOT_SILENT_S):
        await pair.leader.program.kill()
        await pair.standby.program.wait_for_state("live")
    await stand_by_again(pair.standby)


async def test_when_the_leader_is_stopped_by_its_service_manager(pair: Pair) -> None:
    stopped, live = pair.leader.program, pair.standby.program
    async with measured(pair, 3 * PAUSE_S):
        assert await stopped.terminate() == 0
        since = await live.wait_for_state("live")
    (asked,) = [it for it in stopped.events() if it["event"] == "stop_requested"]
    await stand_by_again(pair.standby)
    assert moment_of(since) - moment_of(asked) <= HANDED_OVER_S + SLACK_S


async def test_when_the_leader_is_paused_it_sends_nothing_once_it_was_replaced(pair: Pair) -> None:
    paused = pair.leader
    async with measured(pair, LEASE_S + NOT_SILENT_S):
        os.kill(paused.program.pid, signal.SIGSTOP)
        await pair.standby.program.wait_for_state("live")
        sent = len(paused.sent)
        os.kill(paused.program.pid, signal.SIGCONT)
        lost = await paused.program.wait_for_state("stopped")
        assert lost["trigger"] == "lease_lost"
        await paused.program.wait_for_event("standing_by")
        assert len(paused.sent) == sent


async def test_when_the_leader_is_cut_off_from_the_database(pair: Pair) -> None:
    cut_off = pair.leader
    async with measured(pair, LEASE_S + NOT_SILENT_S):
        cut_off.relay.freeze()
        await pair.standby.program.wait_for_state("live")
        sent = len(cut_off.sent)
        await cut_off.program.wait_for_state("stopped")
        assert len(cut_off.sent) == sent
        cut_off.relay.thaw()
        await cut_off.program.wait_for_event("standing_by")
        assert len(cut_off.sent) == sent
