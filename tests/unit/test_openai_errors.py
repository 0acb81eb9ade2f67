"""What the refusals of real servers mean; their words are those of the servers."""

import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from types import MappingProxyType

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

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
from adapter.platform.openai.errors import (
    Asked,
    error_for,
    error_within,
    is_wrong_path,
    says_no_pictures,
    transport_error,
)
from adapter.proxy import Proxy

NOW = 1_800_000_000.0
KEY = "sk-very-secret"
ASKED = Asked(url="http://llm", model="m", has_key=True, key=KEY)
PAGE = "http://llm answers with a web page and not with the API: correct OPENAI_BASE_URL"
NO_MODEL = (
    "http://llm has no model 'm' (The model `m` does not exist): "
    "set OPENAI_MODEL to one that it has"
)
NO_CREDIT = "the account behind OPENAI_API_KEY has no credit left at http://llm: add some"
PROXY = (
    "the proxy in front of the platform wants a user name and a password (407): "
    "correct them in the variable that names it"
)
SEEING = Asked(url=ASKED.url, model="m", mime_types=("application/pdf", "image/png"))


def refused(
    status: int,
    body: object = "",
    asked: Asked = ASKED,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> PortError:
    raw = body if isinstance(body, str) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_for(status, named, raw.encode(), asked, NOW)


def message(text: str, **more: object) -> dict[str, object]:
    return {"error": {"message": text, **more}}


@pytest.mark.parametrize(
    ("status", "body", "limit", "sent"),
    [
        (
            400,
            message(
                "request (3031 tokens) exceeds the available context size (1024 tokens), try "
                "increasing it",
                type="exceed_context_size_error",
                n_prompt_tokens=3031,
                n_ctx=1024,
            ),
            1024,
            3031,
        ),
        (400, message("x", type="exceed_context_size_error", n_prompt_tokens=9, n_ctx=4), 4, 9),
        (
            400,
            message(
                "This model's maximum context length is 8192 tokens. However, your messages "
                "resulted in 9001 tokens. Please reduce the length of the messages.",
                code="context_length_exceeded",
            ),
            8192,
            9001,
        ),
        (
            400,
            {
                "object": "error",
                "message": "This model's maximum context length is 16384 tokens. However, you "
                "requested 122946 tokens (112946 in the messages, 10000 in the completion). "
                "Please reduce the length of the messages or completion.",
                "type": "BadRequestError",
                "code": 400,
            },
            16384,
            112946,
        ),
        (
            400,
            message(
                "You passed 5001 input tokens and requested 100 output tokens. However, the "
                "model's context length is only 4096 tokens"
            ),
            4096,
            5001,
        ),
        (
            400,
            message(
                "This model's maximum context length is 4096 tokens. However, your request has "
                "5000 input tokens."
            ),
            4096,
            5000,
        ),
        (400, message("prompt is too long: 210000 tokens > 200000 maximum"), 200000, 210000),
        (
            400,
            [
                message(
                    "The input token count (9) exceeds the maximum number of tokens allowed (8)."
                )
            ],
            8,
            9,
        ),
        (
            400,
            message(
                "The input (85050 tokens) is longer than the model's context length (32768 tokens)."
            ),
            32768,
            85050,
        ),
        (
            422,
            {
                "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= "
                "4096. Given: 5000 `inputs` tokens and 100 `max_new_tokens`",
                "error_type": "validation",
            },
            4096,
            5000,
        ),
        (500, {"error": "the prompt is too long and exceeds the context length"}, None, None),
        (400, message("Please reduce the length of the messages or completion."), None, None),
        (400, message("too much", code="context_length_exceeded"), None, None),
    ],
)
def test_a_conversation_that_is_too_long_is_told_with_its_numbers(
    status: int, body: object, limit: int | None, sent: int | None
) -> None:
    error = refused(status, body)
    assert isinstance(error, ContextTooLong)
    assert (error.limit, error.sent) == (limit, sent)


def test_an_answer_as_long_as_the_context_is_a_mistake_of_the_operator() -> None:
    text = (
        "'max_tokens' or 'max_completion_tokens' is too large: 3000. This model's maximum context "
        "length is 2048 tokens and your request has 45 input tokens (3000 > 2048 - 45)."
    )
    asked = Asked(url=ASKED.url, model="m", max_tokens=3000)
    error = refused(400, message(text), asked)
    assert isinstance(error, PlatformMisconfigured)
    assert error.say == (
        "OPENAI_MAX_TOKENS is 3000, and the context of m has only 2048 tokens: lower it"
    )


@pytest.mark.parametrize(
    ("status", "body", "say"),
    [
        (
            401,
            message(f"Incorrect API key provided: {KEY}."),
            "http://llm refuses the key (401): set OPENAI_API_KEY to a valid one",
        ),
        (
            403,
            message(f"The key {KEY} is for another."),
            "http://llm does not let this key ask m (403): The key *** is for another",
        ),
        (
            404,
            message("The model `m` does not exist", code="model_not_found"),
            NO_MODEL,
        ),
        (
            404,
            {"detail": "Not Found"},
            "http://llm has no Chat Completions API: correct OPENAI_BASE_URL",
        ),
        (
            404,
            "<!DOCTYPE html><html>404</html>",
            PAGE,
        ),
        (
            402,
            message("Insufficient credits"),
            NO_CREDIT,
        ),
        (
            429,
            message("You exceeded your current quota", code="insufficient_quota"),
            NO_CREDIT,
        ),
        (
            407,
            "",
            PROXY,
        ),
    ],
)
def test_a_mistake_of_the_operator_is_told_with_its_remedy(
    status: int, body: object, say: str
) -> None:
    error = refused(status, body)
    assert isinstance(error, PlatformMisconfigured)
    assert error.say == say


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (400, "API key not valid. Please pass a valid API key.", "refuses the key (400)"),
        (400, "Incorrect API key provided: xa***. You can find it at", "refuses the key (400)"),
        (400, "Invalid model name passed in model=m. Call `/v1/models`", "has no model 'm'"),
        (400, "m is not a valid model ID", "has no model 'm'"),
        (400, "Model Not Exist", "has no model 'm'"),
        (422, "The model `m` does not exist", "has no model 'm'"),
        (400, "Your credit balance is too low to access the API", "no credit left"),
        (403, "Insufficient balance", "no credit left"),
    ],
)
def test_a_mistake_of_the_operator_is_seen_behind_another_status(
    status: int, text: str, words: str
) -> None:
    error = refused(status, message(text))
    assert isinstance(error, PlatformMisconfigured)
    assert words in error.say


def test_a_missing_key_is_told_apart_from_a_wrong_one() -> None:
    error = refused(401, "", Asked(url="http://x"))
    assert str(error) == "http://x wants a key (401): set OPENAI_API_KEY"


@pytest.mark.parametrize(
    ("status", "body", "say"),
    [
        (400, message("Unknown role."), "The model refuses this question: Unknown role"),
        (
            422,
            {"detail": [{"loc": ["body", "n"], "msg": "too large"}]},
            "The model refuses this question: body.n: too large",
        ),
        (400, {"message": "No."}, "The model refuses this question: No"),
        (400, message("x", code="content_filter"), "A content filter refuses this question."),
        (403, message("Input was flagged"), "The model refuses this question: Input was flagged"),
        (418, "I am a\nteapot", "The model refuses this question: I am a teapot"),
    ],
)
def test_a_refused_question_is_told_in_words(status: int, body: object, say: str) -> None:
    error = refused(status, body)
    assert isinstance(error, PlatformRefused)
    assert error.say == say


DATE = format_datetime(datetime.fromtimestamp(NOW + 30, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("status", "headers", "text", "wait_s"),
    [
        (429, {"retry_after": "7"}, "", 7),
        (429, {"retry_after": "0.5"}, "", 0.5),
        (429, {"retry_after": DATE}, "", 30),
        (429, {"retry_after_ms": "1500", "retry_after": "2"}, "", 1.5),
        (429, {"retry_after": "soon"}, "", 5),
        (429, {"retry_after": "0"}, "", 0.1),
        (429, {"retry_after": "99999"}, "", 3600),
        (429, {"x_ratelimit_reset_requests": "6m0s"}, "", 360),
        (429, {"x_ratelimit_reset_tokens": "20ms"}, "", 0.1),
        (
            429,
            {
                "x_ratelimit_remaining_requests": "9",
                "x_ratelimit_reset_requests": "1h0m0s",
                "x_ratelimit_remaining_tokens": "0",
                "x_ratelimit_reset_tokens": "1.5s",
            },
            "",
            1.5,
        ),
        (429, {"x_ratelimit_reset": "12"}, "", 12),
        (429, {"x_ratelimit_reset": str(NOW + 9)}, "", 9),
        (429, {"x_ratelimit_reset": str(int((NOW + 8) * 1000))}, "", 8),
        (429, {}, "Rate limit reached. Please try again in 1m30.5s. Visit", 90.5),
        (429, {}, "Please retry after 20 seconds.", 20),
        (503, {}, "Loading model", 5),
        (529, {}, "Overloaded", 5),
    ],
)
def test_a_busy_server_is_waited_for_as_it_asks(
    status: int, headers: dict[str, str], text: str, wait_s: float
) -> None:
    error = refused(status, message(text), headers=headers)
    assert isinstance(error, PlatformBusy)
    assert error.retry_after_s == pytest.approx(wait_s)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, message("boom")),
        (500, "<html>Internal Server Error</html>"),
        (502, message("Provider returned error")),
        (504, "<html>Gateway Time-out</html>"),
        (520, ""),
        (408, ""),
        (409, message("conflict")),
        (400, ""),
        (400, "<html>Bad Request</html>"),
        (304, ""),
    ],
)
def test_any_other_status_is_a_failure(status: int, body: object) -> None:
    error = refused(status, body)
    assert isinstance(error, PlatformFailed)
    assert not isinstance(error, PlatformUnreachable)
    assert str(status) in str(error)


def test_a_proxy_without_its_server_is_unreachable() -> None:
    assert isinstance(refused(502, "<html>Bad Gateway</html>"), PlatformUnreachable)


@pytest.mark.parametrize(
    ("status", "body", "mime_types", "for_good"),
    [
        (500, message("image input is not supported - hint: mmproj"), ("image/png",), True),
        (400, message("At most 0 image(s) may be provided in one prompt."), ("image/png",), True),
        (404, message("No endpoints found that support image input"), ("image/png",), True),
        (400, message("unknown variant `image_url`, expected `text`"), ("image/png",), True),
        (
            400,
            message("Invalid content type. image_url is only supported by certain models."),
            ("image/png",),
            True,
        ),
        (400, message("Invalid image data: unsupported image format"), ("image/png",), False),
        (400, message("messages.0.content: Input should be a valid string"), ("image/png",), False),
        (400, message("Invalid file data"), ("application/pdf",), False),
        (413, "", ("application/pdf", "image/png"), False),
    ],
)
def test_attachments_that_a_model_refuses_are_named(
    status: int, body: object, mime_types: tuple[str, ...], *, for_good: bool
) -> None:
    error = refused(status, body, SEEING)
    assert isinstance(error, Unsupported)
    assert error.mime_types == mime_types
    raw = body if isinstance(body, str) else json.dumps(body)
    assert says_no_pictures(error, raw.encode()) == for_good
    assert not isinstance(refused(status, body), Unsupported)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (message("Rate limit", code=429), PlatformBusy),
        (message("Overloaded", type="overloaded_error"), PlatformBusy),
        (message("Bad gateway", code=502), PlatformFailed),
        (message("Internal error", type="server_error"), PlatformFailed),
        (message("No", type="BadRequestError"), PlatformRefused),
        (message("No", type="authentication_error"), PlatformMisconfigured),
        (message("No", code="content_filter"), PlatformRefused),
        (message("long", code="context_length_exceeded"), ContextTooLong),
        ({"error": "out of memory"}, PlatformFailed),
        ({"object": "error", "message": "no", "code": 400}, PlatformRefused),
    ],
)
def test_an_error_within_an_answer_is_like_one_before_it(body: object, kind: type) -> None:
    assert isinstance(error_within(json.dumps(body), ASKED, NOW), kind)


@pytest.mark.parametrize(
    ("status", "body", "is_wrong"),
    [
        (404, {"detail": "Not Found"}, True),
        (404, "404 page not found", True),
        (404, "<html>nothing here</html>", True),
        (405, "", True),
        (404, message("The model `m` does not exist"), False),
        (400, "", False),
    ],
)
def test_a_wrong_path_is_told_apart_from_a_wrong_model(
    status: int, body: object, *, is_wrong: bool
) -> None:
    raw = body if isinstance(body, str) else json.dumps(body)
    assert is_wrong_path(status, raw.encode()) == is_wrong


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 502, 503])
@pytest.mark.parametrize("form", ["{}", '{{"error": {{"message": "{}"}}}}', '{{"detail": "{}"}}'])
def test_no_error_tells_the_key(status: int, form: str) -> None:
    error = refused(status, form.format(f"your key is {KEY}"))
    assert KEY not in f"{error!r} {error} {vars(error)} {ASKED!r}"


CONNECTION_KEY = ConnectionKey("llm.example.org", 443, True, True, None, None, None)  # noqa: FBT003


def connector_error(cause: OSError) -> aiohttp.ClientConnectorError:
    return aiohttp.ClientConnectorError(CONNECTION_KEY, cause)


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (connector_error(ConnectionRefusedError(111, "Refused")), PlatformUnreachable, "refused"),
        (connector_error(OSError(113, "No route to host")), PlatformUnreachable, "No route"),
        (
            aiohttp.ClientConnectorDNSError(CONNECTION_KEY, OSError(-2, "unknown")),
            PlatformUnreachable,
            "the name llm.example.org is not known",
        ),
        (
            aiohttp.ClientConnectorCertificateError(CONNECTION_KEY, untrusted()),
            PlatformUnreachable,
            r"not trusted \(self-signed certificate\): name its authority in OPENAI_CA_FILE",
        ),
        (aiohttp.ConnectionTimeoutError("slow"), PlatformUnreachable, "no connection in time"),
        (UnicodeError("label too long"), PlatformUnreachable, "label too long"),
        (aiohttp.ServerDisconnectedError(), PlatformFailed, "the connection is closed"),
        (ConnectionResetError(104, "reset"), PlatformFailed, "the connection is closed"),
        (aiohttp.ClientPayloadError("cut"), PlatformFailed, "it breaks off"),
    ],
)
def test_a_connection_that_fails_is_told_in_a_sentence(
    error: Exception, kind: type, words: str
) -> None:
    found = transport_error(error, ASKED)
    assert type(found) is kind
    with pytest.raises(kind, match=words):
        raise found


def test_a_proxy_that_fails_is_named() -> None:
    proxy = Proxy.of("http://alice:secret@proxy.example.org:3128")
    cause = OSError(113, "No route to host")
    found = transport_error(aiohttp.ClientProxyConnectionError(CONNECTION_KEY, cause), ASKED, proxy)
    assert isinstance(found, PlatformUnreachable)
    assert (
        str(found) == "no connection to the proxy http://proxy.example.org:3128: No route to host"
    )
