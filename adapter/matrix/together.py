"""Two requests at the same time."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

A = TypeVar("A")
B = TypeVar("B")


async def together(
    one: Callable[[], Awaitable[A]], other: Callable[[], Awaitable[B]]
) -> tuple[A, B]:
    """Both answers. The first failure ends the other, and is raised as it is."""
    answers: list[B] = []

    async def ask_other() -> None:
        answers.append(await other())

    try:
        async with anyio.create_task_group() as asking:
            asking.start_soon(ask_other)
            answer = await one()
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return answer, answers[0]
