"""One answer, one error: by HTTP status first, then by Matrix error code."""

import ssl

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ports import (
    CredentialsRefused,
    HomeserverRefused,
    HomeserverUnavailable,
    PortError,
    PositionLost,
    RateLimited,
    SessionRevoked,
)
from adapter.matrix.errors import error_for, unavailable

HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def matrix(errcode: str, **fields: object) -> bytes:
    return msgspec.json.encode({"errcode": errcode, "error": "in words"} | fields)


@pytest.mark.parametrize("body", [b"{}", b'\n {"a": 1}', b"[]", b" null "])
def test_a_success_is_no_error(body: bytes) -> None:
    assert error_for(200, {}, body) is None


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, HTML, HomeserverUnavailable),
        (200, b"", HomeserverUnavailable),
        (302, b"", HomeserverUnavailable),
        (404, b"404 page not found", HomeserverUnavailable),
        (408, matrix("M_UNKNOWN"), HomeserverUnavailable),
        (500, matrix("M_UNKNOWN"), HomeserverUnavailable),
        (502, HTML, HomeserverUnavailable),
        (401, HTML, HomeserverUnavailable),
        (400, matrix("M_UNKNOWN_POS"), PositionLost),
        (401, matrix("M_UNKNOWN_TOKEN"), SessionRevoked),
        (401, matrix("M_UNKNOWN_TOKEN", soft_logout=True), SessionRevoked),
        (401, matrix("M_MISSING_TOKEN"), SessionRevoked),
        (403, matrix("M_USER_DEACTIVATED"), CredentialsRefused),
        (401, matrix("M_USER_LOCKED", soft_logout=True), CredentialsRefused),
        (403, matrix("M_FORBIDDEN"), HomeserverRefused),
        (404, matrix("M_NOT_FOUND"), HomeserverRefused),
        (413, HTML, HomeserverRefused),
        (500, matrix("M_UNKNOWN_TOKEN"), HomeserverUnavailable),
        (429, HTML, RateLimited),
        (401, matrix("M_UNKNOWN_TOKEN", error=None, retry_after_ms="soon"), SessionRevoked),
        (403, b'{"errcode":"M_FORBIDDEN","error":["\\ud800"]}', HomeserverRefused),
        (403, b'{"errcode":null,"error":null}', HomeserverUnavailable),
    ],
)
def test_a_failure_has_its_own_error(status: int, body: bytes, kind: type[PortError]) -> None:
    assert type(error_for(status, {}, body)) is kind


@pytest.mark.parametrize(
    ("headers", "body", "retry_after_s"),
    [
        ({}, matrix("M_LIMIT_EXCEEDED", retry_after_ms=1500), 1.5),
        ({"Retry-After": "7"}, HTML, 7.0),
        ({"Retry-After": "7"}, matrix("M_LIMIT_EXCEEDED", retry_after_ms=2000), 2.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"", 5.0),
        ({}, matrix("M_LIMIT_EXCEEDED", retry_after_ms="soon"), 5.0),
        ({}, b"", 5.0),
        ({}, b'{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1e999}', 5.0),
        ({}, matrix("M_LIMIT_EXCEEDED", retry_after_ms=-1), 5.0),
        ({}, matrix("M_LIMIT_EXCEEDED", retry_after_ms=1e15), 3600.0),
        ({"Retry-After": "9" * 30}, HTML, 3600.0),
    ],
)
def test_a_rate_limit_says_how_long(
    headers: dict[str, str], body: bytes, retry_after_s: float
) -> None:
    error = error_for(429, headers, body)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == retry_after_s


def test_a_refusal_keeps_its_code_and_words() -> None:
    error = error_for(403, {}, matrix("M_FORBIDDEN"))
    assert isinstance(error, HomeserverRefused)
    assert (error.status, error.errcode, error.message) == (403, "M_FORBIDDEN", "in words")


def test_a_proxy_is_told_from_the_homeserver() -> None:
    assert str(error_for(502, {}, HTML)) == "502 from a proxy (not Matrix)"
    assert str(error_for(500, {}, matrix("M_UNKNOWN"))) == "500 M_UNKNOWN: in words"


@given(st.integers(100, 599), st.binary(max_size=60))
def test_any_answer_is_judged(status: int, body: bytes) -> None:
    error = error_for(status, {}, body)
    assert (error is None) == (200 <= status < 300 and body.lstrip()[:1] in {b"{", b"["})


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "timed out after 30 s"),
        (aiohttp.ServerTimeoutError(), "timed out after 30 s"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong"), "TLS: [SSL: WRONG_VERSION_NUMBER]"),
        (aiohttp.ServerDisconnectedError(), "the connection was closed without an answer"),
        (aiohttp.ClientPayloadError("half"), "the answer broke off"),
        (aiohttp.InvalidURL("nowhere"), "the homeserver's URL is not a URL"),
        (OSError(113, "No route to host"), "No route to host"),
        (aiohttp.ClientError(), "ClientError"),
    ],
)
def test_a_broken_connection_has_a_short_reason(error: Exception, reason: str) -> None:
    assert str(unavailable(error, 30)).startswith(reason)
