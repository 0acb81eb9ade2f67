"""A chat platform that fails and hangs at random, and always fails on certain texts."""

import random
from collections.abc import Callable
from typing import Final

import anyio
from anyio.lowlevel import checkpoint

from actors.model import EventId, PlatformChatId
from actors.port_errors import PlatformFailed
from actors.ports import Prompt
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

    async def reply(
        self, chat: PlatformChatId, prompt: Prompt, idempotency_key: EventId, gate: Gate
    ) -> str:
        """Reply with the text itself. Raises PlatformFailed at random, ValueError for `POISON`."""
        await gate.before("reply")
        self.on_asked(chat, idempotency_key)
        await checkpoint()
        draw = self._rng.random()
        if draw < self.fails:
            raise PlatformFailed("The platform has no time.")
        if draw < self.fails + self.hangs:
            await anyio.sleep_forever()
        if self.slow_s:
            await anyio.sleep(self._rng.uniform(0, self.slow_s))
        text = prompt.text
        if POISON in text:
            raise ValueError(text)
        await gate.after("reply")
        return f"You said {text}."


class PlatformLine:
    """The platform for one run of the process. Implements `actors.ports.Platform`."""

    def __init__(self, platform: SimulatedPlatform, gate: Gate) -> None:
        self._platform = platform
        self._gate = gate

    async def reply(self, chat: PlatformChatId, prompt: Prompt, idempotency_key: EventId) -> str:
        """Reply to one message."""
        return await self._platform.reply(chat, prompt, idempotency_key, self._gate)
