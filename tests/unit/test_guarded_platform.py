"""Whatever a platform's adapter raises or answers, the bot gets a text or PlatformFailed."""

import asyncio
from dataclasses import dataclass
from typing import cast

import anyio
import pytest

from actors.model import EventId, PlatformChatId
from actors.port_errors import PlatformFailed
from actors.ports import Prompt
from adapter.platform.guarded import GuardedPlatform

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class OddPlatform:
    """Answers, or raises, what it is given."""

    answer: object
    takes_s: float = 0.0
    given_up: bool = False

    async def reply(self, chat: PlatformChatId, prompt: Prompt, idempotency_key: EventId) -> str:
        try:
            await anyio.sleep(self.takes_s)
        except asyncio.CancelledError:
            self.given_up = True
            raise
        if isinstance(self.answer, BaseException):
            raise self.answer
        return cast("str", self.answer)


async def ask(platform: OddPlatform) -> str:
    guarded = GuardedPlatform(platform)
    return await guarded.reply(PlatformChatId("p"), Prompt("hello"), EventId("$e"))


async def test_an_answer_passes() -> None:
    assert await ask(OddPlatform("  hi\n")) == "  hi\n"


async def test_half_a_surrogate_pair_is_replaced() -> None:
    answer = await ask(OddPlatform("bad \ud83d smile"))
    assert answer.encode().startswith(b"bad ")
    assert answer.endswith(" smile")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (PlatformFailed("down"), "down"),
        (ValueError("a bug"), "ValueError: a bug"),
        (TimeoutError(), "TimeoutError"),
        (asyncio.CancelledError(), "cancelled its own request"),
        (BaseExceptionGroup("all", [asyncio.CancelledError()]), "BaseExceptionGroup: all"),
        (None, "not text but NoneType"),
        (b"bytes", "not text but bytes"),
        ("", "empty"),
        (" \n", "empty"),
    ],
    ids=str,
)
async def test_everything_else_is_a_failure_of_the_platform(answer: object, reason: str) -> None:
    with pytest.raises(PlatformFailed, match=reason):
        await ask(OddPlatform(answer))


async def test_a_request_that_is_given_up_is_cancelled() -> None:
    platform = OddPlatform("late", takes_s=60)
    with anyio.move_on_after(0) as waited:
        await ask(platform)
    await anyio.lowlevel.checkpoint()
    assert (waited.cancelled_caught, platform.given_up) == (True, True)
