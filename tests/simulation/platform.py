"""A chat platform that fails and hangs at random, and always fails on certain texts."""

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import anyio
from anyio.lowlevel import checkpoint

from actors.model import EventId, PlatformChatId
from actors.platform import Ask, Capabilities, Delta, Done, Text
from actors.port_errors import PlatformFailed
from tests.simulation.connection import Gate

POISON: Final = "poison"
"""A text with this word makes the platform raise an error outside its contract, every time."""


class SimulatedPlatform:
    """A platform that outlives the bot's process.

    `fails` and `hangs` are the probabilities that a call fails or hangs; `slow_s` is the longest
    delay. `on_asked` receives every call.
    """

    def __init__(self, rng: random.Random) -> None:
        self.fails = 0.0
        self.hangs = 0.0
        self.slow_s = 0.0
        self.on_asked: Callable[[PlatformChatId, EventId], None] = lambda _chat, _key: None
        self._rng = rng

    def healed(self) -> None:
        """End all faults, except those of texts with `POISON`."""
        self.fails = self.hangs = self.slow_s = 0.0

    async def answer(self, ask: Ask, gate: Gate) -> AsyncGenerator[Delta, None]:
        """Reply with the text itself. Raises PlatformFailed at random, ValueError for `POISON`."""
        await gate.before("answer")
        self.on_asked(ask.chat, ask.key)
        await checkpoint()
        draw = self._rng.random()
        if draw < self.fails:
            raise PlatformFailed("The platform has no time.")
        if draw < self.fails + self.hangs:
            await anyio.sleep_forever()
        if self.slow_s:
            await anyio.sleep(self._rng.uniform(0, self.slow_s))
        text = ask.question.text
        if POISON in text:
            raise ValueError(text)
        await gate.after("answer")
        yield Text(f"You said {text}.")
        yield Done()


class PlatformLine:
    """The platform for one run of the process. Implements `actors.platform.Platform`."""

    def __init__(self, platform: SimulatedPlatform, gate: Gate) -> None:
        self._platform = platform
        self._gate = gate

    @property
    def capabilities(self) -> Capabilities:
        """It keeps the history."""
        return Capabilities(keeps_history=True)

    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """Answer one question."""
        async with aclosing(self._platform.answer(ask, self._gate)) as answer:
            async for delta in answer:
                yield delta

    async def check(self) -> None:
        """It is always there."""
        await self._gate.before("check")
        await checkpoint()
        await self._gate.after("check")

    async def forget(self, chat: PlatformChatId) -> None:
        """It remembers nothing."""

    async def close(self) -> None:
        """It has no connections."""
