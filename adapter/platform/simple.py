"""The helper for platforms that answer with one text: a subclass has a single method, `reply`."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator

from actors.model import PlatformChatId
from actors.platform import Ask, Capabilities, Delta, Done, Text
from actors.port_errors import PLATFORM_ERRORS, PlatformFailed
from actors.runtime.errors import error_text, errors_in


class SimplePlatform(ABC):
    """Implements `actors.platform.Platform` over `reply`. Every other method may be overridden."""

    capabilities: Capabilities = Capabilities()

    @abstractmethod
    async def reply(self, ask: Ask) -> str:
        """The answer to `ask.question`, in Markdown.

        A cancellation stops the work. Any error that is not of the port's family becomes
        PlatformFailed; so does an empty answer.
        """

    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """The whole answer at once, and its end."""
        text = await self._replied(ask)
        if not isinstance(text, str):
            raise PlatformFailed(f"the answer is not text but {type(text).__name__}")
        if not text.strip():
            raise PlatformFailed("the answer is empty")
        yield Text(text)
        yield Done()

    async def check(self) -> None:  # noqa: B027 - may be overridden
        """Return: nothing is known that could be wrong."""

    async def forget(self, chat: PlatformChatId) -> None:  # noqa: B027 - may be overridden
        """Return: the turns of an ask are all that `reply` knows."""

    async def close(self) -> None:  # noqa: B027 - may be overridden
        """Return: nothing is open."""

    async def _replied(self, ask: Ask) -> object:
        try:
            return await self.reply(ask)
        except Exception as error:
            causes = errors_in(error)  # a task group wraps even a single error
            if len(causes) == 1 and isinstance(causes[0], PLATFORM_ERRORS):
                raise causes[0] from error
            first = causes[0] if causes else error
            raise PlatformFailed(f"{type(first).__name__}: {error_text(first)}") from error
