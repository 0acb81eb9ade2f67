"""A platform without external services: it repeats each message."""

from collections.abc import AsyncGenerator

import anyio.lowlevel

from actors.model import PlatformChatId
from actors.platform import Ask, Capabilities, Delta, Done, Text


class EchoPlatform:
    """Implements `actors.platform.Platform`. It needs no history, so it counts as keeping it."""

    @property
    def capabilities(self) -> Capabilities:
        """It gets the question alone."""
        return Capabilities(keeps_history=True, ignores_files=True, models=("echo",))

    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """Repeat the person's text, without what it replies to."""
        await anyio.lowlevel.checkpoint()
        yield Text(ask.question.text)
        yield Done()

    async def check(self) -> None:
        """It always answers."""
        await anyio.lowlevel.checkpoint()

    async def forget(self, chat: PlatformChatId) -> None:
        """It remembers nothing."""

    async def close(self) -> None:
        """It has no connections."""
