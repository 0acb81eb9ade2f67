"""The PostgreSQL server of two processes is killed, also while one takes over; see `pairs`."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Final

import anyio
import pytest

from demo.synapse import ThrowawaySynapse
from tests.postgres import Cluster, throwaway_cluster
from tests.synapse.pairs import LEASE_S, TAKEOVERS, Pair, Talk, reached, talk_with

pytestmark = pytest.mark.anyio

SHORT_S: Final = 1.0
LONG_S: Final = LEASE_S + 2.0


@pytest.fixture(params=range(TAKEOVERS), autouse=True)
def takeover(request: pytest.FixtureRequest) -> int:
    """The round that it is."""
    return int(request.param)


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A server of these tests alone."""
    with throwaway_cluster() as running:
        yield running


@pytest.fixture(scope="module", params=["direct", "pooled"])
def database(request: pytest.FixtureRequest, server: Cluster) -> Iterator[str]:
    """A database, reached directly or through PgBouncer in transaction mode."""
    with reached(server, request.param) as url:
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


@pytest.mark.parametrize("away_s", [SHORT_S, LONG_S], ids=["for_short", "for_longer_than_a_lease"])
async def test_when_the_server_is_killed(
    talk: Talk, pair: Pair, server: Cluster, away_s: float
) -> None:
    async with talk.going_on():
        await anyio.sleep(2 + talk.company.random.random())
        server.kill()
        lost = await pair.leader.program.wait_for_event(
            "lifecycle_transition", lambda event: event["src"] == "live"
        )
        # A pool lets writes wait, until the lease is over.
        assert lost["trigger"] in {"store_lost", "lease_lost"}
        await anyio.sleep(away_s)
        server.start()
        await pair.wait_for_a_leader()


async def test_when_the_leader_is_killed_and_then_the_server(
    talk: Talk, pair: Pair, server: Cluster
) -> None:
    async with talk.going_on():
        await anyio.sleep(2)
        await pair.leader.program.kill()
        await anyio.sleep(talk.company.random.uniform(0, LEASE_S))
        server.kill()
        waits = await pair.standby.program.wait_for_event("standing_by")
        assert waits["reason"].startswith("the database does not answer: ")
        server.start()
        await pair.standby.program.wait_for_state("live")
        pair.turn()


async def test_when_the_server_is_killed_while_the_standby_takes_over(
    talk: Talk, pair: Pair, server: Cluster
) -> None:
    async with talk.going_on():
        await anyio.sleep(2)
        await pair.leader.program.kill()
        await pair.standby.program.wait_for_state("login")
        await anyio.sleep(talk.company.random.uniform(0, 0.2))
        server.kill()
        await anyio.sleep(SHORT_S)
        server.start()
        await pair.leader.stand_by_again()
        await pair.wait_for_a_leader()
