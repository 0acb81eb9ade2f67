"""The platform `openai` against llmock, which breaks answers on purpose and judges its client."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from random import Random

import anyio
import pytest

from actors.bounds import Bounds
from actors.platform import Ask, Turn
from actors.port_errors import (
    ContextTooLong,
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformRefused,
    PortError,
)
from actors.replies.attempt import attempt
from actors.replies.growing import Growing
from actors.runtime.restart import Backoff
from adapter.platform.openai.platform import OpenAIPlatform
from adapter.platform.openai.settings import OpenAISettings
from demo.model_server import Llmock
from tests.asks import ask

pytestmark = pytest.mark.anyio

BOUNDS = Bounds(platform_first_s=3, platform_idle_s=0.5)
BACKOFF = Backoff(base_s=0.1, floor_s=0.1)
ASKED = ask("Who are you?", "A bot.", "And what can you do?")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a question: a text, or the error that ended it."""

    text: str = ""
    error: PortError | None = None
    attempts: int = 1
    trims: int = 0


@pytest.fixture
async def platform(llmock: Llmock) -> AsyncIterator[OpenAIPlatform]:
    settings = OpenAISettings.model_validate(
        {"base_url": llmock.url, "model": "gpt-4o-mini", "api_key": "sk-1"}
    )
    made = OpenAIPlatform(settings)
    yield made
    await made.close()


async def outcome_of(platform: OpenAIPlatform, asked: Ask) -> Outcome:
    """Ask as the core does: wait, repeat, cut, or give up, as the error says."""
    random, failures, trims, attempts = Random(1), 0, 0, 0  # noqa: S311
    while True:
        attempts += 1
        growing = Growing(Bounds())
        try:
            await attempt(
                platform, asked, growing, BOUNDS, close_s=BOUNDS.platform_close_s, on_first=_pass
            )
            return Outcome("".join(map(str, growing.pieces)), None, attempts, trims)
        except PlatformBusy as busy:
            await anyio.sleep(busy.retry_after_s)
        except ContextTooLong as error:
            trims += 1
            if trims > BOUNDS.context_trims:
                return Outcome("", error, attempts, trims)
            asked = replace(asked, turns=without_oldest(asked.turns))
        except (PlatformRefused, PlatformMisconfigured) as error:
            return Outcome("", error, attempts, trims)
        except PlatformFailed as error:
            failures += 1
            if failures == BOUNDS.attempts:
                return Outcome("", error, attempts, trims)
            await anyio.sleep(BACKOFF.delay_s(failures, random))


def _pass() -> None:
    pass


def without_oldest(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    return tuple(turns[2:]) or tuple(turns[-1:])


def fault(kind: str, **more: object) -> dict[str, object]:
    return {"type": "stream_fault", "kind": kind, **more}


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        pytest.param(
            {"type": "fail", "status": 429, "retry_after": 0.3, "times": 2}, 3, id="limit"
        ),
        pytest.param({"type": "fail", "status": 503, "retry_after": 0.2}, 2, id="unavailable"),
        pytest.param({"type": "fail", "status": 529, "retry_after": 0.2}, 2, id="overloaded"),
        pytest.param({"type": "fail", "status": 500}, 2, id="server error"),
        pytest.param({"type": "fail", "status": 502}, 2, id="bad gateway"),
        pytest.param(fault("disconnect", after_chunks=0), 2, id="disconnect at once"),
        pytest.param(fault("disconnect", after_chunks=3), 2, id="disconnect"),
        pytest.param(fault("truncate", after_chunks=0), 2, id="truncate at once"),
        pytest.param(fault("truncate", after_chunks=3), 2, id="truncate"),
        pytest.param(fault("malformed", after_chunks=0), 2, id="malformed at once"),
        pytest.param(fault("malformed", after_chunks=3), 2, id="malformed"),
        pytest.param(fault("stall", after_chunks=2, stall_seconds=30), 2, id="stall"),
        pytest.param({"type": "slow_first_token", "seconds": 1}, 1, id="slow first token"),
        pytest.param({"type": "delay", "seconds": 1}, 1, id="delay"),
    ],
)
async def test_a_fault_ends_in_the_whole_answer_and_a_clean_verdict(
    fault: dict[str, object], attempts: int, platform: OpenAIPlatform, llmock: Llmock
) -> None:
    undisturbed = await outcome_of(platform, ASKED)
    await llmock.reset()
    await llmock.script(fault)
    outcome = await outcome_of(platform, ASKED)
    assert outcome == replace(undisturbed, attempts=attempts)
    assert outcome.text
    assert len(await llmock.requests()) == attempts
    await llmock.assert_resilient(strict=True)


async def test_a_conversation_that_is_too_long_is_cut(
    platform: OpenAIPlatform, llmock: Llmock
) -> None:
    await outcome_of(platform, ASKED)
    await llmock.reset()
    overflow = {"type": "fail", "status": 400, "code": "context_length_exceeded"}
    await llmock.script(
        {**overflow, "message": "This model's maximum context length was exceeded."}
    )
    outcome = await outcome_of(platform, ASKED)
    assert outcome.text
    assert outcome.trims == 1
    await llmock.assert_resilient(strict=True)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PlatformRefused),
        (401, PlatformMisconfigured),
        (403, PlatformMisconfigured),
        (404, PlatformMisconfigured),
        (422, PlatformRefused),
    ],
)
async def test_a_refusal_for_good_is_not_asked_again(
    status: int, kind: type, platform: OpenAIPlatform, llmock: Llmock
) -> None:
    await outcome_of(platform, ASKED)
    await llmock.reset()
    await llmock.script({"type": "fail", "status": status, "times": None})
    outcome = await outcome_of(platform, ASKED)
    assert type(outcome.error) is kind
    assert {each["status"] for each in await llmock.requests()} == {status}
    await llmock.assert_resilient(strict=True)


async def test_an_outage_ends_after_a_few_attempts(
    platform: OpenAIPlatform, llmock: Llmock
) -> None:
    await outcome_of(platform, ASKED)
    await llmock.reset()
    await llmock.script({"type": "fail", "status": 500, "times": None})
    outcome = await outcome_of(platform, ASKED)
    assert type(outcome.error) is PlatformFailed
    assert outcome.attempts == BOUNDS.attempts
    await llmock.assert_resilient()


async def test_check_is_content(platform: OpenAIPlatform, llmock: Llmock) -> None:
    await platform.check()
    await llmock.assert_resilient(strict=True)
