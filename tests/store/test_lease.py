"""The lease in PostgreSQL: who may take it, and what it keeps out."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Final, TypeAlias

import anyio
import psycopg
import pytest
from structlog.testing import capture_logs

from actors.model import UserId
from actors.port_errors import LeaseLost, StoreRefused
from actors.writes import PutRow
from adapter.matrix.session import Session, SessionInDatabase
from adapter.postgres import exchanges
from adapter.postgres.fence import Fence
from adapter.postgres.lease import PostgresLease, boot_time
from adapter.postgres.store import PostgresStore
from adapter.postgres.transactions import Claim
from adapter.sql.lease import LeaseLeadership
from supervisor.app.leading import refuse_while_led
from supervisor.lock import LedElsewhere
from supervisor.settings import LocalSettings, settings_from
from tests.postgres import Cluster

pytestmark = pytest.mark.anyio

BOT: Final = "@bot:example.org"
TTL_S: Final = 0.6

Leases: TypeAlias = Callable[..., AbstractAsyncContextManager[LeaseLeadership]]


@pytest.fixture
def url(cluster: Cluster) -> str:
    """An empty database."""
    return cluster.database()


@asynccontextmanager
async def table(url: str, holder: str, name: str = BOT) -> AsyncIterator[PostgresLease]:
    async with PostgresLease.open(url, name=name, holder=holder, within_s=2.0) as opened:
        yield opened


@asynccontextmanager
async def process(url: str, holder: str, notes: list[str]) -> AsyncIterator[LeaseLeadership]:
    """A process that may lead."""
    async with table(url, holder) as opened:
        yield LeaseLeadership(
            opened, ttl_s=TTL_S, look_s=0.02, clock=boot_time, notice=notes.append
        )


async def test_one_of_many_that_start_at_once_takes_it(url: str) -> None:
    taken: list[int] = []

    async def start(number: int) -> None:
        async with table(url, f"process {number}") as lease:
            epoch = await lease.take(60)
            if epoch is not None:
                taken.append(epoch)

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(start, number)
    assert len(taken) == 1


async def test_an_epoch_is_taken_once_and_renewed_by_its_holder_alone(url: str) -> None:
    async with table(url, "a") as a, table(url, "b") as b:
        first = await a.take(60)
        assert first is not None
        assert await b.take(60) is None
        seen = await b.look()
        assert (seen.epoch, seen.holder) == (first, "a")
        assert 59 < seen.left_s <= 60
        assert await a.renew(first, 0.0)
        second = await b.take(60)
        assert second is not None
        assert second > first
        assert not await a.renew(first, 60)
        await a.free(first)
        assert (await b.look()).left_s > 0
        await b.free(second)
        assert (await b.look()).left_s <= 0


async def test_the_holder_may_take_it_again_without_knowing_its_epoch(url: str) -> None:
    async with table(url, "a") as a:
        first = await a.take(60)
        second = await a.take(60)
        assert first is not None
        assert second is not None
        assert second > first


async def test_an_epoch_is_not_given_again_by_a_database_that_lost_it(url: str) -> None:
    async with (
        table(url, "a") as a,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as admin,
    ):
        lost = await a.take(60)
        await admin.execute("UPDATE lease SET epoch = 0, expires = to_timestamp(0)")
        await anyio.sleep(0.002)
        again = await a.take(60)
        assert lost is not None
        assert again is not None
        assert again > lost
        assert not await a.renew(lost, 60)


async def test_a_write_under_an_epoch_that_has_ended_changes_nothing(url: str) -> None:
    async with table(url, "a") as a, table(url, "b") as b:
        epoch = await a.take(60)
        assert epoch is not None
        async with PostgresStore.open(url, fence=Fence(BOT, epoch)) as store:
            await store.commit([PutRow("k", {"by": "a"})])
            await a.free(epoch)
            await store.commit([PutRow("k", {"by": "a still"})])
            assert await b.take(60)
            with pytest.raises(LeaseLost):
                await store.commit([PutRow("k", {"by": "a too late"})])
            assert await store.row("k") == {"by": "a still"}


async def test_a_former_leader_that_connects_late_takes_nothing_from_the_next_one(url: str) -> None:
    async with table(url, "a") as a, table(url, "b") as b:
        first = await a.take(0.01)
        assert first is not None
        async with PostgresStore.open(url, fence=Fence(BOT, first)) as former:
            second = await b.take(60)
            assert second is not None
            async with PostgresStore.open(url, fence=Fence(BOT, second)) as store:
                await store.commit([PutRow("k", {"by": "b"})])
                with pytest.raises(LeaseLost):
                    await former.commit([PutRow("k", {"by": "a"})])
                await store.commit([PutRow("k", {"by": "b still"})])
                assert await store.row("k") == {"by": "b still"}


async def test_a_table_that_is_dropped_is_made_again_and_ends_the_epochs_before(url: str) -> None:
    async with table(url, "a") as a, table(url, "b") as b:
        epoch = await a.take(60)
        assert epoch is not None
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as outside:
            await outside.execute("DROP TABLE lease")
        assert not await a.renew(epoch, 60)
        await a.free(epoch)
        following = await b.take(60)
        assert following is not None
        assert following > epoch


async def test_a_takeover_waits_for_a_transaction_of_the_old_leader_and_ends_it(url: str) -> None:
    async with table(url, "a") as a, table(url, "b") as b:
        epoch = await a.take(0.01)
        assert epoch is not None
        async with PostgresStore.open(url):
            pass
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as paused:
            session, claim = exchanges.Session(paused), Claim(4.0, Fence(BOT, epoch, idle_ms=300))
            await claim.take(session)
            opening = map(exchanges.query_command, claim.queries(synced=True))
            await session.exchange([exchanges.Command(b"BEGIN"), *opening])
            began = anyio.current_time()
            assert await b.take(60)
            assert anyio.current_time() - began > 0.2
            with pytest.raises(psycopg.Error):
                await session.exchange([exchanges.Command(b"COMMIT")])


async def test_the_one_that_stands_by_leads_when_the_other_is_silent(url: str) -> None:
    notes: list[str] = []
    async with process(url, "a", []) as a, process(url, "b", notes) as b:
        first = await a.lead()
        began = anyio.current_time()
        second = await b.lead()
        assert anyio.current_time() - began > TTL_S - 0.1
        assert second.epoch > first.epoch
        assert notes == [f"a leads in epoch {first.epoch}"]
        assert second.reason == f"epoch {second.epoch}, after a in epoch {first.epoch}"
        assert a.remaining_s() == 0
        assert 0 < b.remaining_s() <= TTL_S
        assert "another process has taken the lease" in await a.keep()
        assert not a.standing.leads
        assert (b.standing.leads, b.standing.leader) == (True, "b")


async def test_a_lead_that_is_kept_goes_on(url: str) -> None:
    async with process(url, "a", []) as a, process(url, "b", []) as b:
        await a.lead()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(a.keep)
            with anyio.move_on_after(3 * TTL_S) as waited:
                await b.lead()
            assert waited.cancelled_caught
            assert a.remaining_s() > 0
            tasks.cancel_scope.cancel()


async def test_an_outage_is_logged_a_few_times_with_what_is_left_of_the_lease(
    cluster: Cluster, url: str
) -> None:
    async with table(url, "a") as opened:
        leading = LeaseLeadership(opened, ttl_s=2.5, look_s=0.02, clock=boot_time)
        await leading.lead()
        cluster.drop(url)
        with capture_logs() as logs:
            assert "could not be renewed" in await leading.keep()
    lines = [log for log in logs if log["event"] == "lease_not_renewed"]
    assert len(lines) == 2
    assert lines[0]["left_s"] > lines[1]["left_s"] > 0
    assert lines[1]["times"] > 2


async def test_one_that_resigns_is_followed_at_once(url: str) -> None:
    async with process(url, "a", []) as a, process(url, "b", []) as b:
        await a.lead()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(b.lead)
            await anyio.sleep(0.1)
            await a.resign()
            assert a.remaining_s() == 0
            began = anyio.current_time()
        assert anyio.current_time() - began < TTL_S - 0.15
        await a.resign()
        assert b.standing.leads


async def test_a_lease_that_ended_unnoticed_goes_on_if_no_process_took_it(url: str) -> None:
    async with process(url, "a", []) as a:
        await a.lead()
        await anyio.sleep(1.2 * TTL_S)
        assert a.remaining_s() == 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(a.keep)
            await anyio.sleep(0.2)
            assert a.remaining_s() > 0
            tasks.cancel_scope.cancel()


async def test_a_database_that_is_not_there_is_waited_for_by_a_process_that_stands_by(
    cluster: Cluster,
) -> None:
    notes: list[str] = []
    url = cluster.database()
    async with process(url, "a", notes) as a, anyio.create_task_group() as tasks:
        await a.check()
        cluster.drop(url)
        tasks.start_soon(a.lead)
        await anyio.sleep(0.3)
        assert notes[-1].startswith("the database does not answer: ")
        tasks.cancel_scope.cancel()


async def test_a_process_that_starts_gives_up_only_if_the_database_refuses_it(
    cluster: Cluster,
) -> None:
    url = cluster.database()
    for refused in (f"{url}&dbname=missing", url.replace("bot@", "stranger@")):
        async with process(refused, "a", []) as a:
            with pytest.raises(StoreRefused, match="does not exist"):
                await a.check()
    with pytest.raises(StoreRefused, match="nonsense"):
        async with process(f"{url}&nonsense=1", "a", []):
            pass
    async with process(f"{url}&host=/nowhere", "a", []) as a:
        await a.check()


async def test_the_session_of_the_database_is_that_of_every_process(url: str) -> None:
    session = Session("https://one.test", UserId(BOT), "SURFACESBOT", "syt_token")
    async with PostgresStore.open(url) as one, PostgresStore.open(url) as other:
        sessions = SessionInDatabase(other.session)
        assert await sessions.load(homeserver="https://other.test", user_id=UserId(BOT)) is None
        await SessionInDatabase(one.session).save(replace(session, access_token="an older one"))
        await SessionInDatabase(one.session).save(session)
        assert await sessions.load(homeserver="https://other.test", user_id=UserId(BOT)) == session
        assert await sessions.load(homeserver="", user_id=UserId("@other:x")) is None
        await one.session.keep("{")
        assert await sessions.load(homeserver="https://other.test", user_id=UserId(BOT)) is None


async def test_a_command_that_needs_the_database_alone_learns_who_leads(url: str) -> None:
    settings = settings_from(LocalSettings, {"MATRIX_DB_PATH": url})
    await refuse_while_led(settings)
    async with table(url, "process 7 on here") as lease:
        epoch = await lease.take(60)
        assert epoch is not None
        with pytest.raises(LedElsewhere, match="process 7 on here leads the bot: stop it first"):
            await refuse_while_led(settings)
        await lease.free(epoch)
        await refuse_while_led(settings)
