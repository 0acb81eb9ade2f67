"""How the tests of the contract ask a platform, and what a whole answer is."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import ClassVar, Final

import anyio
import pytest

from actors.model import EventId, PlatformChatId, UserId
from actors.platform import (
    Ask,
    Attachment,
    Delta,
    Done,
    Platform,
    Role,
    Text,
    Thinking,
    Turn,
    Usage,
)
from actors.port_errors import PLATFORM_ERRORS

CLOSES_WITHIN_S: Final = 5.0
"""Closing an answer takes no longer; the core abandons one that takes longer."""
_DELTAS: Final = (Text, Thinking, Attachment, Usage, Done)
_OWNER: Final = UserId("@alice:example.org")


def ask(
    text: str, *, chat: str = "chat-1", key: str = "$question-1", before: Sequence[Turn] = ()
) -> Ask:
    """An ask with this question; `before` is the conversation so far."""
    turns = (*before, Turn(Role.PERSON, text))
    return Ask(PlatformChatId(chat), EventId(key), attempt=1, turns=turns, owner=_OWNER)


def text_of(deltas: Sequence[Delta]) -> str:
    """The text of an answer."""
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


@pytest.mark.anyio
class Asking:
    """What a test class needs and defines: `make`, and what the platform can do."""

    answers_within_s: ClassVar[float] = 120.0
    """The longest time that an answer may take."""
    slow_text: ClassVar[str] = ""
    """A question of which the answer takes longer than a test waits, if there is one."""
    cut_text: ClassVar[str] = ""
    """A question of which the answer breaks off before its end, if there is one."""
    may_write: ClassVar[tuple[Path, ...]] = ()
    """Folders with what can be made again at any time, such as the files of a tokenizer."""

    def make(self) -> Platform:
        """A new platform, with settings with which it answers. It is asked for many times."""
        raise NotImplementedError

    def at_work(self) -> int | None:
        """How many answers are being made on the platform's side; None if a test can't see that."""
        return None

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Platforms run on asyncio."""
        return "asyncio"

    @pytest.fixture
    async def platform(self) -> AsyncIterator[Platform]:
        """A platform that is closed after the test."""
        made = self.make()
        try:
            yield made
        finally:
            await made.close()

    async def answered(self, platform: Platform, asked: Ask) -> list[Delta]:
        """The parts of an answer, read up to its end."""
        with anyio.fail_after(self.answers_within_s):
            async with aclosing(platform.answer(asked)) as answer:
                return [delta async for delta in answer]

    async def outcome(self, platform: Platform, asked: Ask) -> list[Delta] | Exception:
        """The parts of an answer, or the error of the port's family that was raised instead."""
        try:
            return await self.answered(platform, asked)
        except PLATFORM_ERRORS as error:
            return error
        except Exception as error:  # noqa: BLE001 - the test is about such errors
            pytest.fail(
                f"raised {type(error).__name__}, which is not of the port's family: {error}"
            )

    async def at_once(self, platform: Platform, asks: Sequence[Ask]) -> list[list[Delta]]:
        """The parts of each answer to asks that are made side by side."""
        answers: list[list[Delta]] = []

        async def keep(asked: Ask) -> None:
            answers.append(await self.answered(platform, asked))

        async with anyio.create_task_group() as tasks:
            for asked in asks:
                tasks.start_soon(keep, asked)
        return answers

    async def assert_idle(self) -> None:
        """The platform's side stops its work within 5 s, if a test can see that."""
        deadline = anyio.current_time() + CLOSES_WITHIN_S
        while self.at_work() and anyio.current_time() < deadline:  # noqa: ASYNC110 - it may be far
            await anyio.sleep(0.01)
        assert not self.at_work(), "the work goes on after the answer was closed"


def assert_whole(outcome: Sequence[Delta] | Exception) -> None:
    """An answer is made of parts of the port, and its Done is the last one of them."""
    if isinstance(outcome, Exception):
        pytest.fail(f"no answer: {type(outcome).__name__}: {outcome}")
    parts: Sequence[object] = outcome
    strange = [part for part in parts if not isinstance(part, _DELTAS)]
    assert not strange, f"not parts of an answer: {strange}"
    ends = [at for at, delta in enumerate(outcome) if isinstance(delta, Done)]
    assert ends == [len(outcome) - 1], f"Done at {ends} of {len(outcome)} parts: once, at the end"


@contextmanager
def no_longer_than(seconds: float, what: str) -> Iterator[None]:
    """The block ends in time."""
    began = time.perf_counter()
    yield
    assert time.perf_counter() - began < seconds, f"{what} takes longer than {seconds:g} s"
