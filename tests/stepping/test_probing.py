"""How long a degraded bot waits before it asks again."""

from itertools import pairwise

import anyio
import pytest

from actors.port_errors import (
    HomeserverUnavailable,
    LeaseLost,
    PortError,
    RateLimited,
    StoreCorrupt,
    StoreUnavailable,
)
from supervisor.lifecycle import State
from supervisor.supervisor import RECOVERED
from tests.stepping.scripted import Drive

pytestmark = pytest.mark.anyio


async def waits_between_probes(drive: Drive, failures: int) -> list[float]:
    """Let the probe fail so many times; the virtual seconds before each one."""
    asked = [anyio.current_time()]
    drive.activities.plan("probe", *[HomeserverUnavailable("gone")] * failures)
    drive.activities.when_asked = lambda: asked.append(anyio.current_time())
    await drive.step()
    return [later - earlier for earlier, later in pairwise(asked)]


async def test_the_waits_between_probes_grow_with_jitter_between_a_second_and_a_minute() -> None:
    drive = Drive()
    await drive.go_to(State.DEGRADED)
    waits = await waits_between_probes(drive, 40)
    assert len(waits) == 41
    assert all(1.0 <= wait <= 60.0001 for wait in waits)
    assert all(wait <= 2.0**attempt + 0.0001 for attempt, wait in enumerate(waits, start=1))
    assert max(waits[:3]) < 8.0001
    assert max(waits[10:]) > 30
    assert len({round(wait, 3) for wait in waits[10:]}) > 20


async def test_a_rate_limit_is_waited_for_before_the_first_probe() -> None:
    drive = Drive()
    await drive.go_to(State.LIVE)
    drive.activities.plan("serve", RateLimited(90))
    await drive.step()
    assert await waits_between_probes(drive, 0) == pytest.approx([90])


async def test_a_rate_limited_probe_is_repeated_when_the_server_said_and_not_before() -> None:
    drive = Drive()
    await drive.go_to(State.DEGRADED)
    drive.activities.plan("probe", RateLimited(120))
    first, second, third = await waits_between_probes(drive, 1)
    assert first < 3
    assert second == pytest.approx(120)
    assert third < 9


async def lost_store(drive: Drive, failure: PortError) -> None:
    """Let a live bot lose its database, and probe so often in vain that the next wait is long."""
    await drive.go_to(State.LIVE)
    drive.activities.plan("serve", StoreUnavailable("away"))
    drive.activities.plan("probe", *[HomeserverUnavailable("gone")] * 9, failure)
    await drive.walk(State.DEGRADED)


async def test_a_database_that_answers_again_ends_the_wait() -> None:
    drive = Drive()
    await lost_store(drive, StoreUnavailable("away"))
    drive.activities.store_answers.set()
    asked = [anyio.current_time()]
    drive.activities.when_asked = lambda: asked.append(anyio.current_time())
    await drive.walk(State.HYDRATE)
    assert (asked[1] - asked[0], asked[-1] - asked[-2]) == (0.0, 0.0)
    assert max(later - earlier for earlier, later in pairwise(asked)) > 5


async def test_a_database_that_stays_away_is_probed_as_ever() -> None:
    drive = Drive()
    await lost_store(drive, StoreUnavailable("away"))
    began = anyio.current_time()
    await drive.walk(State.HYDRATE)
    assert anyio.current_time() - began > 5


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (LeaseLost("epoch 7 has ended"), State.STOPPED),
        (StoreCorrupt("a table is missing"), State.STOPPED),
    ],
)
async def test_what_else_is_wrong_with_the_database_is_told(error: PortError, state: State) -> None:
    drive = Drive()
    await drive.go_to(State.LIVE)
    drive.activities.plan("serve", StoreUnavailable("away"))
    drive.activities.plan("wait_for_store", error)
    drive.activities.store_answers.set()
    await drive.walk(State.DEGRADED, state)


async def attempts_after_serving_for(seconds: float) -> list[int]:
    """The attempts of the recoveries from three losses on the way to live, and from one after."""
    drive = Drive()
    drive.activities.takes_s["serve"] = seconds
    drive.activities.plan("reconcile", *[HomeserverUnavailable("flapping")] * 3)
    while drive.supervisor.state is not State.LIVE:
        await drive.step()
    drive.activities.plan("serve", HomeserverUnavailable("flapping"))
    await drive.walk(State.DEGRADED, State.HYDRATE)
    recoveries = [row for row in drive.journal.records if row.trigger == "recovered"]
    assert {row.reason for row in recoveries} == {RECOVERED}
    return [row.attempt for row in recoveries]


async def test_the_wait_keeps_growing_while_the_bot_is_lost_again_and_again() -> None:
    assert await attempts_after_serving_for(59.0) == [1, 2, 3, 4]


async def test_after_a_minute_live_a_loss_is_waited_for_as_if_it_were_the_first() -> None:
    assert await attempts_after_serving_for(60.0) == [1, 2, 3, 1]
