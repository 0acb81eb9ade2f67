"""One answer, one error: by HTTP status first, then by Matrix error code."""

import ssl

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.port_errors import (
    CredentialsRefused,
    HomeserverRefused,
    HomeserverUnavailable,
    PortError,
    PositionLost,
    RateLimited,
    RefusedForNow,
    RefusedUnclearly,
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
        (401, matrix("M_USER_LOCKED", soft_logout=True), RefusedForNow),
        (403, matrix("M_USER_SUSPENDED"), RefusedForNow),
        (403, matrix("ORG.MATRIX.MSC3823.USER_ACCOUNT_SUSPENDED"), RefusedForNow),
        (401, matrix("ORG_MATRIX_MSC3939_USER_LOCKED"), RefusedForNow),
        (403, matrix("M_CONSENT_NOT_GIVEN", consent_uri="https://x.org/c"), RefusedForNow),
        (403, matrix("ORG_MATRIX_EXPIRED_ACCOUNT"), RefusedForNow),
        (403, matrix("M_RESOURCE_LIMIT_EXCEEDED"), RefusedForNow),
        (400, matrix("M_RESOURCE_LIMIT_EXCEEDED", admin_contact="a@x.org"), RefusedForNow),
        (400, matrix("M_RESOURCE_LIMIT_EXCEEDED"), RefusedUnclearly),
        (429, matrix("M_RESOURCE_LIMIT_EXCEEDED", limit_type="storage"), RefusedForNow),
        (429, matrix("M_RESOURCE_LIMIT_EXCEEDED"), RateLimited),
        (403, matrix("M_LIMIT_EXCEEDED"), RateLimited),
        (401, matrix("M_UNAUTHORIZED"), SessionRevoked),
        (401, matrix("M_UNRECOGNIZED"), SessionRevoked),
        (401, matrix("M_FORBIDDEN"), SessionRevoked),
        (401, matrix("COM.EXAMPLE.ANYTHING"), SessionRevoked),
        (400, matrix("M_UNKNOWN"), RefusedUnclearly),
        (404, matrix("M_UNRECOGNIZED"), RefusedUnclearly),
        (403, matrix("M_USER_LIMIT_EXCEEDED", info_uri="https://x.org"), RefusedUnclearly),
        (403, matrix("COM.EXAMPLE.FORBIDDEN"), RefusedUnclearly),
        (418, matrix("M_TEAPOT"), RefusedUnclearly),
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
        ({}, matrix("M_LIMIT_EXCEEDED", retry_after_ms=10**400), 3600.0),
        ({}, matrix("M_LIMIT_EXCEEDED", retry_after_ms=True), 5.0),
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


@pytest.mark.parametrize(
    ("errcode", "kind"),
    [
        ("M_FORBIDDEN", HomeserverRefused),
        ("M_UNAUTHORIZED", RefusedUnclearly),
        ("M_MISSING_TOKEN", SessionRevoked),
    ],
)
def test_without_a_token_401_says_nothing_of_a_session(errcode: str, kind: type[PortError]) -> None:
    assert type(error_for(401, {}, matrix(errcode), has_token=False)) is kind


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            matrix("M_USER_SUSPENDED"),
            (
                "the homeserver has suspended this account (M_USER_SUSPENDED): "
                "its administrator can lift the suspension"
            ),
        ),
        (
            matrix("M_USER_LOCKED"),
            (
                "the homeserver has locked this account (M_USER_LOCKED): "
                "its administrator can unlock it"
            ),
        ),
        (
            matrix("M_CONSENT_NOT_GIVEN", consent_uri="https://x.org/consent?u=bot&h=1"),
            (
                "the homeserver wants its terms agreed to first (M_CONSENT_NOT_GIVEN): "
                "open https://x.org/consent?u=bot&h=1 and agree to them"
            ),
        ),
        (
            matrix("M_CONSENT_NOT_GIVEN"),
            (
                "the homeserver wants its terms agreed to first (M_CONSENT_NOT_GIVEN): "
                "its administrator knows where"
            ),
        ),
        (
            matrix("M_RESOURCE_LIMIT_EXCEEDED", limit_type="hs_disabled", admin_contact="a@x.org"),
            (
                "the homeserver is over a limit or switched off, hs_disabled, in words "
                "(M_RESOURCE_LIMIT_EXCEEDED): its administrator (a@x.org) can change that"
            ),
        ),
        (
            matrix("M_RESOURCE_LIMIT_EXCEEDED", limit_type=None, admin_contact=None),
            (
                "the homeserver is over a limit or switched off, in words "
                "(M_RESOURCE_LIMIT_EXCEEDED): its administrator can change that"
            ),
        ),
    ],
)
def test_a_refusal_for_now_says_what_ends_it(body: bytes, text: str) -> None:
    error = error_for(403, {"Retry-After": "7"}, body)
    assert isinstance(error, RefusedForNow)
    assert str(error) == text
    assert error.retry_after_s == (7.0 if b"RESOURCE" in body else 0.0)


@pytest.mark.parametrize(
    ("code", "known_as"),
    [
        ("ORG.MATRIX.MSC4155.M_INVITE_BLOCKED", "M_INVITE_BLOCKED"),
        ("org.matrix.msc4155.invite_blocked", "M_INVITE_BLOCKED"),
        ("m_forbidden", "M_FORBIDDEN"),
        ("COM.EXAMPLE.FORBIDDEN", "COM.EXAMPLE.FORBIDDEN"),
    ],
)
def test_a_refusal_carries_the_code_by_its_stable_name(code: str, known_as: str) -> None:
    error = error_for(403, {}, matrix(code))
    assert isinstance(error, HomeserverRefused)
    assert error.errcode == known_as


@pytest.mark.parametrize("code", ["M_CONSENT_NOT_GIVEN", "M_TERMS_NOT_SIGNED"])
def test_the_page_to_agree_on_is_found_in_the_text_as_well(code: str) -> None:
    text = f"{'Please read this. ' * 20}Agree at https://x.org/terms?u=bot&h=1, then go on."
    error = error_for(403, {}, matrix(code, error=text))
    assert isinstance(error, RefusedForNow)
    assert error.consent_uri == "https://x.org/terms?u=bot&h=1"
    assert error.remedy == "open https://x.org/terms?u=bot&h=1 and agree to them"


def test_the_page_to_agree_on_is_kept_whole_and_on_one_line() -> None:
    link = f"https://x.org/consent?{'h' * 500}"
    error = error_for(403, {}, matrix("M_CONSENT_NOT_GIVEN", consent_uri=f"{link}\n"))
    assert isinstance(error, RefusedForNow)
    assert error.consent_uri == f"{link} "
    assert "\n" not in str(error)


@pytest.mark.parametrize("value", [None, 7, [], {}, True])
def test_an_odd_field_of_a_refusal_costs_only_itself(value: object) -> None:
    odd = dict.fromkeys(("error", "consent_uri", "admin_contact", "limit_type"), value)
    body = {"errcode": "M_CONSENT_NOT_GIVEN", "retry_after_ms": "soon", **odd}
    error = error_for(403, {}, msgspec.json.encode(body))
    assert isinstance(error, RefusedForNow)
    assert error.consent_uri is None


def test_a_proxy_is_told_from_the_homeserver() -> None:
    assert str(error_for(502, {}, HTML)) == "502 from a proxy (not Matrix)"
    assert str(error_for(500, {}, matrix("M_UNKNOWN"))) == "500 M_UNKNOWN: in words"


@given(st.integers(100, 599), st.binary(max_size=60))
def test_any_answer_is_judged(status: int, body: bytes) -> None:
    error = error_for(status, {}, body)
    is_json = body.lstrip()[:1] in {b"{", b"["} or body.strip() == b"null"
    assert (error is None) == (200 <= status < 300 and is_json)


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
        (UnicodeError("label empty or too long"), "the homeserver's URL is not a URL"),
        (OSError(113, "No route to host"), "No route to host"),
        (aiohttp.ClientError(), "ClientError"),
    ],
)
def test_a_broken_connection_has_a_short_reason(error: Exception, reason: str) -> None:
    assert str(unavailable(error, 30)).startswith(reason)
