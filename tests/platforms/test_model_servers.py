from pathlib import Path

import aiohttp
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


async def test_llama_starts_again_on_the_same_port() -> None:
    async with LlamaServer() as server:
        before = server.url
        await server.stop()
        with pytest.raises(ModelServerFailed, match="not running"):
            server.pause()
        await server.start()
        assert server.url == before
        assert "listening on" in server.log()


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
