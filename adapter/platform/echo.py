"""The platform that needs nothing: it says back what it was told."""

import anyio.lowlevel

from actors.model import EventId, PlatformChatId


class EchoPlatform:
    """Implements `actors.ports.Platform`."""

    async def reply(self, chat: PlatformChatId, text: str, idempotency_key: EventId) -> str:  # noqa: ARG002
        """The text itself."""
        await anyio.lowlevel.checkpoint()
        return text
