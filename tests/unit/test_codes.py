"""Every error code that a homeserver may answer with has its place in the table."""

from typing import Final

import pytest
from synapse.api.errors import Codes

from adapter.matrix.codes import CODES, About, about, stable_code

SPECIFIED: Final = [
    "M_APPSERVICE_LOGIN_UNSUPPORTED",
    "M_BAD_ALIAS",
    "M_BAD_JSON",
    "M_BAD_PAGINATION",
    "M_BAD_STATE",
    "M_BAD_STATUS",
    "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM",
    "M_CANNOT_OVERWRITE_MEDIA",
    "M_CAPTCHA_INVALID",
    "M_CAPTCHA_NEEDED",
    "M_CONNECTION_FAILED",
    "M_CONNECTION_TIMEOUT",
    "M_CONSENT_NOT_GIVEN",
    "M_DESTINATION_REJECTED",
    "M_DUPLICATE_ANNOTATION",
    "M_EMAIL_SEND_ERROR",
    "M_EXCLUSIVE",
    "M_FAILED_HUMAN_ID_CHECK",
    "M_FORBIDDEN",
    "M_GUEST_ACCESS_FORBIDDEN",
    "M_INCOMPATIBLE_ROOM_VERSION",
    "M_INVALID_ADDRESS",
    "M_INVALID_EMAIL",
    "M_INVALID_PARAM",
    "M_INVALID_PARAMETER",
    "M_INVALID_PEPPER",
    "M_INVALID_ROOM_STATE",
    "M_INVALID_SIGNATURE",
    "M_INVALID_USERNAME",
    "M_INVITE_BLOCKED",
    "M_KEY_TOO_LARGE",
    "M_LIMIT_EXCEEDED",
    "M_LOGIN_EMAIL_URL_NOT_YET",
    "M_MISSING_PARAM",
    "M_MISSING_PARAMS",
    "M_MISSING_TOKEN",
    "M_NOT_FOUND",
    "M_NOT_JSON",
    "M_NOT_YET_UPLOADED",
    "M_NO_VALID_SESSION",
    "M_PROFILE_TOO_LARGE",
    "M_RESOURCE_LIMIT_EXCEEDED",
    "M_ROOM_IN_USE",
    "M_SEND_ERROR",
    "M_SERVER_NOT_TRUSTED",
    "M_SESSION_EXPIRED",
    "M_SESSION_NOT_VALIDATED",
    "M_TERMS_NOT_SIGNED",
    "M_THREEPID_AUTH_FAILED",
    "M_THREEPID_DENIED",
    "M_THREEPID_IN_USE",
    "M_THREEPID_MEDIUM_NOT_SUPPORTED",
    "M_THREEPID_NOT_FOUND",
    "M_TOKEN_INCORRECT",
    "M_TOO_LARGE",
    "M_UNABLE_TO_AUTHORISE_JOIN",
    "M_UNABLE_TO_GRANT_JOIN",
    "M_UNAUTHORIZED",
    "M_UNKNOWN",
    "M_UNKNOWN_DEVICE",
    "M_UNKNOWN_POS",
    "M_UNKNOWN_TOKEN",
    "M_UNRECOGNIZED",
    "M_UNSUPPORTED_ROOM_VERSION",
    "M_URL_NOT_SET",
    "M_USER_DEACTIVATED",
    "M_USER_IN_USE",
    "M_USER_LIMIT_EXCEEDED",
    "M_USER_LOCKED",
    "M_USER_SUSPENDED",
    "M_WEAK_PASSWORD",
    "M_WRONG_ROOM_KEYS_VERSION",
]
"""Every code in the Matrix specification, all versions from r0 to v1.19 and all its parts."""


def test_every_code_of_the_specification_is_in_the_table() -> None:
    assert [code for code in SPECIFIED if code not in CODES] == []


def test_every_code_of_synapse_is_known() -> None:
    assert [code.value for code in Codes if stable_code(code.value) not in CODES] == []


def test_no_code_is_in_the_table_twice() -> None:
    from adapter.matrix import codes  # noqa: PLC0415 - the rows are no part of its interface

    listed = [code for row in codes._CODES.values() for code in row.split()]
    assert len(listed) == len(set(listed)) == len(CODES)


@pytest.mark.parametrize(
    ("errcode", "what"),
    [
        ("M_FORBIDDEN", About.REQUEST),
        ("M_TOO_LARGE", About.REQUEST),
        ("M_INVITE_BLOCKED", About.REQUEST),
        ("M_INCOMPATIBLE_ROOM_VERSION", About.ROOM),
        ("M_UNKNOWN", About.REQUEST_FOR_NOW),
        ("M_USER_LIMIT_EXCEEDED", About.REQUEST_FOR_NOW),
        ("M_USER_SUSPENDED", About.ACCOUNT_FOR_NOW),
        ("M_USER_LOCKED", About.ACCOUNT_FOR_NOW),
        ("M_CONSENT_NOT_GIVEN", About.ACCOUNT_FOR_NOW),
        ("M_USER_DEACTIVATED", About.ACCOUNT_FOR_GOOD),
        ("M_UNKNOWN_TOKEN", About.SESSION),
        ("M_LIMIT_EXCEEDED", About.SERVER_FOR_NOW),
        ("M_RESOURCE_LIMIT_EXCEEDED", About.SERVER_FOR_NOW),
        ("M_UNKNOWN_POS", About.POSITION),
    ],
)
def test_each_code_is_about_one_thing(errcode: str, what: About) -> None:
    assert about(errcode) is what


@pytest.mark.parametrize(
    ("errcode", "stable"),
    [
        ("ORG.MATRIX.MSC3823.USER_ACCOUNT_SUSPENDED", "M_USER_SUSPENDED"),
        ("ORG.MATRIX.MSC3823_USER_SUSPENDED", "M_USER_SUSPENDED"),
        ("org.matrix.msc3823.user_account_suspended", "M_USER_SUSPENDED"),
        ("ORG_MATRIX_MSC3939_USER_LOCKED", "M_USER_LOCKED"),
        ("ORG.MATRIX.MSC3866_USER_AWAITING_APPROVAL", "M_USER_AWAITING_APPROVAL"),
        ("ORG.MATRIX.MSC4335_USER_LIMIT_EXCEEDED", "M_USER_LIMIT_EXCEEDED"),
        ("ORG.MATRIX.MSC4155.M_INVITE_BLOCKED", "M_INVITE_BLOCKED"),
        ("ORG_MATRIX_EXPIRED_ACCOUNT", "M_EXPIRED_ACCOUNT"),
        ("IO.ELEMENT.USER_LOCKED", "M_USER_LOCKED"),
        ("IO.ELEMENT.MSC4306.M_NOT_IN_THREAD", "M_NOT_IN_THREAD"),
        ("COM.EXAMPLE2.M_CONSENT_NOT_GIVEN", "M_CONSENT_NOT_GIVEN"),
    ],
)
def test_a_prefix_hides_no_code(errcode: str, stable: str) -> None:
    assert stable_code(errcode) == stable


@pytest.mark.parametrize(
    "errcode",
    ["", "M_", "M_NEVER_SEEN", "COM.EXAMPLE.FORBIDDEN", "IO.ELEMENT.M_NOT_FOUND", "403", "ÄÖ.Ü"],
)
def test_a_code_that_nobody_has_explained_gives_nothing_up(errcode: str) -> None:
    assert stable_code(errcode) == errcode
    assert about(errcode) is About.REQUEST_FOR_NOW
