"""asyncio on a virtual clock."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import pytest

from tests.simulation.virtual_clock import VirtualClockLoop

T = TypeVar("T")


def play(body: Callable[[], Awaitable[T]]) -> T:
    return anyio.run(body, backend="asyncio", backend_options={"loop_factory": VirtualClockLoop})


def test_an_hour_passes_at_once_and_in_order() -> None:
    async def body() -> list[tuple[str, float]]:
        seen: list[tuple[str, float]] = []

        async def wait(name: str, seconds: float) -> None:
            await anyio.sleep(seconds)
            seen.append((name, anyio.current_time()))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, "late", 3600)
            tasks.start_soon(wait, "early", 0.25)
        return seen

    assert play(body) == [("early", 0.25), ("late", 3600.0)]


def test_time_stands_still_while_anybody_can_run() -> None:
    async def body() -> float:
        for _ in range(1000):
            await anyio.lowlevel.checkpoint()
        return anyio.current_time()

    assert play(body) == 0.0


def test_a_deadline_ends_a_wait_without_waiting() -> None:
    async def body() -> float:
        with anyio.move_on_after(3600):
            await anyio.sleep_forever()
        return anyio.current_time()

    assert play(body) == 3600.0


def test_waiting_for_nothing_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="every task waits"):
        play(anyio.Event().wait)
    with pytest.raises(RuntimeError, match="every task waits"):
        play(anyio.sleep_forever)
