"""One process of a bot takes over from the other, see `pairs`: what happens to the leader alone."""

import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Final

import pytest

from demo.synapse import ThrowawaySynapse
from tests.postgres import Cluster
from tests.synapse.pairs import (
    LEASE_S,
    NOT_SILENT_S,
    PAUSE_S,
    SLACK_S,
    TAKEOVERS,
    Pair,
    Talk,
    moment_of,
    reached,
    talk_with,
)

pytestmark = pytest.mark.anyio

HANDED_OVER_S: Final = 0.5


@pytest.fixture(params=range(TAKEOVERS), autouse=True)
def takeover(request: pytest.FixtureRequest) -> int:
    """The round that it is."""
    return int(request.param)


@pytest.fixture(scope="module", params=["direct", "pooled"])
def database(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[str]:
    """A database, reached directly or through PgBouncer in transaction mode."""
    with reached(cluster, request.param) as url:
        yield url


@pytest.fixture(scope="module")
async def talk(
    synapse: ThrowawaySynapse, database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Talk]:
    async with AsyncExitStack() as stack:
        yield await talk_with(stack, synapse, database, tmp_path_factory.mktemp("pair"))


@pytest.fixture
async def pair(talk: Talk) -> AsyncIterator[Pair]:
    """Both processes run again after the test, also if it fails."""
    yield talk.pair
    await talk.pair.complete()


async def test_when_the_leader_is_killed(talk: Talk, pair: Pair) -> None:
    async with talk.taken_over(LEASE_S + NOT_SILENT_S):
        await pair.leader.program.kill()
        await pair.standby.program.wait_for_state("live")


async def test_when_the_leader_is_stopped_by_its_service_manager(talk: Talk, pair: Pair) -> None:
    stopped, live = pair.leader.program, pair.standby.program
    async with talk.taken_over(3 * PAUSE_S):
        assert await stopped.terminate() == 0
        since = await live.wait_for_state("live")
    (asked,) = [it for it in stopped.events() if it["event"] == "stop_requested"]
    assert moment_of(since) - moment_of(asked) <= HANDED_OVER_S + SLACK_S


async def test_when_the_leader_is_paused_it_sends_nothing_once_it_was_replaced(
    talk: Talk, pair: Pair
) -> None:
    paused = pair.leader
    async with talk.taken_over(LEASE_S + NOT_SILENT_S):
        os.kill(paused.program.pid, signal.SIGSTOP)
        await pair.standby.program.wait_for_state("live")
        sent = len(paused.sent)
        os.kill(paused.program.pid, signal.SIGCONT)
        lost = await paused.program.wait_for_state("stopped")
        assert lost["trigger"] == "lease_lost"
        await paused.program.wait_for_event("standing_by")
        assert len(paused.sent) == sent


async def test_when_the_leader_is_cut_off_from_the_database(talk: Talk, pair: Pair) -> None:
    cut_off = pair.leader
    async with talk.taken_over(LEASE_S + NOT_SILENT_S):
        cut_off.relay.freeze()
        await pair.standby.program.wait_for_state("live")
        sent = len(cut_off.sent)
        await cut_off.program.wait_for_state("stopped")
        assert len(cut_off.sent) == sent
        cut_off.relay.thaw()
        await cut_off.program.wait_for_event("standing_by")
        assert len(cut_off.sent) == sent


async def test_when_the_leader_is_cut_off_from_the_database_and_the_homeserver(
    talk: Talk, pair: Pair
) -> None:
    # What was on its way to the homeserver arrives when another process leads. It is no new answer.
    cut_off = pair.leader
    async with talk.taken_over(LEASE_S + NOT_SILENT_S):
        cut_off.relay.freeze()
        cut_off.road.freeze()
        await pair.standby.program.wait_for_state("live")
        replaced = time.monotonic()
        await cut_off.program.wait_for_state("stopped")
        cut_off.relay.thaw()
        cut_off.road.thaw()
        await cut_off.program.wait_for_event("standing_by")
    assert cut_off.road.writes_since(0)
    assert cut_off.road.writes_since(replaced) == []
