"""What the running bot counts about itself."""

from random import Random

import anyio
import pytest
from aiohttp import web

from actors.messages import Message, RoomChanged
from actors.meter import Histogram, Meter
from actors.model import RoomId, UserId
from actors.ports import HomeserverRefused, RateLimited
from actors.runtime.cell import Actor
from actors.runtime.system import ActorSystem
from actors.runtime.transition_log import TransitionLog
from adapter.matrix.gateway import Gateway
from tests.stepping.scripted import BOOT, RecordingJournal

pytestmark = pytest.mark.anyio

ROOM = RoomId("!room:example.org")


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


async def test_a_beat_is_remembered_with_its_time() -> None:
    meter = Meter()
    before = anyio.current_time()
    meter.beat()
    assert before <= meter.beat_at <= anyio.current_time()


class FailsOnce:
    """Implements `actors.runtime.system.Actor`; the first message of all raises."""

    def __init__(
        self, handled: list[Message], crashed: anyio.Event, handled_again: anyio.Event
    ) -> None:
        self._handled = handled
        self._crashed = crashed
        self._handled_again = handled_again

    async def handle(self, message: Message) -> None:
        self._handled.append(message)
        if len(self._handled) == 1:
            raise ValueError("no")
        self._handled_again.set()

    async def crashed(self, error: Exception) -> None:
        self._crashed.set()


async def test_every_handling_is_measured_and_a_crash_is_counted() -> None:
    handled: list[Message] = []
    crashed, handled_again = anyio.Event(), anyio.Event()

    def spawn(_: object) -> Actor:
        return FailsOnce(handled, crashed, handled_again)

    meter = Meter()
    log = TransitionLog(RecordingJournal([]), BOOT, lambda: 0.0)
    async with ActorSystem(spawn, log, Random(1), meter=meter) as system:  # noqa: S311
        system.tell(ROOM, RoomChanged())
        with anyio.fail_after(10):
            await crashed.wait()
            await anyio.lowlevel.checkpoint()
            rests_until = {room: cell.rests_until for room, cell in system.rooms()}[ROOM]
            assert rests_until > anyio.current_time()
            system.resume_all()
            await handled_again.wait()
        await system.stop(10)
    assert meter.crashes == 1
    assert sum(meter.handling.counts) == 2


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
