"""The platform `openai` against a scripted server: what servers do, and what goes to them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeAlias

import pytest

from actors.platform import Done, File, Platform, Reason, Thinking, Usage
from actors.port_errors import (
    ContextTooLong,
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformRefused,
    PlatformUnreachable,
    PortError,
    Unsupported,
)
from adapter.platform.openai.platform import OpenAIPlatform
from adapter.platform.openai.settings import OpenAISettings
from adapter.proxy import Proxy
from tests.asks import PAPER, PICTURE, VOICE, answered, ask, text_of
from tests.certificates import Certificate
from tests.chat_server import DONE, HELLO, ChatServer, Reply, event, page, refusal, said, stopped
from tests.http_proxy import HttpProxy

pytestmark = pytest.mark.anyio

MakePlatform: TypeAlias = Callable[..., OpenAIPlatform]


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    async with ChatServer() as running:
        yield running


@pytest.fixture
async def make(server: ChatServer) -> AsyncIterator[MakePlatform]:
    async with AsyncExitStack() as stack:

        def made(*, proxy: Proxy | None = None, **settings: object) -> OpenAIPlatform:
            chosen = OpenAISettings.model_validate({"base_url": server.url, **settings})
            platform = OpenAIPlatform(chosen, proxy=proxy, connect_s=2)
            stack.push_async_callback(platform.close)
            return platform

        yield made


@pytest.fixture
def platform(make: MakePlatform) -> OpenAIPlatform:
    return make()


async def error_of(platform: Platform, *said: str, **more: object) -> PortError:
    with pytest.raises(PortError) as raised:
        await answered(platform, ask(*said, **more))  # type: ignore[arg-type]
    return raised.value


async def test_an_answer_comes_as_it_is_written(
    platform: OpenAIPlatform, server: ChatServer
) -> None:
    parts = await answered(platform, ask("Hi", system="Be brief.", temperature=0.5))
    assert [part for part in parts if part != Thinking()][-1] == Done()
    assert text_of(parts) == "Hello"
    assert server.asked == [
        {
            "model": "model-1",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0.5,
        }
    ]
    assert "authorization" not in server.headers[-1]


async def test_each_request_has_a_connection_of_its_own(
    platform: OpenAIPlatform, server: ChatServer
) -> None:
    for _ in range(2):
        await answered(platform, ask("Hi"))
    assert {each["connection"] for each in server.headers} == {"close"}


async def test_the_settings_hold_where_the_chat_has_none(
    make: MakePlatform, server: ChatServer
) -> None:
    platform = make(
        api_key="sk-1", system_prompt="Be kind.", temperature=0.1, max_tokens=9, model="other"
    )
    await answered(platform, ask("Hi"))
    await answered(platform, ask("Hi", system="", temperature=1.0, model="third"))
    first, second = server.asked
    assert first["messages"][0] == {"role": "system", "content": "Be kind."}
    assert (first["model"], first["temperature"], first["max_tokens"]) == ("other", 0.1, 9)
    assert (second["model"], second["temperature"], len(second["messages"])) == ("third", 1.0, 1)
    assert server.headers[-1]["authorization"] == "Bearer sk-1"


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("/v1", ""),
        ("/v1", "/"),
        ("/v1", "/v1"),
        ("/v1", "/v1/chat/completions"),
        ("", "/v1"),
        ("", ""),
        ("/api/v1", "/api"),
        ("/api/v1", "/api/v1/"),
        ("/v2", "/v2"),
        ("/api", "/api"),
    ],
)
async def test_the_api_is_found_under_the_address(
    prefix: str, path: str, server: ChatServer, make: MakePlatform
) -> None:
    server.prefix = prefix
    platform = make(base_url=f"{server.url}{path}", model="m")
    assert text_of(await answered(platform, ask("Hi"))) == "Hello"
    server.paths.clear()
    assert text_of(await answered(platform, ask("Hi"))) == "Hello"
    assert server.paths == [f"{prefix}/chat/completions"]


async def test_a_web_page_at_one_place_is_not_the_last_word(
    server: ChatServer, make: MakePlatform
) -> None:
    server.prefix = ""
    server.others = {
        "/v1/models": page(200),
        "/v1/chat/completions": page(200),
        "/models": refusal(404, {}),
    }
    platform = make(model="m")
    assert text_of(await answered(platform, ask("Hi"))) == "Hello"


@pytest.mark.parametrize(
    "reply",
    [
        Reply((b"\xef\xbb\xbf", *HELLO)),
        Reply((b": ping\n\n", b": ping\n\n", *HELLO)),
        Reply((b"\n\n", *HELLO)),
        Reply((said("Hello", "stop"),)),
        Reply((said("Hello"), DONE)),
        Reply((said("Hello"), stopped(), b"data: [DONE]")),
        Reply((said("Hello"), stopped()), breaks=True),
        Reply((b"".join(HELLO).replace(b"\n", b"\r\n"),)),
        Reply(HELLO, content_type="text/plain"),
        Reply(HELLO, content_type="application/json"),
        Reply(HELLO, content_type="text/html"),
        Reply(tuple(bytes([byte]) for byte in b"".join(HELLO))),
        Reply(HELLO, compressed=True),
        Reply(
            (b'{"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}',),
            content_type="application/json",
        ),
        Reply(
            (
                b"  \n",
                b'{"choices": [{"message": {"content": "Hello"},',
                b'"finish_reason": "stop"}]}',
            )
        ),
    ],
)
async def test_an_answer_in_any_form_is_an_answer(
    reply: Reply, platform: OpenAIPlatform, server: ChatServer
) -> None:
    server.usual = reply
    parts = await answered(platform, ask("Hi"))
    assert (text_of(parts), parts[-1], parts.count(Done())) == ("Hello", Done(), 1)


async def test_a_connection_left_open_after_the_end_delays_nothing(
    server: ChatServer, make: MakePlatform
) -> None:
    platform = make()
    platform._completions._rest_s = 0.05
    server.usual = Reply((said("Hello"), stopped()), hangs=True)
    assert (await answered(platform, ask("Hi")))[-1] == Done()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply((said("Hel"),)), "the answer breaks off"),
        (Reply((said("Hel"),), breaks=True), "it breaks off|the connection is closed"),
        (Reply((said("Hel"), b"data: {broken\n\n", stopped(), DONE)), "no JSON"),
        (Reply(()), "an empty answer"),
        (Reply((b" \n",)), "an empty answer"),
        (Reply((b"nonsense",)), "breaks off"),
        (Reply((b"[" * 50,), content_type="application/json"), "more than 40 bytes"),
        (Reply((b'{"id": ',), content_type="application/json"), "no JSON"),
        (Reply((said("Hel"), event(error={"message": "boom", "code": 500}))), "500: boom"),
        (refusal(500, {"error": {"message": "boom"}}), "500: boom"),
    ],
)
async def test_an_answer_that_is_not_whole_has_failed(
    reply: Reply,
    words: str,
    platform: OpenAIPlatform,
    server: ChatServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "bytes" in words:
        await platform.check()
        monkeypatch.setattr("adapter.platform.openai.connection.BODY_BYTES", 40)
    server.usual = reply
    error = await error_of(platform, "Hi")
    assert type(error) is PlatformFailed
    with pytest.raises(PlatformFailed, match=words):
        raise error


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (page(200), PlatformMisconfigured),
        (page(404), PlatformMisconfigured),
        (page(502), PlatformUnreachable),
        (refusal(503, {"error": {"message": "Loading model", "code": 503}}), PlatformBusy),
        (refusal(429, {}, Retry_After="3"), PlatformBusy),
        (refusal(401, {}), PlatformMisconfigured),
        (refusal(400, {"error": {"message": "No."}}), PlatformRefused),
        (Reply((event(error={"message": "slow down", "code": 429}),)), PlatformBusy),
    ],
)
async def test_a_refusal_is_an_error_of_the_port(
    reply: Reply, kind: type, platform: OpenAIPlatform, server: ChatServer
) -> None:
    server.usual = reply
    assert type(await error_of(platform, "Hi")) is kind


@pytest.mark.parametrize(
    ("reason", "told"), [("length", Reason.LENGTH), ("content_filter", Reason.FILTER)]
)
async def test_an_answer_tells_why_it_ends(
    reason: str, told: Reason, platform: OpenAIPlatform, server: ChatServer
) -> None:
    usage = event(choices=[], usage={"prompt_tokens": 7, "completion_tokens": 3})
    server.usual = Reply((said("Hel"), stopped(reason), usage, DONE))
    parts = await answered(platform, ask("Hi"))
    assert parts[-2:] == [Usage(7, 3), Done(told)]


async def test_refused_fields_are_left_out_at_once_and_from_then_on(
    make: MakePlatform, server: ChatServer
) -> None:
    platform = make(max_tokens=9, temperature=0.5)
    server.script += (
        refusal(422, {"detail": [{"loc": ["body", "stream_options"], "msg": "extra"}]}),
        refusal(400, {"error": {"message": "x", "param": "temperature"}}),
        refusal(400, {"error": {"message": "Use 'max_completion_tokens', not 'max_tokens'."}}),
    )
    for _ in range(2):
        assert text_of(await answered(platform, ask("Hi"))) == "Hello"
    assert len(server.asked) == 5
    for body in server.asked[3:]:
        assert sorted(body) == ["max_completion_tokens", "messages", "model", "stream"]
    await platform.check()
    assert "model-1 refuses temperature: requests leave it out" in platform.capabilities.notes


async def test_closing_an_answer_closes_its_connection(
    platform: OpenAIPlatform, server: ChatServer
) -> None:
    answer = platform.answer(ask("slow"))
    while await anext(answer) == Thinking():
        pass
    assert server.at_work == 1
    await answer.aclose()
    await no_work(server)


async def test_a_cancelled_wait_for_headers_closes_the_connection(
    platform: OpenAIPlatform, server: ChatServer
) -> None:
    server.usual = Reply((), hangs=True)
    task = asyncio.ensure_future(answered(platform, ask("Hi")))
    while not server.at_work:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await no_work(server)


async def no_work(server: ChatServer) -> None:
    async with asyncio.timeout(5):
        while server.at_work:
            await asyncio.sleep(0.01)


async def test_a_server_that_is_gone_is_unreachable(make: MakePlatform) -> None:
    platform = make(base_url="http://127.0.0.1:1", model="m")
    error = await error_of(platform, "Hi")
    assert isinstance(error, PlatformUnreachable)
    assert str(error) == "no connection to http://127.0.0.1:1: the connection is refused"
    with pytest.raises(PlatformUnreachable):
        await platform.check()


async def test_a_server_comes_back_with_another_model(
    server: ChatServer, platform: OpenAIPlatform
) -> None:
    await answered(platform, ask("Hi"))
    assert platform.capabilities.context_tokens == 6000
    server.script.append(page(502))
    assert isinstance(await error_of(platform, "Hi"), PlatformUnreachable)
    changed = {"data": [{"id": "model-2", "meta": {"n_ctx": 4000}}]}
    server.others["/v1/models"] = refusal(200, changed)
    await answered(platform, ask("Hi"))
    assert server.asked[-1]["model"] == "model-2"
    assert platform.capabilities.context_tokens == 3000


async def test_own_authorities_are_trusted(make: MakePlatform, tmp_path: Path) -> None:
    certificate = Certificate.made(tmp_path / "server.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.pem)
    async with ChatServer(tls=tls) as server:
        trusting = make(base_url=server.url, ca_file=certificate.pem)
        assert text_of(await answered(trusting, ask("Hi"))) == "Hello"
        error = await error_of(make(base_url=server.url), "Hi")
    assert isinstance(error, PlatformUnreachable)
    assert "name its authority in OPENAI_CA_FILE" in str(error)


async def test_a_file_without_authorities_is_told(make: MakePlatform, tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("nonsense")
    error = await error_of(make(ca_file=broken), "Hi")
    assert isinstance(error, PlatformMisconfigured)
    assert "OPENAI_CA_FILE has no certificates" in error.say


async def test_requests_go_through_the_proxy(make: MakePlatform, server: ChatServer) -> None:
    async with HttpProxy(server.port, answers="503 Service Unavailable") as closed:
        platform = make(base_url="https://llm.example.org", proxy=Proxy.of(closed.url))
        error = await error_of(platform, "Hi")
    assert isinstance(error, PlatformUnreachable)
    assert f"the proxy {closed.url} answers 503" in str(error)
    async with HttpProxy(server.port, credentials="alice:secret") as between:
        tunnelled = make(base_url="https://llm.example.org", proxy=Proxy.of(between.url))
        error = await error_of(tunnelled, "Hi")
        assert isinstance(error, PlatformMisconfigured)
        proxy = Proxy.of(between.url_with("alice:secret"))
        platform = make(base_url="http://llm.example.org", proxy=proxy, api_key="sk-1")
        assert text_of(await answered(platform, ask("Hi"))) == "Hello"
        refused = make(base_url="http://llm.example.org", proxy=Proxy.of(between.url))
        error = await error_of(refused, "Hi")
    assert "GET http://llm.example.org/v1/models HTTP/1.1" in between.asked
    assert isinstance(error, PlatformMisconfigured)
    assert "the proxy in front of the platform wants a user name" in error.say


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_within_the_host_is_followed_with_the_question(
    status: int, server: ChatServer, make: MakePlatform
) -> None:
    target = f"{server.url}/v1/chat/completions"
    server.others["/old/v1/chat/completions"] = Reply((), status, headers={"Location": target})
    platform = make(base_url=f"{server.url}/old/v1", model="m", api_key="sk-1")
    assert text_of(await answered(platform, ask("Hi"))) == "Hello"
    assert server.headers[-1]["authorization"] == "Bearer sk-1"


async def test_a_redirect_to_another_host_does_not_get_the_key(
    server: ChatServer, make: MakePlatform
) -> None:
    target = f"http://localhost:{server.port}/v1/models"
    server.others["/v1/models"] = Reply((), 308, headers={"Location": target})
    error = await error_of(make(api_key="sk-1"), "Hi")
    assert isinstance(error, PlatformMisconfigured)
    assert f"redirects to http://localhost:{server.port}: set OPENAI_BASE_URL" in error.say
    assert len(server.paths) == 1


async def test_a_redirect_in_a_circle_ends(server: ChatServer, make: MakePlatform) -> None:
    server.others["/v1/models"] = Reply((), 307, headers={"Location": "/v1/models"})
    assert "in a circle" in str(await error_of(make(), "Hi"))


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (
            refusal(200, {"data": [{"id": "a"}, {"id": "b"}]}),
            "has 2 models: set it to one of them, like a, b",
        ),
        (refusal(200, {"data": []}), "lists no models: set it to a model's name"),
        (refusal(404, {}), "or correct OPENAI_BASE_URL"),
        (refusal(401, {}), "wants a key"),
        (page(200), "answers with a web page"),
    ],
)
async def test_without_a_model_the_server_has_to_have_one(
    listed: Reply, words: str, server: ChatServer, make: MakePlatform
) -> None:
    server.others = {"/v1/models": listed, "/models": listed}
    error = await error_of(make(), "Hi")
    assert isinstance(error, PlatformMisconfigured)
    assert words in error.say


async def test_a_server_without_a_list_of_models_answers_all_the_same(
    server: ChatServer, make: MakePlatform
) -> None:
    server.others = {"/v1/models": refusal(500, {})}
    platform = make(model="m")
    for _ in range(2):
        assert text_of(await answered(platform, ask("Hi"))) == "Hello"
    assert server.paths.count("/v1/models") == 1


async def test_the_context_of_a_refusal_is_learned(
    server: ChatServer, platform: OpenAIPlatform
) -> None:
    await answered(platform, ask("Hi"))
    text = "prompt is too long: 5000 tokens > 4000 maximum"
    server.script.append(refusal(400, {"error": {"message": text}}))
    error = await error_of(platform, "Hi")
    assert isinstance(error, ContextTooLong)
    assert (error.limit, error.sent) == (3000, 5000)
    assert platform.capabilities.context_tokens == 3000


async def test_a_picture_that_the_model_cannot_see_is_not_sent_again(
    server: ChatServer, platform: OpenAIPlatform
) -> None:
    await answered(platform, ask("See", files=(PICTURE,)))
    assert "image/*" in platform.capabilities.accepts
    server.script.append(refusal(500, {"error": {"message": "image input is not supported"}}))
    error = await error_of(platform, "See", files=(PICTURE,))
    assert isinstance(error, Unsupported)
    assert error.mime_types == ("image/png",)
    assert platform.capabilities.accepts == ()
    before = len(server.asked)
    assert isinstance(await error_of(platform, "See", files=(PICTURE,)), Unsupported)
    assert len(server.asked) == before


async def test_files_that_are_not_taken_are_named_before_anything_is_sent(
    server: ChatServer, platform: OpenAIPlatform
) -> None:
    error = await error_of(platform, "See", files=(PICTURE, VOICE, PAPER))
    assert isinstance(error, Unsupported)
    assert error.mime_types == ("application/pdf", "audio/ogg")
    assert server.asked == []


async def test_a_voice_message_is_written_down_once(server: ChatServer, make: MakePlatform) -> None:
    platform = make(transcription_model="whisper-1")
    server.others["/v1/audio/transcriptions"] = refusal(200, {"text": " Good morning. "})
    for _ in range(2):
        await answered(platform, ask("", files=(VOICE,)))
    assert server.asked[-1]["messages"][-1]["content"] == "Good morning."
    assert server.paths.count("/v1/audio/transcriptions") == 1
    assert platform.capabilities.accepts == ("image/*", "audio/*")


async def test_only_the_newest_voice_messages_are_remembered(
    server: ChatServer, make: MakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter.platform.openai.transcripts._KEPT", 1)
    platform = make(transcription_model="whisper-1")
    server.others["/v1/audio/transcriptions"] = Reply((b"plain",), content_type="text/plain")
    for data in (b"1", b"2", b"2", b"1"):
        await answered(platform, ask("", files=(File("voice", "audio/ogg", data),)))
    assert server.asked[-1]["messages"][-1]["content"] == "plain"
    assert server.paths.count("/v1/audio/transcriptions") == 3


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refusal(400, {"error": {"message": "Invalid file format."}}), Unsupported),
        (
            refusal(404, {"error": {"message": "The model `w` does not exist"}}),
            PlatformMisconfigured,
        ),
        (refusal(404, {"detail": "Not Found"}), PlatformMisconfigured),
        (refusal(429, {}), PlatformBusy),
        (refusal(500, {}), PlatformFailed),
        (refusal(200, {"words": 7}), PlatformFailed),
        (page(200), PlatformFailed),
    ],
)
async def test_a_voice_message_that_is_not_written_down_is_an_error(
    reply: Reply, kind: type, server: ChatServer, make: MakePlatform
) -> None:
    for prefix in ("/v1", ""):
        server.others[f"{prefix}/audio/transcriptions"] = reply
    error = await error_of(make(transcription_model="w"), "", files=(VOICE,))
    assert type(error) is kind
    assert server.asked == []


async def test_check_finds_a_server_that_drops_what_is_too_long(
    server: ChatServer, make: MakePlatform
) -> None:
    usage = event(choices=[], usage={"prompt_tokens": 2048, "completion_tokens": 3})
    server.usual = Reply((said("OK"), stopped(), usage, DONE))
    server.others["/v1/models"] = refusal(200, {"data": [{"id": "m"}]})
    platform = make(context_tokens=8000)
    await platform.check()
    (note,) = platform.capabilities.notes
    assert "used 2048 of about 5000 tokens that were sent" in note
    assert platform.capabilities.context_tokens == 1536
    asked = len(server.asked)
    await platform.check()
    assert platform.capabilities.notes == (note,)
    assert len(server.asked) == asked + 1


async def test_check_is_content_with_a_server_that_uses_everything(
    server: ChatServer, make: MakePlatform
) -> None:
    usage = event(choices=[], usage={"prompt_tokens": 5010, "completion_tokens": 3})
    server.usual = Reply((said("OK"), stopped(), usage, DONE))
    server.others["/v1/models"] = refusal(200, {"data": [{"id": "m"}]})
    platform = make(context_tokens=8000)
    await platform.check()
    assert platform.capabilities.notes == ()


async def test_check_notes_a_model_that_is_not_listed(
    server: ChatServer, make: MakePlatform
) -> None:
    server.usual = Reply(
        (event(model="model-1", choices=[{"delta": {"content": "OK"}}]), stopped())
    )
    platform = make(model="wrong")
    await platform.check()
    assert platform.capabilities.notes[-1] == (
        f"{server.url} lists no model 'wrong', and answers as model-1: correct OPENAI_MODEL"
    )
    assert platform.capabilities.models == ("wrong", "model-1")


async def test_check_raises_what_a_question_would(
    server: ChatServer, platform: OpenAIPlatform
) -> None:
    server.usual = refusal(500, {"error": {"message": "boom"}})
    with pytest.raises(PlatformFailed, match="500: boom"):
        await platform.check()


async def test_a_server_that_does_not_list_its_models_in_time_has_failed(
    server: ChatServer, platform: OpenAIPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter.platform.openai.platform._DISCOVERY_S", 0.05)
    server.others["/v1/models"] = Reply((), hangs=True)
    with pytest.raises(PlatformFailed, match=r"does not list its models within 0\.05 s"):
        await platform.check()


async def test_a_check_without_an_answer_ends(
    server: ChatServer, platform: OpenAIPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter.platform.openai.checking._WITHIN_S", 0.05)
    server.usual = Reply((), hangs=True)
    with pytest.raises(PlatformFailed, match=r"a short question within 0\.05 s"):
        await platform.check()


@pytest.mark.parametrize("reply", [refusal(500, {}), Reply((), hangs=True)])
async def test_check_is_content_if_a_long_question_shows_nothing(
    reply: Reply, server: ChatServer, make: MakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter.platform.openai.checking._LONG_WITHIN_S", 0.05)
    server.others["/v1/models"] = refusal(200, {"data": [{"id": "m"}]})
    server.script += (Reply(), reply)
    platform = make(context_tokens=8000)
    await platform.check()
    assert platform.capabilities.notes == ()


async def test_ollama_is_asked_in_its_own_way(server: ChatServer, make: MakePlatform) -> None:
    server.others = {
        "/v1/models": refusal(200, {"data": [{"id": "m", "owned_by": "library"}]}),
        "/api/show": refusal(200, {"model_info": {}, "capabilities": ["completion"]}),
        "/api/ps": refusal(200, {"models": [{"name": "m", "context_length": 4096}]}),
    }
    platform = make(context_tokens=32000)
    await answered(platform, ask("Hi"))
    assert platform.capabilities.context_tokens == 3072
    assert platform.capabilities.accepts == ()
    assert "gives m 4096 tokens" in platform.capabilities.notes[0]


async def test_no_error_of_the_platform_tells_the_key(
    server: ChatServer, make: MakePlatform
) -> None:
    platform = make(api_key="sk-very-secret")
    for status in (400, 401, 403, 404, 429, 500, 503):
        text = "the key sk-very-secret is wrong"
        server.script.append(refusal(status, {"error": {"message": text}}))
        error = await error_of(platform, "Hi")
        assert "very-secret" not in f"{error!r} {vars(error)} {error.__cause__}"
    assert "very-secret" not in repr(platform)
