"""A wrapper that removes secrets and messages from what a platform says about itself.

Servers repeat the key that they refuse, and the conversation that they cannot read; the texts of a
platform's errors go to the journal, to the status, to the log and to rooms. Answers are left as
they are. A platform that tries to end the process has failed, and the process goes on.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, cast

from actors.model import PlatformChatId
from actors.platform import Ask, Capabilities, Delta, Platform, Text
from actors.port_errors import PlatformFailed, PlatformRefused
from adapter.platform.unsaid import without_messages

SHOWN: Final = 1_000
"""The text of an error is cut to so many characters."""
_ANYTHING: Final = (Exception, SystemExit, KeyboardInterrupt)
"""What a platform may raise, cancellation aside. asyncio ends the process for the last two."""


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
        """The platform's answer. Its errors have neither secrets nor messages in them."""
        with self._errors():
            answer: object = self.inner.answer(ask)
        if isinstance(answer, AsyncGenerator):
            return self._discreetly(ask, answer)
        # An odd platform returns something else, which the caller judges.
        return cast("AsyncGenerator[Delta, None]", answer)

    async def _discreetly(
        self, ask: Ask, answer: AsyncGenerator[Delta, None]
    ) -> AsyncGenerator[Delta, None]:
        so_far: list[str] = []
        try:
            async with aclosing(answer):
                async for delta in answer:
                    if isinstance(delta, Text):
                        so_far.append(delta.text)
                    yield delta
        except PlatformRefused as refusal:  # the person reads it, in the conversation's own room
            raise _discreet(refusal, self._shown) from refusal.__cause__
        except _ANYTHING as raised:
            error = _contained(raised)
            messages = (*_messages(ask), "".join(so_far))
            hide = partial(without_messages, messages=messages)
            raise _discreet(_discreet(error, self._shown), hide) from error.__cause__

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
        with self._errors():
            await self.inner.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except _ANYTHING as raised:
            error = _contained(raised)
            raise _discreet(error, self._shown) from error.__cause__

    def _shown(self, text: str) -> str:
        hidden = self.hide(text)
        return hidden if len(hidden) <= SHOWN else f"{hidden[: SHOWN - 1]}…"


def _messages(ask: Ask) -> Iterator[str]:
    yield ask.system or ""
    for turn in ask.turns:
        yield from (turn.text, turn.quoted)


def _contained(raised: BaseException) -> Exception:
    """The error; another one in place of what would end the process."""
    if isinstance(raised, Exception):
        return raised
    return RuntimeError(f"it tries to end the process ({type(raised).__name__}: {raised})")


def _discreet(error: Exception, hide: Callable[[str], str]) -> Exception:
    """The error without what `hide` removes; another one if it keeps its text to itself."""
    if isinstance(error, ExceptionGroup):
        inner = [_discreet(each, hide) for each in error.exceptions]
        return ExceptionGroup(hide(error.message), inner)
    error.args = tuple(hide(each) if isinstance(each, str) else each for each in error.args)
    for name, value in vars(error).items():
        vars(error)[name] = hide(value) if isinstance(value, str) else value
    text = str(error)
    if hide(text) == text:
        return error
    return PlatformFailed(hide(f"{type(error).__name__}: {text}"))
