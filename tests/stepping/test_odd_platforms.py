"""Whatever a platform says, raises or does not do: an attempt ends within its bounds, as agreed."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import anyio
import pytest
from typing_extensions import override

from actors.bounds import Bounds
from actors.model import EventId, PlatformChatId, UserId
from actors.platform import (
    Ask,
    Attachment,
    Capabilities,
    Delta,
    Done,
    File,
    Platform,
    Reason,
    Role,
    Text,
    Turn,
    Usage,
)
from actors.port_errors import (
    ContextTooLong,
    HomeserverUnavailable,
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformRefused,
    Unsupported,
)
from actors.replies.attempt import attempt
from actors.replies.growing import Growing
from tests.stepping.harness import World, quiet

pytestmark = pytest.mark.anyio

BOUNDS = Bounds()
ASK = Ask(PlatformChatId("p"), EventId("$q"), 1, (Turn(Role.PERSON, "hello"),), UserId("@a:b"))
Answering = Callable[[], object]


class Odd:
    """A platform whose `answer` returns what a test gives it."""

    capabilities = Capabilities(keeps_history=True)

    def __init__(self, answering: Answering) -> None:
        self.answering = answering

    def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """The test's answer."""
        del ask
        return cast("AsyncGenerator[Delta, None]", self.answering())

    async def check(self) -> None:
        """Well."""

    async def forget(self, chat: PlatformChatId) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing."""


def saying(*deltas: object) -> Answering:
    """Says anything, and ends."""

    async def answer() -> AsyncIterator[object]:
        for delta in deltas:
            await anyio.lowlevel.checkpoint()
            yield delta

    return answer


def raising(error: BaseException, *deltas: object) -> Answering:
    """Says something, and raises."""

    async def answer() -> AsyncIterator[object]:
        for delta in deltas:
            yield delta
        raise error

    return answer


async def asked(answering: Answering, bounds: Bounds = BOUNDS) -> Growing:
    """The answer to one attempt."""
    growing, platform = Growing(bounds), Odd(answering)
    await attempt(
        cast("Platform", platform), ASK, growing, bounds, close_s=5, on_first=lambda: None
    )
    return growing


async def test_an_answer_is_what_the_platform_says() -> None:
    file = File("cat.png", "image/png", b"cat")
    answer = await asked(
        saying(Text("one "), Text("two"), Attachment(file), Text("three"), Usage(3, 4), Done())
    )
    assert answer.pieces == ("one two", file, "three")
    assert (answer.usage, answer.reason) == (Usage(3, 4), Reason.STOP)


async def test_half_a_surrogate_pair_is_replaced() -> None:
    (text,) = (await asked(saying(Text("bad \ud83d smile"), Done()))).pieces
    assert str(text).encode().startswith(b"bad ")


async def test_an_endless_answer_is_cut() -> None:
    async def answer() -> AsyncIterator[Delta]:
        while True:
            await anyio.lowlevel.checkpoint()
            yield Text("x" * 100)

    growing = await asked(answer, replace(BOUNDS, answer_chars=1_050))
    assert (growing.pieces, growing.reason) == (("x" * 1_050,), Reason.LENGTH)


async def returns_text() -> str:
    return "hello"


def own_cancellation() -> BaseException:
    return anyio.get_cancelled_exc_class().__new__(anyio.get_cancelled_exc_class())


ODD = (
    (saying(Text("hi")), "ended before it was complete"),
    (saying(), "ended before it was complete"),
    (saying(Done()), "empty"),
    (saying(Text(" \n"), Done()), "empty"),
    (saying(Text("hi"), Done(), Text("more")), "went on after its end"),
    (saying(Text("hi"), Done(), Done()), "went on after its end"),
    (saying("hi"), "no part of an answer: str"),
    (saying(None), "no part of an answer: NoneType"),
    (saying(Text(cast("str", b"hi"))), "Text with a wrong value"),
    (saying(Text("hi"), Done(cast("Reason", "stop"))), "Done with a wrong value"),
    (saying(Usage(-1, cast("int", None))), "Usage with a wrong value"),
    (saying(Attachment(cast("File", "cat.png"))), "Attachment with a wrong value"),
    (raising(ValueError("a bug")), "ValueError: a bug"),
    (raising(ValueError("a bug"), Text("hi"), Done()), "ValueError: a bug"),
    (raising(HomeserverUnavailable("no")), "HomeserverUnavailable: no"),
    (raising(TimeoutError()), "TimeoutError"),
    (raising(SystemExit(3)), "SystemExit: 3"),
    (raising(GeneratorExit()), "GeneratorExit"),
    (raising(StopAsyncIteration()), "StopAsyncIteration"),
    (raising(ExceptionGroup("all", [ValueError("a"), KeyError("b")])), "ExceptionGroup: all"),
    (raising(ExceptionGroup("all", [PlatformFailed("down")])), "^down"),
    (lambda: None, "no async generator but NoneType"),
    (lambda: "hello", "no async generator but str"),
    (returns_text, "no async generator but coroutine"),
    (lambda: 1 / 0, "ZeroDivisionError"),
)


@pytest.mark.parametrize(("answering", "reason"), ODD, ids=map(str, range(len(ODD))))
async def test_everything_else_is_a_failure_of_the_platform(
    answering: Answering, reason: str
) -> None:
    with pytest.raises(PlatformFailed, match=reason):
        await asked(answering)


async def test_a_cancellation_of_its_own_is_a_failure() -> None:
    async def answer() -> AsyncIterator[Delta]:
        yield Text("hi")
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.sleep_forever()
        raise own_cancellation()

    with pytest.raises(PlatformFailed):
        await asked(answer)
    await anyio.lowlevel.checkpoint()


class Odder(Exception):
    @override
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (PlatformBusy(float("nan")), PlatformBusy(1.0)),
        (PlatformBusy(-5), PlatformBusy(1.0)),
        (PlatformBusy(1e9), PlatformBusy(3600.0)),
        (ExceptionGroup("tasks", [PlatformBusy(7)]), PlatformBusy(7.0)),
        (ContextTooLong(cast("int", "8k"), -1), ContextTooLong()),
        (ContextTooLong(100, 200), ContextTooLong(100, 200)),
        (PlatformRefused(cast("str", 7)), PlatformRefused("7")),
        (PlatformRefused("no \ud83d"), PlatformRefused("no \ufffd\ufffd\ufffd")),
        (PlatformMisconfigured("a key"), PlatformMisconfigured("a key")),
        (Unsupported(cast("Any", "image/png")), Unsupported()),
        (Odder(), PlatformFailed("Odder: Odder")),
    ],
    ids=lambda each: type(each).__name__ + (str(each)[:30] if not isinstance(each, Odder) else ""),
)
async def test_an_error_of_the_port_has_only_values_that_make_sense(
    raised: Exception, seen: Exception
) -> None:
    with pytest.raises(type(seen)) as found:
        await asked(raising(raised))
    assert (str(found.value), vars(found.value)) == (str(seen), vars(seen))


# ------------------------------------------------------------ endings


async def shields_itself() -> AsyncIterator[Delta]:
    with anyio.CancelScope(shield=True):
        await anyio.sleep(1_000)
    yield Done()


async def swallows_cancellation() -> AsyncIterator[Delta]:
    for _ in range(1_000):
        with suppress(BaseException):
            await anyio.sleep(1)
    yield Done()


async def closes_slowly() -> AsyncIterator[Delta]:
    try:
        while True:
            await anyio.sleep(1)
            yield Text("more")
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(1_000)


@pytest.mark.parametrize("answering", [shields_itself, closes_slowly])
async def test_what_does_not_end_is_left_behind_within_its_bound(answering: Answering) -> None:
    began = anyio.current_time()
    with anyio.move_on_after(10):
        await asked(answering)
    assert anyio.current_time() - began <= 15.1


async def test_an_answer_that_is_given_up_is_closed() -> None:
    closed = []

    async def answer() -> AsyncIterator[Delta]:
        try:
            yield Text("hi")
            await anyio.sleep_forever()
        finally:
            closed.append(anyio.current_time())

    began = anyio.current_time()
    with anyio.move_on_after(3):
        await asked(answer)
    assert closed == pytest.approx([began + 3])


async def test_a_platform_that_says_nothing_after_its_end_is_left() -> None:
    async def answer() -> AsyncIterator[Delta]:
        yield Text("hi")
        yield Done()
        await anyio.sleep_forever()

    began = anyio.current_time()
    assert (await asked(answer)).pieces == ("hi",)
    assert anyio.current_time() - began == pytest.approx(BOUNDS.platform_close_s)


@pytest.mark.parametrize("answering", [shields_itself, swallows_cancellation, closes_slowly])
async def test_a_bot_with_a_platform_that_does_not_end_stops_within_its_bounds(
    answering: Answering,
) -> None:
    world, platform = World(), Odd(answering)
    async with world.live(platform=cast("Platform", platform)) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet(3)
        began = anyio.current_time()
        assert [address.name for address in await run.stop()] == [home.chat]
    assert anyio.current_time() - began <= 10 + 5 + 1
