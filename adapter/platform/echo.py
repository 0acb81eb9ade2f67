"""A platform without external services: it repeats each message."""

import anyio.lowlevel

from actors.model import EventId, PlatformChatId


class EchoPlatform:
    """Implements `actors.ports.Platform`."""

    async def reply(self, chat: PlatformChatId, text: str, idempotency_key: EventId) -> str:  # noqa: ARG002
        """Return the text unchanged."""
        await anyio.lowlevel.checkpoint()
        return text
