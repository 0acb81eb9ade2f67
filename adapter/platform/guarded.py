"""The platform's edge: whatever an adapter does, what comes out is a text or PlatformFailed."""

import asyncio
from dataclasses import dataclass

from actors.model import EventId, PlatformChatId
from actors.ports import Platform, PlatformFailed


@dataclass(frozen=True, slots=True)
class GuardedPlatform:
    """Implements `actors.ports.Platform` over an adapter that may raise or answer anything."""

    inner: Platform

    async def reply(self, chat: PlatformChatId, text: str, idempotency_key: EventId) -> str:
        """The adapter's answer, made storable. Raises PlatformFailed for everything else."""
        asked = asyncio.ensure_future(self.inner.reply(chat, text, idempotency_key))
        try:
            # Waiting for it does not raise what it raises, a cancellation of its own included.
            await asyncio.wait({asked})
        finally:
            asked.cancel()
        if asked.cancelled():
            raise PlatformFailed("the adapter gave its own request up")
        error = asked.exception()
        if isinstance(error, PlatformFailed):
            raise error
        if error is not None:
            raise PlatformFailed(f"{type(error).__name__}: {error}") from error
        return _storable(asked.result())


def _storable(answer: object) -> str:
    if not isinstance(answer, str):
        raise PlatformFailed(f"the answer is no text but {type(answer).__name__}")
    # Half a surrogate pair, which JSON can hold, is no text that could be written down.
    text = answer.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if not text.strip():
        raise PlatformFailed("the answer is empty")
    return text
