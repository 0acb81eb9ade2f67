"""What `check` says about a platform, whatever the platform does."""

import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field, replace

import anyio
import pytest
from typing_extensions import override

from actors.bounds import Bounds
from actors.model import PlatformChatId
from actors.platform import Ask, Capabilities, Delta, Done
from actors.port_errors import (
    ContextTooLong,
    ConversationLost,
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformRefused,
    PlatformUnreachable,
    Unsupported,
)
from supervisor.app.findings import Finding
from supervisor.app.platform_check import LISTED, check_platform
from supervisor.settings import SettingsRefused

pytestmark = pytest.mark.anyio
SOON = replace(Bounds(), check_within_s=0.3, platform_close_s=0.1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def unseen(seconds: int) -> None:
    """Ignore progress."""


async def nothing() -> None:
    """Do nothing."""


@dataclass
class CheckedPlatform:
    """A platform whose check and close do what a test wants."""

    checks: Callable[[], Awaitable[None]] = nothing
    can: Capabilities = field(default_factory=Capabilities)
    closes: Callable[[], Awaitable[None]] = nothing
    closed: threading.Event = field(default_factory=threading.Event)

    @property
    def capabilities(self) -> Capabilities:
        return self.can

    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        yield Done()

    async def check(self) -> None:
        await self.checks()

    async def forget(self, chat: PlatformChatId) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        await self.closes()
        self.closed.set()


async def look(
    platform: CheckedPlatform, bounds: Bounds = SOON, seconds: list[int] | None = None
) -> list[Finding]:
    shown = seconds if seconds is not None else []
    return await check_platform("shout", lambda: platform, shown.append, bounds)


def raising(error: BaseException) -> CheckedPlatform:
    async def fail() -> None:
        raise error

    return CheckedPlatform(fail)


async def test_echo_is_not_asked_and_is_said_to_repeat_only() -> None:
    def make() -> CheckedPlatform:
        raise AssertionError

    (finding,) = await check_platform("echo", make, unseen, SOON)
    assert finding.note
    assert "only repeats" in finding.what


async def test_a_platform_that_answers_is_told_with_its_context_and_its_notes() -> None:
    can = Capabilities(
        context_tokens=32_768,
        accepts=("image/*", "text/plain"),
        models=("big", "small"),
        notes=("the server used 900 tokens of 2,000 that were sent",),
    )
    platform = CheckedPlatform(can=can)
    assert await look(platform) == [
        Finding(ok=True, what="the platform shout answers with the model big"),
        Finding(
            ok=True,
            note=True,
            what="a conversation may have 32,768 tokens; older messages are left out; "
            "it takes files of the types image/*, text/plain",
        ),
        Finding(ok=True, note=True, what="its models are big, small"),
        Finding(ok=True, note=True, what="the server used 900 tokens of 2,000 that were sent"),
    ]
    assert platform.closed.is_set()


async def test_a_platform_that_keeps_the_history_has_no_context_of_ours() -> None:
    findings = await look(CheckedPlatform(can=Capabilities(keeps_history=True)))
    assert [finding.what for finding in findings] == [
        "the platform shout answers",
        "the platform remembers each conversation itself; it takes no files",
    ]


async def test_of_many_models_the_first_are_named() -> None:
    models = tuple(f"m{n}" for n in range(LISTED + 5))
    findings = await look(CheckedPlatform(can=Capabilities(models=models)))
    assert findings[-1].what.endswith(f", m{LISTED - 1} and 5 more")


@pytest.mark.parametrize(
    ("error", "what", "advice"),
    [
        (PlatformUnreachable("refused"), "shout cannot be reached (refused)", "check its address"),
        (PlatformBusy(30), "shout is busy", "try again in 30 s"),
        (PlatformFailed("502"), "shout gives no whole answer (502)", "own log"),
        (PlatformFailed(), "shout gives no whole answer", "own log"),
        (PlatformRefused("no"), "shout does not answer a question (no)", "own log"),
        (ContextTooLong(10, 20), "shout does not answer a question (20 tokens", "own log"),
        (Unsupported(), "shout does not answer a question", "own log"),
        (ConversationLost(), "(ConversationLost)", "own log"),
        (ValueError("odd"), "shout could not be asked (ValueError: odd)", "adapter"),
        (SystemExit(3), "shout could not be asked (SystemExit: 3)", "adapter"),
        (KeyboardInterrupt(), "shout could not be asked (KeyboardInterrupt", "adapter"),
        (ExceptionGroup("x", [PlatformFailed("502")]), "no whole answer (502)", "own log"),
        (ExceptionGroup("x", [ValueError("a"), ValueError("b")]), "(ExceptionGroup: x", "adapter"),
    ],
)
async def test_each_error_is_one_line_that_a_person_can_act_on_later(
    error: BaseException, what: str, advice: str
) -> None:
    platform = raising(error)
    (finding,) = await look(platform)
    assert (finding.ok, finding.refused) == (False, False)
    assert what in finding.what
    assert advice in finding.advice
    assert platform.closed.is_set()


async def test_a_refused_key_is_the_operators_to_correct() -> None:
    (finding,) = await look(raising(PlatformMisconfigured("OPENAI_API_KEY is refused: set it")))
    assert finding.refused
    assert finding.what == "the platform shout refuses the bot: OPENAI_API_KEY is refused: set it"
    assert finding.advice == ""


@pytest.mark.parametrize(
    ("say", "advice"),
    [
        ("there is no model gpt-9", "its models are big, small"),
        ("there is no model gpt-9: set OPENAI_MODEL to big or small", ""),
    ],
)
async def test_an_unknown_model_is_told_with_those_there_are(say: str, advice: str) -> None:
    platform = raising(PlatformMisconfigured(say))
    platform.can = Capabilities(models=("big", "small"))
    (finding,) = await look(platform)
    assert finding.refused
    assert finding.advice == advice


async def test_settings_that_are_refused_are_told_line_by_line() -> None:
    def make() -> CheckedPlatform:
        raise SettingsRefused("SHOUT_MARK: is not set", "SHOUT_URL: is not a URL")

    findings = await check_platform("shout", make, unseen, SOON)
    assert [(finding.what, finding.refused) for finding in findings] == [
        ("SHOUT_MARK: is not set", True),
        ("SHOUT_URL: is not a URL", True),
    ]


async def shielded() -> None:
    with anyio.CancelScope(shield=True):
        await anyio.sleep(30)


async def blocking() -> None:
    time.sleep(30)  # noqa: ASYNC251  what a plugin must not do


@pytest.mark.parametrize("hangs", [anyio.sleep_forever, shielded, blocking])
async def test_a_platform_that_hangs_is_one_line(hangs: Callable[[], Awaitable[None]]) -> None:
    began = anyio.current_time()
    (finding,) = await look(CheckedPlatform(hangs))
    assert anyio.current_time() - began < 5
    assert (finding.ok, finding.refused) == (False, False)
    assert finding.what == "the platform shout has not answered within 0.3 s"


async def test_a_slow_platform_shows_progress_every_second() -> None:
    async def slow() -> None:
        await anyio.sleep(2.3)

    seconds: list[int] = []
    findings = await look(CheckedPlatform(slow), Bounds(), seconds)
    assert findings[0].ok
    assert seconds == [1, 2]


async def test_a_platform_that_cannot_close_is_told_all_the_same() -> None:
    assert (await look(CheckedPlatform(closes=anyio.sleep_forever)))[0].ok

    async def fail() -> None:
        raise ValueError("odd")

    assert (await look(CheckedPlatform(closes=fail)))[0].ok


async def test_capabilities_that_cannot_be_read_are_one_line() -> None:
    class Odd(CheckedPlatform):
        @property
        @override
        def capabilities(self) -> Capabilities:
            raise ZeroDivisionError("odd")

    (finding,) = await look(Odd())
    assert "could not be asked (ZeroDivisionError: odd)" in finding.what
