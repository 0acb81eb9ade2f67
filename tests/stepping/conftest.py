"""Every test runs on asyncio and on trio, each on a virtual clock and with a fixed seed."""

from collections.abc import Iterator

import pytest
import structlog
from trio.testing import MockClock

from tests.loops import BOTH_LOOPS
from tests.simulation.seeding import seeded_trio
from tests.simulation.virtual_clock import VirtualClockLoop


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with seeded_trio(1):
        yield


@pytest.fixture(autouse=True)
def _plain_log() -> Iterator[None]:
    """The log as short lines: drawing a traceback with its variables takes half a second."""
    before = structlog.get_config()
    renderer = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[structlog.processors.add_log_level, renderer])
    yield
    structlog.configure(**before)


@pytest.fixture(params=BOTH_LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    if request.param == "trio":
        return "trio", {"clock": MockClock(autojump_threshold=0)}
    return "asyncio", {"loop_factory": VirtualClockLoop}
