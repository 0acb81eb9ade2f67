"""Each promise of the contract suite can be broken: the suite says so."""

import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

import anyio
import pytest
from typing_extensions import override

from actors.model import PlatformChatId
from actors.platform import Ask, Capabilities, Delta, Done, Platform, Text
from actors.port_errors import ConversationLost, PlatformFailed, StoreUnavailable
from adapter.platform.contract import PlatformContract, asking, endings
from adapter.platform.simple import SimplePlatform

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


SHORT_S = 0.2
"""In place of the 5 seconds that a platform has to close an answer."""


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (asking, endings):
        monkeypatch.setattr(module, "CLOSES_WITHIN_S", SHORT_S)


class Good(SimplePlatform):
    @override
    async def reply(self, ask: Ask) -> str:
        return "yes"


class Endless(Good):
    @override
    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        yield Text("half")


class DoneTwice(Good):
    @override
    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        yield Text("yes")
        yield Done()
        yield Done()


class Talkative(Good):
    @override
    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        yield Done()
        yield Text("one more thing")


class Silent(Good):
    @override
    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        yield Done()


class Careless(Good):
    """Takes half an answer for a whole one."""


class Raising(Good):
    @override
    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        if len(ask.question.text) > 10:
            raise KeyError(ask.question.text)
        yield Text("yes")
        yield Done()


class Foreign(Good):
    """Raises an error of another port."""

    @override
    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        if not ask.question.text:
            raise StoreUnavailable("no disk")
        yield Text("yes")
        yield Done()


class Narrow(Good):
    capabilities = Capabilities(context_tokens=0)


class Forgetful(Good):
    """Loses what it does not keep."""

    @override
    async def reply(self, ask: Ask) -> str:
        if not ask.fresh:
            raise ConversationLost("gone")
        return "yes"


class Ill(Good):
    @override
    async def check(self) -> None:
        raise PlatformFailed("ill")


class Once(Good):
    """Answers a key only once."""

    def __init__(self) -> None:
        self.keys: set[str] = set()

    @override
    async def reply(self, ask: Ask) -> str:
        if ask.key in self.keys:
            raise PlatformFailed("asked before")
        self.keys.add(ask.key)
        return "yes"


class Exclusive(Good):
    """Answers one question at a time, and refuses the others."""

    busy = False

    @override
    async def reply(self, ask: Ask) -> str:
        if self.busy:
            raise PlatformFailed("busy")
        self.busy = True
        await anyio.sleep(0.01)
        self.busy = False
        return "yes"


class Deaf(Good):
    """Goes on for a while after it is closed."""

    @override
    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        try:
            yield Text("yes")
            yield Done()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(2 * SHORT_S)


class Strict(Good):
    @override
    async def forget(self, chat: PlatformChatId) -> None:
        raise KeyError(chat)


class Fragile(Good):
    is_closed = False

    @override
    async def close(self) -> None:
        if self.is_closed:
            raise RuntimeError("closed already")
        self.is_closed = True


class Hoarding(Good):
    @override
    async def reply(self, ask: Ask) -> str:
        with tempfile.TemporaryFile(buffering=0) as file:
            file.write(b"history")
        return "yes"


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (Endless, "test_an_answer_ends_with_one_done"),
        (DoneTwice, "test_an_answer_ends_with_one_done"),
        (Talkative, "test_an_answer_ends_with_one_done"),
        (Silent, "test_an_answer_says_something"),
        (Careless, "test_an_answer_that_breaks_off_has_no_done"),
        (Narrow, "test_its_capabilities_are_known_at_once"),
        (Forgetful, "test_it_says_that_it_lost_a_conversation"),
        (Ill, "test_it_says_that_it_is_well"),
        (Once, "test_it_may_be_asked_again_for_a_key"),
        (Exclusive, "test_it_answers_several_chats_at_once"),
        (Exclusive, "test_it_answers_one_key_twice_at_once"),
        (Deaf, "test_an_answer_can_be_closed_in_the_middle"),
        (Strict, "test_it_forgets_what_it_never_knew"),
        (Fragile, "test_it_can_be_closed_twice"),
        (Hoarding, "test_it_keeps_nothing_on_disk"),
    ],
)
async def test_a_broken_promise_is_found(kind: Callable[[], Platform], promise: str) -> None:
    class Suite(PlatformContract):
        cut_text = "cut"

        @override
        def make(self) -> Platform:
            return kind()

    test = getattr(Suite(), promise)
    arguments = () if promise == "test_it_can_be_closed_twice" else (kind(),)
    with pytest.raises((Exception, pytest.fail.Exception)):
        await test(*arguments)
    with suppress(pytest.skip.Exception):
        await getattr(Whole(), promise)(*(Good() for _ in arguments))


class Whole(PlatformContract):
    @override
    def make(self) -> Platform:
        return Good()


@pytest.mark.parametrize(("kind", "text"), [(Raising, "a" * 20), (Foreign, "")])
async def test_an_error_of_another_family_is_found(kind: Callable[[], Platform], text: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="not of the port's family"):
        await Whole().test_a_hostile_text_is_answered_or_refused(kind(), text)


async def test_work_that_goes_on_is_found() -> None:
    class Suite(Whole):
        @override
        def at_work(self) -> int:
            return 1

    with pytest.raises(AssertionError, match="goes on"):
        await Suite().test_an_answer_that_was_not_begun_can_be_closed(Good())
