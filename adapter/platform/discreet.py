"""A wrapper that removes secrets from what a platform says about itself.

Servers repeat the key that they refuse, and the texts of a platform's errors go to rooms, to the
journal, to the status and to the log. Answers are left as they are.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from typing import cast

from actors.model import PlatformChatId
from actors.platform import Ask, Capabilities, Delta, Platform
from actors.port_errors import PlatformFailed


@dataclass(frozen=True, slots=True)
class DiscreetPlatform:
    """Implements `actors.platform.Platform` over another platform, which may be odd.

    `hide` removes secrets from a text.
    """

    inner: Platform
    hide: Callable[[str], str]

    @property
    def capabilities(self) -> Capabilities:
        """What the platform can do, without secrets in its notes."""
        can = self.inner.capabilities
        return replace(can, notes=tuple(map(self.hide, can.notes))) if can.notes else can

    def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """The platform's answer. Its errors have no secrets in them."""
        answer: object = self.inner.answer(ask)
        if isinstance(answer, AsyncGenerator):
            return self._discreetly(answer)
        # An odd platform returns something else, which the caller judges.
        return cast("AsyncGenerator[Delta, None]", answer)

    async def _discreetly(self, answer: AsyncGenerator[Delta, None]) -> AsyncGenerator[Delta, None]:
        with self._errors():
            async with aclosing(answer):
                async for delta in answer:
                    yield delta

    async def check(self) -> None:
        """Return if the platform answers. Its errors have no secrets in them."""
        with self._errors():
            await self.inner.check()

    async def forget(self, chat: PlatformChatId) -> None:
        """Forget a conversation. The platform's errors have no secrets in them."""
        with self._errors():
            await self.inner.forget(chat)

    async def close(self) -> None:
        """Close the platform."""
        await self.inner.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Remove secrets from the errors of the context."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  a platform may raise anything, with a secret in it
            raise self._discreet(error) from error.__cause__

    def _discreet(self, error: Exception) -> Exception:
        """The error without secrets; another one if it keeps its text to itself."""
        if isinstance(error, ExceptionGroup):
            inner = [self._discreet(each) for each in error.exceptions]
            return ExceptionGroup(self.hide(error.message), inner)
        error.args = tuple(map(self._hidden, error.args))
        for name, value in vars(error).items():
            vars(error)[name] = self._hidden(value)
        text = str(error)
        if self.hide(text) == text:
            return error
        return PlatformFailed(self.hide(f"{type(error).__name__}: {text}"))

    def _hidden(self, value: object) -> object:
        return self.hide(value) if isinstance(value, str) else value
