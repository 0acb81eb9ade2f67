"""What the running bot counts about itself."""

import anyio
import pytest
from aiohttp import web

from actors.meter import Meter
from actors.model import UserId
from actors.port_errors import HomeserverRefused, RateLimited
from actors.runtime.counting import Histogram
from adapter.matrix.gateway import Gateway

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.0, [1, 0, 0]), (0.1, [1, 0, 0]), (0.2, [0, 1, 0]), (9, [0, 0, 1])]
)
def test_a_duration_is_counted_under_the_first_bound_that_it_keeps(
    seconds: float, expected: list[int]
) -> None:
    histogram = Histogram((0.1, 1.0))
    histogram.add(seconds)
    assert (histogram.counts, histogram.sum_s) == (expected, seconds)


@pytest.mark.parametrize(
    ("durations", "share", "expected"),
    [
        ([], 0.5, None),
        ([0.05, 0.05], 0.5, 0.05),
        ([0.05, 0.5, 0.5, 0.5], 0.5, 0.4),
        ([5.0, 6.0], 0.5, 1.0),
        ([0.05, 5.0], 1.0, 1.0),
        ([0.5], 0.0, 0.1),
    ],
)
def test_a_quantile_is_estimated_within_its_bounds(
    durations: list[float], share: float, expected: float | None
) -> None:
    histogram = Histogram((0.1, 1.0))
    for each in durations:
        histogram.add(each)
    assert histogram.quantile_s(share) == (None if expected is None else pytest.approx(expected))


async def test_a_beat_is_remembered_with_its_time() -> None:
    meter = Meter()
    before = anyio.current_time()
    meter.beat()
    assert before <= meter.beat_at <= anyio.current_time()


async def test_requests_are_counted_by_outcome_and_sync_is_not_timed() -> None:
    answers = iter(
        [
            web.json_response({"joined_rooms": []}),
            web.json_response({"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 5}, status=429),
            web.json_response({"errcode": "M_FORBIDDEN"}, status=403),
            web.json_response({"next_batch": "s2"}),
        ]
    )

    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        return next(answers)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    meter = Meter()
    gateway = Gateway(site.name, UserId("@bot:example.org"), access_token="t", meter=meter)
    try:
        await gateway.joined_rooms()
        with pytest.raises(RateLimited):
            await gateway.joined_rooms()
        with pytest.raises(HomeserverRefused):
            await gateway.joined_rooms()
        await gateway.sync("s1", 0)
    finally:
        await gateway.close()
        await runner.cleanup()
    assert meter.answers == {"ok": 2, "RateLimited": 1, "HomeserverRefused": 1}
    assert sum(meter.requests.counts) == 3
