"""What a bot knows of its workers before it asks them."""

import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from adapter.workers.platform import PlatformByWorkers

WITHIN_S = 0.2


@pytest.fixture
def silent_server(tmp_path: Path) -> Iterator[str]:
    """The URL of a database that takes connections and says nothing."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / ".s.PGSQL.5432"))
        server.listen()
        yield f"postgresql://bot@/db?host={tmp_path}"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_database_that_does_not_answer_holds_up_the_start_only_for_a_while(
    silent_server: str,
) -> None:
    platform, ticks = PlatformByWorkers(silent_server, "@bot:example.org"), 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await anyio.sleep(WITHIN_S / 10)
            ticks += 1

    async with anyio.create_task_group() as beside:
        beside.start_soon(tick)
        with anyio.fail_after(10 * WITHIN_S):
            await platform.learn(WITHIN_S)
        beside.cancel_scope.cancel()
    assert ticks > 1
