"""A server that repeats the bot's key gets no secret into an error, whatever the error is."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import cast

import pytest
from typing_extensions import override

from actors.model import EventId, PlatformChatId, UserId
from actors.platform import Ask, Capabilities, Delta, Done, Role, Text, Turn
from actors.port_errors import PlatformBusy, PlatformFailed, PlatformMisconfigured, PlatformRefused
from adapter.platform.discreet import SHOWN, DiscreetPlatform
from adapter.platform.unsaid import LEFT_OUT
from supervisor.logging import REDACTED, Redactor

pytestmark = pytest.mark.anyio
KEY = "sk-proj-7Qm2fX9bLr4TzW8k"
ASK = Ask(
    PlatformChatId("p"), EventId("$e"), 1, (Turn(Role.PERSON, "hello"),), UserId("@a:example.org")
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def nothing() -> None:
    """Do nothing."""


@dataclass
class TalkativePlatform:
    """Says texts, and then ends with an error if it is given one."""

    error: BaseException | None = None
    texts: tuple[str, ...] = ("hello",)
    can: Capabilities = field(default_factory=Capabilities)
    closed: bool = False

    @property
    def capabilities(self) -> Capabilities:
        return self.can

    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        try:
            for text in self.texts:
                yield Text(text)
            await self._fail()
            yield Done()
        finally:
            self.closed = True

    async def check(self) -> None:
        await self._fail()

    async def forget(self, chat: PlatformChatId) -> None:
        await self._fail()

    async def close(self) -> None:
        """Nothing is open."""

    async def _fail(self) -> None:
        if self.error is not None:
            raise self.error


def discreet(platform: TalkativePlatform) -> DiscreetPlatform:
    return DiscreetPlatform(platform, Redactor([KEY]).text)


async def read(platform: DiscreetPlatform) -> list[Delta]:
    async with aclosing(platform.answer(ASK)) as deltas:
        return [delta async for delta in deltas]


def ways(platform: DiscreetPlatform) -> list[Callable[[], Awaitable[object]]]:
    return [
        lambda: read(platform),
        platform.check,
        lambda: platform.forget(PlatformChatId("p")),
    ]


class Tagged(Exception):
    """Keeps its text where `args` does not show it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._parts = [text]

    @override
    def __str__(self) -> str:
        return " ".join(self._parts)


@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize(
    "error",
    [
        PlatformFailed(f"401: you sent Authorization: Bearer {KEY}"),
        PlatformMisconfigured(f"the server refuses the key {KEY}"),
        PlatformRefused(f"your key {KEY[:-2]}… may not do this"),
        ValueError(f"bad header {KEY}"),
        OSError(5, f"no route for {KEY}"),
        Tagged(f"odd {KEY}"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_no_error_has_a_secret_in_it(error: Exception, way: int) -> None:
    platform = discreet(TalkativePlatform(error))
    with pytest.raises(Exception, match=r"\[redacted\]") as raised:
        await ways(platform)[way]()
    assert KEY[:-2] not in f"{raised.value} {raised.value!r} {vars(raised.value)}"
    assert isinstance(raised.value, type(error) | PlatformFailed)


async def test_an_error_keeps_its_other_parts() -> None:
    error = PlatformMisconfigured(f"the key {KEY} is refused: set OPENAI_API_KEY")
    with pytest.raises(PlatformMisconfigured) as raised:
        await discreet(TalkativePlatform(error)).check()
    assert raised.value.say == f"the key {REDACTED} is refused: set OPENAI_API_KEY"
    with pytest.raises(PlatformBusy) as busy:
        await discreet(TalkativePlatform(PlatformBusy(7))).check()
    assert busy.value.retry_after_s == 7


async def test_errors_in_a_group_have_no_secret_either() -> None:
    error = ExceptionGroup(f"with {KEY}", [PlatformFailed(KEY), Tagged(KEY)])
    with pytest.raises(ExceptionGroup) as raised:
        await discreet(TalkativePlatform(error)).check()
    assert KEY not in f"{raised.value}{raised.value.exceptions}"


async def test_an_answer_and_capabilities_pass() -> None:
    can = Capabilities(models=("big",), notes=(f"the server knows {KEY}",))
    platform = discreet(TalkativePlatform(texts=("a", f"b {KEY}"), can=can))
    assert await read(platform) == [Text("a"), Text(f"b {KEY}"), Done()]
    assert platform.capabilities.models == ("big",)
    assert platform.capabilities.notes == (f"the server knows {REDACTED}",)


async def test_closing_the_answer_closes_the_platforms_answer() -> None:
    inner = TalkativePlatform()
    answer = discreet(inner).answer(ASK)
    await anext(answer)
    assert not inner.closed
    await answer.aclose()
    assert inner.closed


SECRET_STORY = "my cat Mitzi has a fever of 40 degrees\nand the vet is away"
STORY = replace(ASK, turns=(Turn(Role.PERSON, "hello"), Turn(Role.PERSON, SECRET_STORY)))


@pytest.mark.parametrize(
    "quoted",
    [
        SECRET_STORY,
        SECRET_STORY[4:30],
        json.dumps({"messages": [{"content": SECRET_STORY}]}),
        repr(SECRET_STORY),
        f"{SECRET_STORY[:25]}...",
    ],
)
@pytest.mark.parametrize("error", [PlatformFailed, PlatformMisconfigured, ValueError])
async def test_what_people_write_is_left_out_of_errors(error: type[Exception], quoted: str) -> None:
    platform = discreet(TalkativePlatform(error(f"cannot parse {quoted} (code 7)")))
    with pytest.raises(error) as raised:
        async with aclosing(platform.answer(STORY)) as deltas:
            [delta async for delta in deltas]
    assert "Mitzi" not in f"{raised.value!r} {vars(raised.value)}"
    assert str(raised.value).startswith("cannot parse ")
    assert str(raised.value).endswith("(code 7)")
    assert LEFT_OUT in str(raised.value)


async def test_what_the_platform_has_said_so_far_is_left_out_too() -> None:
    platform = discreet(
        TalkativePlatform(PlatformFailed("bad: Once upon a time"), texts=("Once upon", " a time, "))
    )
    with pytest.raises(PlatformFailed, match=r"^bad: \[…\]$"):
        await read(platform)


async def test_a_refusal_may_quote_the_person_but_no_secret() -> None:
    platform = discreet(TalkativePlatform(PlatformRefused(f"{KEY} may not ask: {SECRET_STORY}")))
    with pytest.raises(PlatformRefused) as raised:
        async with aclosing(platform.answer(STORY)) as deltas:
            [delta async for delta in deltas]
    assert raised.value.say == f"{REDACTED} may not ask: {SECRET_STORY}"


async def test_a_short_message_is_left_out_as_a_whole_word() -> None:
    ask = replace(ASK, turns=(Turn(Role.PERSON, "Mitzi"),))
    platform = discreet(TalkativePlatform(PlatformFailed("no 'Mitzi' in Mitzist")))
    with pytest.raises(PlatformFailed, match=r"^no '\[…\]' in Mitzist$"):
        async with aclosing(platform.answer(ask)) as deltas:
            [delta async for delta in deltas]


async def test_a_text_without_an_end_is_cut() -> None:
    with pytest.raises(PlatformFailed) as raised:
        await discreet(TalkativePlatform(PlatformFailed("<html>" * 10_000))).check()
    assert len(str(raised.value)) == SHOWN


def test_an_odd_answer_is_left_for_the_caller_to_judge() -> None:
    class Odd(TalkativePlatform):
        @override
        def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
            return cast("AsyncGenerator[Delta, None]", "no generator")

    assert discreet(Odd()).answer(ASK) == cast("object", "no generator")


@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize("error", [SystemExit(f"bye {KEY}"), KeyboardInterrupt(KEY)])
async def test_a_platform_does_not_end_the_process(error: BaseException, way: int) -> None:
    with pytest.raises((RuntimeError, PlatformFailed), match="tries to end the process") as caught:
        await ways(discreet(TalkativePlatform(error)))[way]()
    assert KEY not in str(caught.value)
