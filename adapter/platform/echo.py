"""A platform without external services: it repeats each message."""

import anyio.lowlevel

from actors.model import EventId, PlatformChatId
from actors.ports import Prompt


class EchoPlatform:
    """Implements `actors.ports.Platform`."""

    async def reply(
        self,
        chat: PlatformChatId,  # noqa: ARG002
        prompt: Prompt,
        idempotency_key: EventId,  # noqa: ARG002
    ) -> str:
        """Return the person's text unchanged, without what it replies to."""
        await anyio.lowlevel.checkpoint()
        return prompt.text
