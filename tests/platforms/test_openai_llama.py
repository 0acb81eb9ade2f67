"""The platform `openai` against a real model behind llama.cpp's own server."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import TypeAlias

import anyio
import pytest

from actors.platform import Done, Reason, Text, Usage
from actors.port_errors import (
    ContextTooLong,
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformUnreachable,
    Unsupported,
)
from adapter.platform.openai.platform import OpenAIPlatform
from adapter.platform.openai.settings import OpenAISettings
from demo.model_server import LlamaServer
from tests.asks import PICTURE, answered, ask, text_of

pytestmark = pytest.mark.anyio

MakePlatform: TypeAlias = Callable[..., OpenAIPlatform]
LONG_STORY = "Tell a very long story of a fox. It must not end."


@pytest.fixture
async def make() -> AsyncIterator[MakePlatform]:
    async with AsyncExitStack() as stack:

        def made(server: LlamaServer, **settings: object) -> OpenAIPlatform:
            own = {"base_url": server.url, "api_key": server.api_key, "temperature": 0.0}
            platform = OpenAIPlatform(OpenAISettings.model_validate({**own, **settings}))
            stack.push_async_callback(platform.close)
            return platform

        yield made


async def test_an_answer_streams(llama: LlamaServer, make: MakePlatform) -> None:
    parts = await answered(make(llama), ask("Say hello."))
    assert len([part for part in parts if isinstance(part, Text)]) > 1
    *_, usage, done = parts
    assert isinstance(usage, Usage)
    assert 20 < usage.prompt_tokens < 50
    assert done == Done(Reason.STOP)


async def test_an_earlier_turn_is_remembered(llama: LlamaServer, make: MakePlatform) -> None:
    asked = ask("My cat is called Zorro.", "What a nice name!", "What is my cat called?")
    assert "Zorro" in text_of(await answered(make(llama), asked))


async def test_the_longest_answer_is_cut(llama: LlamaServer, make: MakePlatform) -> None:
    parts = await answered(make(llama, max_tokens=3), ask("Tell a story."))
    assert parts[-1] == Done(Reason.LENGTH)


async def test_the_server_tells_its_context_and_its_model(
    llama: LlamaServer, make: MakePlatform
) -> None:
    platform = make(llama)
    await platform.check()
    assert platform.capabilities.models == (llama.model,)
    assert platform.capabilities.context_tokens == llama.context_tokens * 3 // 4
    assert platform.capabilities.accepts == ()
    assert platform.capabilities.notes == ()


async def test_an_overflow_tells_both_numbers(llama: LlamaServer, make: MakePlatform) -> None:
    with pytest.raises(ContextTooLong) as raised:
        await answered(make(llama), ask("word " * 3000))
    assert raised.value.limit == llama.context_tokens * 3 // 4
    assert raised.value.sent == 3031


async def test_a_picture_is_refused_and_the_model_is_known_to_be_blind(
    llama: LlamaServer, make: MakePlatform
) -> None:
    platform = make(llama, vision="yes")
    with pytest.raises(Unsupported) as raised:
        await answered(platform, ask("See", files=(PICTURE,)))
    assert raised.value.mime_types == ("image/png",)


@pytest.mark.parametrize("model", ["", "smollm2-135m"])
async def test_a_wrong_key_is_told(model: str, llama: LlamaServer, make: MakePlatform) -> None:
    platform = make(llama, api_key="sk-wrong", model=model)
    for request in (platform.check(), answered(platform, ask("Hi"))):
        with pytest.raises(PlatformMisconfigured, match=r"refuses the key \(401\)") as raised:
            await request
        assert "sk-wrong" not in str(raised.value)


async def test_a_wrong_model_is_noted(llama: LlamaServer, make: MakePlatform) -> None:
    platform = make(llama, model="gpt-17")
    await platform.check()
    (note,) = platform.capabilities.notes
    assert f"lists no model 'gpt-17', and answers as {llama.model}" in note


async def test_closing_an_answer_ends_the_generation(
    llama: LlamaServer, make: MakePlatform
) -> None:
    before = llama.log().count("cancel task")
    answer = make(llama).answer(ask(LONG_STORY))
    async for part in answer:
        if isinstance(part, Text):
            break
    await answer.aclose()
    await cancelled(llama, before)


async def test_a_cancelled_wait_for_the_first_word_ends_the_generation(
    llama: LlamaServer, make: MakePlatform
) -> None:
    platform = make(llama)
    await platform.check()
    before, begun = (llama.log().count(words) for words in ("cancel task", "launch_slot_"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answered, platform, ask("once " * 1500))
        with anyio.fail_after(10):
            while llama.log().count("launch_slot_") == begun:
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    await cancelled(llama, before)


async def cancelled(llama: LlamaServer, before: int) -> None:
    """Wait until the server has ended one more generation early."""
    with anyio.fail_after(10):
        while llama.log().count("cancel task") == before:
            await anyio.sleep(0.05)


@pytest.mark.slow
async def test_a_server_that_stops_and_comes_back(make: MakePlatform) -> None:
    async with LlamaServer() as server:
        platform = make(server, max_tokens=8)
        answer = make(server).answer(ask(LONG_STORY))
        async for part in answer:
            if isinstance(part, Text):
                break
        await server.kill()
        with pytest.raises(PlatformFailed):
            async for _ in answer:
                pass
        for request in (platform.check(), answered(platform, ask("Hi"))):
            with pytest.raises(PlatformUnreachable):
                await request
        await server.start()
        with anyio.fail_after(30):
            while not await is_well(platform):
                await anyio.sleep(0.1)
        assert text_of(await answered(platform, ask("Say hello.")))


async def is_well(platform: OpenAIPlatform) -> bool:
    try:
        await platform.check()
    except (PlatformUnreachable, PlatformBusy):
        return False
    return True
