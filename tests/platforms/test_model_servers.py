import shutil
import socket
from pathlib import Path

import aiohttp
import anyio
import pytest

from demo import model_server
from demo.model_server import LlamaServer, Llmock, ModelServerFailed, ModelsMissing

pytestmark = pytest.mark.anyio


async def test_llama_lists_its_one_model_for_its_key(llama: LlamaServer) -> None:
    headers = {"Authorization": f"Bearer {llama.api_key}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get(f"{llama.base_url}/models") as answer:
            models = (await answer.json())["data"]
        async with http.get(f"{llama.base_url}/models", headers={"Authorization": "x"}) as answer:
            refused = answer.status
    assert [model["id"] for model in models] == [llama.model]
    assert models[0]["meta"]["n_ctx"] == llama.context_tokens
    assert refused == 401


@pytest.mark.slow
async def test_llama_starts_again_on_the_same_port() -> None:
    async with LlamaServer() as server:
        before = server.url
        await server.stop()
        with pytest.raises(ModelServerFailed, match="not running"):
            server.pause()
        await server.start()
        assert server.url == before
        assert "listening on" in server.log()


@pytest.mark.slow
async def test_a_paused_server_answers_nothing_until_it_goes_on() -> None:
    async with Llmock() as server:
        server.pause()
        with anyio.move_on_after(0.2) as wait:
            await server.reset()
        assert wait.cancelled_caught
        server.resume()
        await server.reset()
        assert await server.requests() == []


@pytest.mark.slow
async def test_a_server_that_cannot_start_shows_its_last_lines() -> None:
    async with Llmock() as server:
        await server.kill()
        with pytest.raises(ModelServerFailed, match="llmock is not ready after 0 s"):
            await server.start(timeout_s=0)
        await server.kill()
        with socket.create_server(("127.0.0.1", server.port)) as other:
            other.settimeout(0)
            with pytest.raises(ModelServerFailed, match=r"llmock ended while starting:\n.+"):
                await server.start()


async def test_words_that_are_never_written_are_not_waited_for_without_end(
    llmock: Llmock,
) -> None:
    assert "running" in await llmock.wait_for_log("running")
    with pytest.raises(ModelServerFailed, match="did not write 'nonsense'"):
        await llmock.wait_for_log("nonsense", timeout_s=0.1)


@pytest.mark.slow
async def test_a_server_that_is_kept_runs_on() -> None:
    async with Llmock() as server:
        program, folder = server._program, server.folder
        server.keep()
    assert program is not None
    try:
        assert program.exit_code() is None
        await server.reset()
    finally:
        await program.kill()
        shutil.rmtree(folder)


async def test_llmock_says_what_it_thinks_of_its_client(llmock: Llmock) -> None:
    await llmock.script({"type": "fail", "status": 503})
    request = {"model": "any", "messages": []}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{llmock.base_url}/chat/completions", json=request) as answer,
    ):
        assert answer.status == 503
    assert [each["fault"] for each in await llmock.requests()] == ["scenario:503"]
    await llmock.assert_resilient()
    with pytest.raises(AssertionError, match="gave_up"):
        await llmock.assert_resilient(strict=True)


async def test_llmock_refuses_a_script_that_it_does_not_know(llmock: Llmock) -> None:
    with pytest.raises(ModelServerFailed, match="Unknown behaviour type"):
        await llmock.script({"type": "nonsense"})


async def test_a_missing_environment_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(model_server, "MODELS", tmp_path / ".models")
    with pytest.raises(ModelsMissing, match=r"run `make \.models/\.ready`"):
        async with LlamaServer():
            pytest.fail("it started")
