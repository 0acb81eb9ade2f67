"""What comes of the faults of a model server: for the server itself, the person and the operator.

llmock breaks its answers on purpose, and judges how its client takes that. The faults concern the
model of the chat; the short questions that the bot asks of its own are for the default model.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import anyio
import pytest

from demo.bot import BotProcess
from demo.model_server import Llmock
from demo.synapse import ThrowawaySynapse, free_port
from tests.synapse.conftest import PASSWORD, newcomer, unique
from tests.synapse.exchanges import Exchange, heard, until_answered
from tests.synapse.home import Home, move_in

pytestmark = pytest.mark.anyio

MODEL = {"model": "gpt-4o"}
"""The model of the chat."""


@pytest.fixture(scope="module")
async def home(
    synapse: ThrowawaySynapse, shared_llmock: Llmock, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Home]:
    """A chat of a live bot that asks llmock."""
    async with AsyncExitStack() as stack:
        bot = BotProcess(
            homeserver_url=synapse.url,
            user_id=await synapse.register(unique("bot"), PASSWORD),
            password=PASSWORD,
            folder=tmp_path_factory.mktemp("faults") / "bot",
            environment=settings_of(shared_llmock),
        )
        await stack.enter_async_context(bot)
        await bot.start_and_go_live()
        made = await move_in(await newcomer(stack, synapse, "alice"), bot)
        assert "gpt-4o" in await made.ask("!model gpt-4o")
        await made.ask("Who are you?")
        yield made


def settings_of(llmock: Llmock) -> dict[str, str]:
    return {
        "BOT_PLATFORM": "openai",
        "OPENAI_BASE_URL": llmock.url,
        "OPENAI_MODEL": "gpt-4o-mini",
        "OPENAI_API_KEY": "sk-of-the-test",
        "BOT_PLATFORM_IDLE_S": "1",
        "BOT_STREAM": "off",
        "STATUS_BIND": f"127.0.0.1:{free_port()}",
    }


async def counted(bot: BotProcess) -> Counter[str]:
    """The ended replies so far, by state."""
    url = f"http://{bot.environment['STATUS_BIND']}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        found = re.findall(
            r'surfaces_bot_replies_total\{.*state="(\w+)".*\} (\d+)', await answer.text()
        )
    return Counter({state: int(number) for state, number in found})


async def state_of_platform(bot: BotProcess) -> tuple[str, str]:
    """The state of the platform in the status, and its reason."""
    url = f"http://{bot.environment['STATUS_BIND']}/status.json"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        platform = (await answer.json())["platform"]
    return platform["state"], platform["reason"]


def fault(kind: str, **more: object) -> dict[str, object]:
    return {"type": "stream_fault", "kind": kind, "match": MODEL, **more}


def fail(status: int, **more: object) -> dict[str, object]:
    return {"type": "fail", "status": status, "match": MODEL, **more}


async def last_exchange(home: Home, *, timeout_s: float = 60) -> Exchange:
    """The last question of the chat, answered."""
    now = await until_answered(home.owner, home.chat, home.bot, timeout_s=timeout_s)
    return now.exchanges[-1]


async def notices(home: Home) -> list[str]:
    return (await heard(home.owner, home.chat, home.bot)).notices


def failures(bot: BotProcess) -> list[str]:
    return [it["error"] for it in bot.events() if it["event"] == "reply_failed"]


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        pytest.param(fail(429, retry_after=0.3, times=2), "", id="rate limit"),
        pytest.param(fail(503, retry_after=0.3), "", id="unavailable"),
        pytest.param(fail(529, retry_after=0.3), "", id="overloaded"),
        pytest.param(fail(500), "answers 500", id="server error"),
        pytest.param(fault("disconnect", after_chunks=0), "breaks off", id="disconnect at once"),
        pytest.param(fault("disconnect", after_chunks=3), "breaks off", id="disconnect"),
        pytest.param(fault("truncate", after_chunks=3), "breaks off", id="truncate"),
        pytest.param(fault("malformed", after_chunks=3), "no JSON", id="malformed"),
        pytest.param(fault("stall", after_chunks=2, stall_seconds=30), "sign of life", id="stall"),
        pytest.param({"type": "slow_first_token", "seconds": 2, "match": MODEL}, "", id="slow"),
    ],
)
async def test_a_fault_that_passes_is_no_matter_for_the_person(
    fault: dict[str, object], failure: str, home: Home, llmock: Llmock
) -> None:
    told, failed, before = await notices(home), failures(home.bot), await counted(home.bot)
    await llmock.script(fault)
    await home.owner.say(home.chat, "And what can you do?")
    answer = await last_exchange(home)
    assert answer.states == ("done",)
    assert answer.text
    assert await notices(home) == told
    new = failures(home.bot)[len(failed) :]
    assert len(new) == bool(failure)
    assert all(failure in it for it in new)
    retried = Counter({"retried": len(new)} if new else {})
    assert await counted(home.bot) - before == Counter(done=1) + retried
    assert await state_of_platform(home.bot) == ("well", "")
    await llmock.assert_resilient(strict=True)


async def test_a_long_limit_is_told_once(home: Home, llmock: Llmock) -> None:
    told = await notices(home)
    await llmock.script(fail(429, retry_after=11, times=2))
    await home.owner.say(home.chat, "Are you there?")
    assert (await last_exchange(home)).states == ("done",)
    (new,) = (await notices(home))[len(told) :]
    assert new.startswith("What I answer with is busy or still starting.")
    await llmock.assert_resilient(strict=True)


async def test_a_conversation_that_is_too_long_is_cut_and_that_is_told(
    home: Home, llmock: Llmock
) -> None:
    told = await notices(home)
    text = "This model's maximum context length was exceeded."
    await llmock.script(fail(400, code="context_length_exceeded", message=text))
    await home.owner.say(home.chat, "What did I ask first?")
    assert (await last_exchange(home)).states == ("done",)
    (new,) = (await notices(home))[len(told) :]
    assert new.startswith("(This conversation has become too long for me as a whole")
    await llmock.assert_resilient(strict=True)


@pytest.mark.parametrize("status", [400, 422])
async def test_a_refused_question_is_answered_with_the_reason(
    status: int, home: Home, llmock: Llmock
) -> None:
    before = await counted(home.bot)
    await llmock.script(fail(status, message="No questions of this kind."))
    await home.owner.say(home.chat, "Something that is refused")
    answer = await last_exchange(home)
    assert len(answer.answers) == 1
    assert answer.text == "The model refuses this question: No questions of this kind"
    assert await counted(home.bot) - before == Counter(refused=1)
    await llmock.assert_resilient(strict=True)


async def test_a_question_that_always_fails_is_given_up_and_the_next_one_answered(
    home: Home, llmock: Llmock
) -> None:
    before = await counted(home.bot)
    await llmock.script(fail(500, times=None))
    poison = await home.owner.say(home.chat, "Something that fails")
    answer = await last_exchange(home, timeout_s=120)
    assert answer.states == ("failed",)
    assert answer.text.startswith("I could not answer this message and have stopped trying.")
    assert (await home.bot.wait_for_event("message_dead"))["event_id"] == poison
    assert await counted(home.bot) - before == Counter(retried=4, failed=1)
    await llmock.reset()
    await home.owner.say(home.chat, "And this?")
    assert (await last_exchange(home)).states == ("done",)


async def test_a_key_that_is_refused_is_told_once_and_every_question_waits(
    home: Home, llmock: Llmock
) -> None:
    told = await notices(home)
    refused: dict[str, Any] = fail(401, times=None) | {"match": {}}
    await llmock.script(refused)
    for question in ("May I?", "And now?"):
        await home.owner.say(home.chat, question)
    down = await home.bot.wait_for_event("platform_down")
    assert down["state"] == "misconfigured"
    with anyio.fail_after(5):  # the status is as old as its page may be
        while (await state_of_platform(home.bot))[0] != "misconfigured":
            await anyio.sleep(0.1)
    await llmock.reset()
    now = await until_answered(home.owner, home.chat, home.bot, timeout_s=90)
    assert [it.states for it in now.exchanges[-2:]] == [("done",)] * 2
    (new,) = now.notices[len(told) :]
    assert new.startswith("What I answer with is not set up correctly")
