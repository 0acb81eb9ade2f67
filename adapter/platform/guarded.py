"""A wrapper that turns any behaviour of a platform into a text or PlatformFailed."""

import asyncio
from dataclasses import dataclass

from actors.model import EventId, PlatformChatId
from actors.port_errors import PlatformFailed
from actors.ports import Platform, Prompt


@dataclass(frozen=True, slots=True)
class GuardedPlatform:
    """Implements `actors.ports.Platform` over a platform that may raise or return anything."""

    inner: Platform

    async def reply(self, chat: PlatformChatId, prompt: Prompt, idempotency_key: EventId) -> str:
        """Return the answer as storable text. Raises PlatformFailed for everything else."""
        asked = asyncio.ensure_future(self.inner.reply(chat, prompt, idempotency_key))
        try:
            # `wait` does not raise the errors of the task, including its own cancellation.
            await asyncio.wait({asked})
        finally:
            asked.cancel()
        if asked.cancelled():
            raise PlatformFailed("the platform cancelled its own request")
        error = asked.exception()
        if isinstance(error, PlatformFailed):
            raise error
        if error is not None:
            raise PlatformFailed(f"{type(error).__name__}: {error}") from error
        return _storable(asked.result())


def _storable(answer: object) -> str:
    if not isinstance(answer, str):
        raise PlatformFailed(f"the answer is not text but {type(answer).__name__}")
    # JSON can contain half a surrogate pair, which cannot be encoded as UTF-8.
    text = answer.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if not text.strip():
        raise PlatformFailed("the answer is empty")
    return text
