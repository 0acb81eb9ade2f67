"""Requests that share a rate limit, on a virtual clock."""

from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import pytest
from trio.testing import MockClock

from actors.port_errors import RateLimited
from adapter.matrix.pacing import Pace

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": MockClock(autojump_threshold=0)}


class Bucket:
    """A homeserver's limit: some requests at once, then one in `interval_s` seconds."""

    def __init__(self, burst: int, interval_s: float) -> None:
        self._interval_s = interval_s
        self._full_at = anyio.current_time()
        self._burst = burst
        self.passed: list[float] = []
        self.refused: list[float] = []

    async def request(self) -> None:
        now = anyio.current_time()
        full_at = max(self._full_at, now) + self._interval_s
        wait_s = full_at - now - self._burst * self._interval_s
        if wait_s > 0:
            self.refused.append(now)
            raise RateLimited(wait_s)
        self._full_at = full_at
        self.passed.append(now)


async def insist(pace: Pace, request: Callable[[], Awaitable[None]]) -> None:
    """What every caller does: come again when it was told to."""
    while True:
        try:
            await pace.send(request)
        except RateLimited as limit:
            await anyio.sleep(limit.retry_after_s)
        else:
            return


async def insist_together(pace: Pace, bucket: Bucket, callers: int) -> None:
    """Let so many callers come at once, and return when all have passed."""
    async with anyio.create_task_group() as tasks:
        for _ in range(callers):
            tasks.start_soon(insist, pace, bucket.request)


async def test_without_a_limit_nothing_waits() -> None:
    pace, bucket = Pace(), Bucket(burst=100, interval_s=5)
    began = anyio.current_time()
    await insist_together(pace, bucket, callers=100)
    assert anyio.current_time() == began


async def test_under_a_limit_everybody_passes_and_hardly_anybody_is_refused() -> None:
    pace, bucket = Pace(), Bucket(burst=10, interval_s=5)
    began = anyio.current_time()
    await insist_together(pace, bucket, callers=50)
    assert len(bucket.passed) == 50
    assert bucket.passed[-1] - bucket.passed[0] < 40 * 5 * 1.5
    assert len([at for at in bucket.refused if at > began]) <= 7, "but those at once"


async def test_whose_turn_came_too_early_does_not_lose_it() -> None:
    """The first refusal came late in an interval, and so the distance is too short."""
    pace, bucket = Pace(), Bucket(burst=1, interval_s=5)
    await insist(pace, bucket.request)
    await anyio.sleep(3)
    refused_before = 1
    for _ in range(4):
        await insist(pace, bucket.request)
    assert bucket.passed == [0, 5, 10, 15, 20]
    assert len(bucket.refused) == refused_before + 1


async def test_a_long_limit_is_one_requests_own() -> None:
    pace = Pace()

    async def refused() -> None:
        raise RateLimited(300)

    async def passes() -> None:
        pass

    began = anyio.current_time()
    with pytest.raises(RateLimited) as limit:
        await pace.send(refused)
    assert limit.value.retry_after_s == 300
    await pace.send(passes)
    assert anyio.current_time() == began


async def test_after_a_calm_while_requests_are_side_by_side_again() -> None:
    pace, bucket = Pace(), Bucket(burst=3, interval_s=5)
    for _ in range(4):
        await insist(pace, bucket.request)
    await anyio.sleep(60)
    began = anyio.current_time()
    await insist_together(pace, bucket, callers=3)
    assert anyio.current_time() == began


async def test_an_urgent_request_goes_before_those_that_wait_but_not_for_ever() -> None:
    pace, bucket = Pace(), Bucket(burst=1, interval_s=2)
    await insist(pace, bucket.request)
    await insist(pace, bucket.request)
    passed: list[str] = []

    async def send(name: str, *, urgent: bool = False) -> None:
        async def request() -> None:
            await bucket.request()
            passed.append(name)

        await pace.send(request, urgent=urgent)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send, "a room")
        await anyio.sleep(0.1)
        for number in range(4):
            tasks.start_soon(partial(send, f"answer {number}", urgent=True))
            await anyio.sleep(0.1)
    assert passed == ["answer 0", "answer 1", "answer 2", "a room", "answer 3"]
