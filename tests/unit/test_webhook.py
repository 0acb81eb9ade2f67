"""The platform `webhook`: what a receiver gets, and what its answers mean."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr, ValidationError

from actors.model import PlatformChatId
from actors.platform import (
    Ask,
    Attachment,
    Delta,
    Done,
    File,
    Reason,
    Role,
    Text,
    Thinking,
    Turn,
    Usage,
)
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
from adapter.platform.contract import ask, text_of
from adapter.platform.webhook.answers import ANSWER_BYTES, Lines
from adapter.platform.webhook.platform import WebhookPlatform
from adapter.platform.webhook.refusals import error_for
from adapter.platform.webhook.settings import WebhookSettings
from adapter.platform.webhook.signature import headers, idempotency_key, keys_in, message_id
from adapter.proxy import Proxy
from demo.synapse import free_port
from tests.http_proxy import HttpProxy
from tests.webhook_receiver import SECRET, Receiver, verify

pytestmark = pytest.mark.anyio

PICTURE = File("cat.png", "image/png", b"\x89PNG")
CHAT = PlatformChatId("chat-1")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


def platform(receiver: Receiver, **settings: object) -> WebhookPlatform:
    given: dict[str, Any] = {"url": receiver.url, "secret": SecretStr(SECRET), **settings}
    return WebhookPlatform(WebhookSettings(**given), connect_s=5.0)


async def answer(platform: WebhookPlatform, asked: Ask) -> list[Delta]:
    try:
        return [delta async for delta in platform.answer(asked)]
    finally:
        await platform.close()


async def error_of(receiver: Receiver, response: web.Response, **settings: object) -> Exception:
    receiver.answers["odd"] = response
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the caller says which
        await answer(platform(receiver, **settings), ask("odd"))
    return caught.value


async def test_a_receiver_gets_the_question_and_the_conversation(receiver: Receiver) -> None:
    before = (Turn(Role.PERSON, "Hi", speaker="Alice"), Turn(Role.ASSISTANT, "Hello"))
    asked = replace(ask("And now?", before=before), system="Be brief", temperature=0.0, model="m")
    assert text_of(await answer(platform(receiver), asked)) == "You said: And now?"
    (body,) = receiver.asked
    assert body.pop("timestamp").endswith("Z")
    assert body == {
        "type": "ask",
        "chat": "chat-1",
        "key": "$question-1",
        "attempt": 1,
        "fresh": True,
        "owner": "@alice:example.org",
        "question": "And now?",
        "turns": [
            {"role": "user", "text": "Hi", "speaker": "Alice"},
            {"role": "assistant", "text": "Hello"},
            {"role": "user", "text": "And now?"},
        ],
        "model": "m",
        "system": "Be brief",
        "temperature": 0.0,
    }


async def test_settings_that_a_chat_has_not_are_left_out(receiver: Receiver) -> None:
    await answer(platform(receiver), ask("Hello"))
    assert not {"model", "system", "temperature"} & set(receiver.asked[0])


async def test_a_repeated_question_has_the_same_ids(receiver: Receiver) -> None:
    first = ask("Hello", key="$with.dots:example.org")
    await answer(platform(receiver), first)
    await answer(platform(receiver), replace(first, attempt=2))
    one, two = receiver.headers
    assert one["idempotency-key"] == two["idempotency-key"] == "$with.dots:example.org"
    assert one["webhook-id"] == two["webhook-id"]
    assert "." not in one["webhook-id"]
    assert receiver.asked[1]["attempt"] == 2


@pytest.mark.parametrize(("fresh", "texts"), [(False, ["And?"]), (True, ["Hi", "Hello", "And?"])])
async def test_a_receiver_that_keeps_the_history_gets_what_it_lacks(
    receiver: Receiver, *, fresh: bool, texts: list[str]
) -> None:
    before = (Turn(Role.PERSON, "Hi"), Turn(Role.ASSISTANT, "Hello"))
    keeping = platform(receiver, keeps_history=True)
    assert keeping.capabilities.keeps_history
    await answer(keeping, replace(ask("And?", before=before), fresh=fresh))
    assert [turn["text"] for turn in receiver.asked[0]["turns"]] == texts


async def test_files_go_to_a_receiver_that_accepts_their_types(receiver: Receiver) -> None:
    asked = replace(ask("x"), turns=(Turn(Role.PERSON, "What?", attachments=(PICTURE,)),))
    accepting = platform(receiver, accepts="image/*, application/pdf")
    assert accepting.capabilities.accepts == ("image/*", "application/pdf")
    await answer(accepting, asked)
    (sent,) = receiver.asked[0]["turns"][0]["attachments"]
    assert sent == {
        "name": "cat.png",
        "type": "image/png",
        "data": base64.b64encode(PICTURE.data).decode(),
    }
    with pytest.raises(Unsupported) as caught:
        await answer(platform(receiver), asked)
    assert caught.value.mime_types == ("image/png",)


async def test_an_answer_may_have_files_numbers_and_a_reason(receiver: Receiver) -> None:
    picture = {"name": "cat.png", "type": "Image/PNG; q=1", "data": "iVBORw=="}
    whole = {
        "text": "Here",
        "attachments": [picture],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        "reason": "length",
        "unknown": [1],
    }
    receiver.answers["Hello"] = web.json_response(whole)
    assert await answer(platform(receiver), ask("Hello")) == [
        Text("Here"),
        Attachment(File("cat.png", "image/png", b"\x89PNG")),
        Usage(3, 2),
        Done(Reason.LENGTH),
    ]


async def test_lines_are_parts_and_blank_ones_are_signs_of_life(receiver: Receiver) -> None:
    lines = '\n{"thinking": true}\n{"text": "a"}\r\n{"text": "b", "done": true, "reason": "filter"}'
    receiver.answers["Hello"] = web.Response(text=lines, content_type="application/jsonl")
    assert await answer(platform(receiver), ask("Hello")) == [
        Thinking(),
        Thinking(),
        Text("a"),
        Text("b"),
        Done(Reason.FILTER),
    ]


async def test_events_are_parts_and_comments_are_signs_of_life(receiver: Receiver) -> None:
    events = ': here\n\ndata: {"text": "a"}\n\nevent: x\ndata: {"text":\ndata: "b"}\n\ndata: [DONE]'
    receiver.answers["Hello"] = web.Response(text=events, content_type="text/event-stream")
    parts = await answer(platform(receiver), ask("Hello"))
    assert parts == [Thinking(), Text("a"), Text("b"), Done()]


async def test_nothing_behind_done_counts(receiver: Receiver) -> None:
    lines = '{"text": "a"}\n{"done": true}\n{"text": "b"}\nnot JSON\n'
    receiver.answers["Hello"] = web.Response(text=lines, content_type="application/x-ndjson")
    assert await answer(platform(receiver), ask("Hello")) == [Text("a"), Done()]


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ('{"text": "a"}\n', "application/x-ndjson", "ends before it is done"),
        ('{"text": "a"}\n{"te', "application/x-ndjson", "unusable"),
        ('{"text": "a", "reason": "tired"}', "application/json", "unusable"),
        ('{"answer": "a"}', "application/json", "has no text"),
        ("", "application/json", "unusable"),
        ('"a"', "application/json", "unusable"),
        ('{"error": "no GPU"}', "application/json", "no GPU"),
        ("<html>It works!</html>", "text/html", "it has to answer as application/json"),
        ("\ud83d".encode("utf-8", "surrogatepass"), "application/json", "unusable"),
    ],
)
async def test_what_is_no_whole_answer_has_failed(
    receiver: Receiver, text: str | bytes, kind: str, says: str
) -> None:
    body = text if isinstance(text, bytes) else text.encode()
    error = await error_of(receiver, web.Response(body=body, content_type=kind))
    assert isinstance(error, PlatformFailed)
    assert says in str(error)


async def test_an_answer_without_bounds_is_cut_off() -> None:
    lines = Lines()
    lines.feed(b"x" * ANSWER_BYTES)
    with pytest.raises(PlatformFailed, match="line of over"):
        lines.feed(b"x")


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410, 301, 308])
async def test_a_receiver_that_refuses_the_bot_itself_is_misconfigured(
    receiver: Receiver, status: int
) -> None:
    moved = {"Location": "https://elsewhere.example.org/ask"} if status in {301, 308} else {}
    error = await error_of(receiver, web.Response(status=status, headers=moved))
    assert isinstance(error, PlatformMisconfigured)
    assert ("elsewhere.example.org" if moved else "WEBHOOK_") in error.say
    receiver.answers["check"] = web.Response(status=status)
    asking = platform(receiver)
    with pytest.raises(PlatformMisconfigured):
        await asking.check()
    await asking.close()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("retry_after", "waits_s"),
    [("7", 7), ("Thu, 01 Jan 1970 00:01:40 GMT", 40), ("soon", 5), ("", 5), ("9" * 30, 3600)],
)
async def test_a_busy_receiver_is_waited_for_as_it_asks(
    status: int, retry_after: str, waits_s: float
) -> None:
    given = {"Retry-After": retry_after}
    error = error_for(status, given, b"", now=60.0, keeps_history=False)
    assert isinstance(error, PlatformBusy)
    assert error.retry_after_s == waits_s


async def test_each_refusal_is_the_error_that_says_what_to_do(receiver: Receiver) -> None:
    def told(status: int, **body: object) -> web.Response:
        return web.json_response(body, status=status)

    too_long = await error_of(receiver, told(413, limit=100, sent=130))
    assert isinstance(too_long, ContextTooLong)
    assert (too_long.limit, too_long.sent) == (100, 130)
    unsupported = await error_of(receiver, told(415, types=["image/png"]))
    assert isinstance(unsupported, Unsupported)
    assert unsupported.mime_types == ("image/png",)
    refused = await error_of(receiver, told(422, error="policy 7", say="I don't talk about that."))
    assert isinstance(refused, PlatformRefused)
    assert refused.say == "I don't talk about that."
    lost = await error_of(receiver, told(409), keeps_history=True)
    assert isinstance(lost, ConversationLost)
    for status in (400, 409, 422, 500, 502):
        failed = await error_of(receiver, told(status, error="column 3"))
        assert isinstance(failed, PlatformFailed)
        assert str(failed) == f"the receiver answers with {status}: column 3"
    assert isinstance(await error_of(receiver, told(500, say="Sorry")), PlatformFailed)


async def test_a_refusal_in_a_stream_counts_too(receiver: Receiver) -> None:
    lines = '{"text": "a"}\n{"error": "policy", "say": "No."}\n'
    refused = await error_of(
        receiver, web.Response(text=lines, content_type="application/x-ndjson")
    )
    assert isinstance(refused, PlatformRefused)
    assert refused.say == "No."


async def test_a_receiver_that_does_not_know_an_event_is_well(receiver: Receiver) -> None:
    for status in (204, 400, 422, 500):
        receiver.answers = {
            "check": web.Response(status=status),
            "forget": web.Response(status=status),
        }
        asking = platform(receiver)
        await asking.check()
        await asking.forget(CHAT)
        await asking.close()
    assert {body["type"] for body in receiver.asked} == {"check", "forget"}
    for status in (502, 503, 429):
        receiver.answers["check"] = web.Response(status=status)
        asking = platform(receiver)
        with pytest.raises((PlatformFailed, PlatformBusy)):
            await asking.check()
        await asking.close()


async def test_a_receiver_that_keeps_the_history_has_to_forget(receiver: Receiver) -> None:
    receiver.answers["forget"] = web.Response(status=500)
    keeping = platform(receiver, keeps_history=True)
    with pytest.raises(PlatformFailed):
        await keeping.forget(CHAT)
    receiver.answers["forget"] = web.Response(status=404)
    await keeping.forget(CHAT)
    await keeping.close()
    assert receiver.asked[-1]["chat"] == "chat-1"


async def test_a_wrong_secret_is_said_to_be_wrong(receiver: Receiver) -> None:
    other = SecretStr("whsec_" + base64.b64encode(b"o" * 32).decode())
    with pytest.raises(PlatformMisconfigured, match="WEBHOOK_SECRET"):
        await answer(platform(receiver, secret=other), ask("Hello"))
    both = SecretStr(f"{other.get_secret_value()} {SECRET}")
    assert await answer(platform(receiver, secret=both), ask("Hello"))


@pytest.mark.parametrize("name", ["url", "secret"])
def test_quotes_that_nothing_took_away_are_named(name: str) -> None:
    given = {"url": "http://receiver/", "secret": "s" * 32}
    with pytest.raises(ValidationError, match="is in quotes: remove them"):
        WebhookSettings.model_validate({**given, name: f'"{given[name]}"'})


async def test_https_for_a_receiver_without_tls_is_named(receiver: Receiver) -> None:
    misled = WebhookPlatform(WebhookSettings(url=receiver.url.replace("http:", "https:")))
    with pytest.raises(PlatformUnreachable, match="correct https in WEBHOOK_URL"):
        await answer(misled, ask("Hello"))
    await misled.close()


async def test_a_receiver_that_is_away_is_unreachable() -> None:
    away = WebhookPlatform(WebhookSettings(url=f"http://127.0.0.1:{free_port()}/"))
    with pytest.raises(PlatformUnreachable, match="cannot be reached: the connection is refused"):
        await answer(away, ask("Hello"))
    unknown = WebhookPlatform(WebhookSettings(url="http://no-such-host.invalid/"))
    with pytest.raises(PlatformUnreachable, match=r"resolve no-such-host\.invalid"):
        await answer(unknown, ask("Hello"))


async def test_requests_go_through_a_proxy_with_its_password(receiver: Receiver) -> None:
    port = int(receiver.url.partition("127.0.0.1:")[2].partition("/")[0])
    async with HttpProxy(port, credentials="me:hush-hush") as proxy:
        settings = WebhookSettings(url="http://inside.example.org/ask", secret=SecretStr(SECRET))
        through = WebhookPlatform(settings, proxy=Proxy.of(proxy.url_with("me:hush-hush")))
        assert text_of(await answer(through, ask("Hello"))) == "You said: Hello"
        assert proxy.asked == ["POST http://inside.example.org/ask HTTP/1.1"]
        refused = WebhookPlatform(settings, proxy=Proxy.of(proxy.url))
        with pytest.raises(PlatformMisconfigured, match="proxy that wants a user name"):
            await answer(refused, ask("Hello"))


def test_a_signature_is_that_of_the_specification() -> None:
    """The values are those with which the libraries of Standard Webhooks are tested."""
    body = b'{"test": 2432232314}'
    made = headers(keys_in(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    verify(SECRET, made, body)


def test_without_a_secret_nothing_is_signed() -> None:
    assert "webhook-signature" not in headers((), "msg_1", 1, b"{}")


def test_a_plain_secret_is_its_own_key() -> None:
    plain = "this_one_has_thirty_characters"
    assert keys_in(plain) == (plain.encode(),)


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("whsec_!!!", "is not base64"),
        ("whsec_c2hvcnQ=", "is shorter than 24 bytes"),
        ("short", "is shorter than 24 bytes"),
        ("whsk_" + "A" * 44, "scheme with two keys"),
        (" ", "is blank"),
    ],
)
def test_a_secret_that_can_not_be_used_is_refused(secret: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        keys_in(secret)
    assert "openssl rand" in str(caught.value)


@pytest.mark.parametrize("key", ["$abc", "$a.b:c", "a\r\nInjected: yes", "é\0", "\ud83d"])
def test_every_key_becomes_a_header(key: str) -> None:
    assert idempotency_key(key).isascii()
    assert idempotency_key(key).isprintable()
    assert message_id(key).replace("_", "").isalnum()
    assert message_id(key) != message_id(key + "x")
