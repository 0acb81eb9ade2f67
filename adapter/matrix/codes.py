"""What each Matrix error code is about, in one table. Pure.

The table has every code of the client-server specification, of Synapse, and of the other
specifications whose codes a homeserver may pass on. `adapter.matrix.errors` decides by it.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class About(StrEnum):
    """What a refusal is about, and so what becomes of the thing that was refused."""

    REQUEST = "this request"
    """Repeating it can't help: it is given up."""
    ROOM = "this room"
    """Repeating it in this room can't help: it is given up."""
    REQUEST_FOR_NOW = "this request, for now"
    """It may pass, or the code says too little: the thing is kept and tried again."""
    ACCOUNT_FOR_NOW = "the account, for now"
    """The account may do less than usual until a person lifts that: all is kept."""
    ACCOUNT_FOR_GOOD = "the account, for good"
    """No waiting helps."""
    SESSION = "the session"
    """The access token is in doubt: the homeserver is asked whether it is still good."""
    SERVER_FOR_NOW = "the server, for now"
    """The homeserver refuses such requests for a while: all is kept."""
    POSITION = "the position"
    """The sync position is unknown."""


_CODES: Final = {
    About.REQUEST: """
        M_APPSERVICE_LOGIN_UNSUPPORTED M_BAD_ALIAS M_BAD_JSON M_BAD_PAGINATION
        M_CANNOT_OVERWRITE_MEDIA M_CAPTCHA_INVALID M_CAPTCHA_NEEDED M_CONFLICTING_UNSUBSCRIPTION
        M_DELAY_TOO_LARGE M_DESTINATION_REJECTED M_DUPLICATE_ANNOTATION M_EMAIL_SEND_ERROR
        M_EXCLUSIVE M_FAILED_HUMAN_ID_CHECK M_FEDPROXY_DESTINATION_DENIED
        M_FEDPROXY_NO_PROXY_PREFIX M_FEDPROXY_PATH_NOT_ALLOWED M_FORBIDDEN M_INSUFFICIENT_POWER
        M_INVALID_ADDRESS M_INVALID_EMAIL M_INVALID_PARAM M_INVALID_PARAMETER M_INVALID_PEPPER
        M_INVALID_ROOM_STATE M_INVALID_SIGNATURE M_INVALID_USERNAME M_INVITE_BLOCKED
        M_KEY_TOO_LARGE M_LOGIN_EMAIL_URL_NOT_YET M_MISSING_PARAM M_MISSING_PARAMS M_NOT_FOUND
        M_NOT_IN_THREAD M_NOT_JSON M_NO_VALID_SESSION M_PASSWORD_IN_DICTIONARY
        M_PASSWORD_NO_DIGIT M_PASSWORD_NO_LOWERCASE M_PASSWORD_NO_SYMBOL M_PASSWORD_NO_UPPERCASE
        M_PASSWORD_TOO_SHORT M_PROFILE_TOO_LARGE M_ROOM_IN_USE M_SEND_ERROR M_SERVER_NOT_TRUSTED
        M_SESSION_EXPIRED M_SESSION_NOT_VALIDATED M_THREEPID_AUTH_FAILED M_THREEPID_DENIED
        M_THREEPID_IN_USE M_THREEPID_MEDIUM_NOT_SUPPORTED M_THREEPID_NOT_FOUND M_TOKEN_INCORRECT
        M_TOO_LARGE M_UNREDACTED_CONTENT_DELETED M_UNSUPPORTED_ROOM_VERSION M_URL_NOT_SET
        M_USER_IN_USE M_WEAK_PASSWORD M_WRONG_ROOM_KEYS_VERSION
    """,
    About.ROOM: """
        M_ALREADY_JOINED M_BAD_STATE M_CANNOT_LEAVE_SERVER_NOTICE_ROOM M_GUEST_ACCESS_FORBIDDEN
        M_INCOMPATIBLE_ROOM_VERSION M_NOT_JOINED M_UNABLE_TO_AUTHORISE_JOIN M_UNABLE_TO_GRANT_JOIN
    """,
    About.REQUEST_FOR_NOW: """
        M_BAD_STATUS M_CONNECTION_FAILED M_CONNECTION_TIMEOUT M_FEDPROXY_CONNECTION_FAILED
        M_NOT_YET_UPLOADED M_UNABLE_DUE_TO_PARTIAL_STATE M_UNKNOWN M_UNRECOGNIZED
        M_USER_LIMIT_EXCEEDED
    """,
    About.ACCOUNT_FOR_NOW: """
        M_CONSENT_NOT_GIVEN M_EXPIRED_ACCOUNT M_TERMS_NOT_SIGNED M_USER_AWAITING_APPROVAL
        M_USER_LOCKED M_USER_SUSPENDED
    """,
    About.ACCOUNT_FOR_GOOD: "M_USER_DEACTIVATED",
    About.SESSION: "M_MISSING_TOKEN M_UNAUTHORIZED M_UNKNOWN_DEVICE M_UNKNOWN_TOKEN",
    About.SERVER_FOR_NOW: "M_LIMIT_EXCEEDED M_RESOURCE_LIMIT_EXCEEDED",
    About.POSITION: "M_UNKNOWN_POS",
}

CODES: Final[Mapping[str, About]] = MappingProxyType(
    {code: about for about, codes in _CODES.items() for code in codes.split()}
)
"""Every known code. Codes that only exist with a prefix of their vendor are here without it."""

_OTHER_NAMES: Final = {"M_USER_ACCOUNT_SUSPENDED": "M_USER_SUSPENDED"}
_PROPOSED: Final = re.compile(r"(?:[A-Z0-9]+[._])+MSC\d+[._](?:M_)?(?P<name>\w+)")
"""The code of a proposal for the specification, as `ORG.MATRIX.MSC3848.NOT_JOINED`."""
_OF_VENDOR: Final = re.compile(r"(?:ORG_MATRIX_|(?:[A-Z0-9]+\.)+)(?:M_)?(?P<name>\w+)")
_GIVEN_UP: Final = frozenset({About.REQUEST, About.ROOM})


def stable_code(errcode: str) -> str:
    """The code without a vendor's prefix, if the table has it; else the code as it is.

    Only a proposal's code means for certain what its name says. From another vendor, a code like
    `COM.EXAMPLE.FORBIDDEN` stays unknown, because nothing is given up by a guess.
    """
    code = errcode.upper()
    if code in CODES:
        return code
    if (proposed := _PROPOSED.fullmatch(code)) and (known := _known(proposed["name"])):
        return known
    if (foreign := _OF_VENDOR.fullmatch(code)) and (known := _known(foreign["name"])):
        return errcode if CODES[known] in _GIVEN_UP else known
    return errcode


def about(errcode: str) -> About:
    """What a code is about. An unknown code is about its request, for now: nothing is lost."""
    return CODES.get(stable_code(errcode), About.REQUEST_FOR_NOW)


def _known(name: str) -> str | None:
    code = f"M_{name}"
    code = _OTHER_NAMES.get(code, code)
    return code if code in CODES else None
