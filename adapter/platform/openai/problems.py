"""What a server says when it refuses a request. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

_SHOWN: Final = 300
_PAGE: Final = re.compile(rb"\s*<(?:!doctype|html|head|body|\?xml)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal in the words of the server, as far as they can be read.

    `words` is all of the body in one line, for searching. `status` is the status within the body.
    `limit` and `sent` are in tokens, where the server says them as numbers of their own.
    """

    message: str = ""
    kind: str = ""
    code: str = ""
    words: str = ""
    status: int | None = None
    limit: int | None = None
    sent: int | None = None
    is_page: bool = False
    is_of_api: bool = False

    @property
    def sentence(self) -> str:
        """The message as part of a sentence: in one line, not too long, without a full stop."""
        return " ".join(self.message.split())[:_SHOWN].rstrip(" .")


def problem_in(body: bytes, secret: str = "") -> Problem:
    """The problem in the body of an answer. `secret` is left out of every text."""
    if _PAGE.match(body):
        return Problem(is_page=True)
    if secret:
        body = body.replace(secret.encode(), b"***")
    words = " ".join(body.decode(errors="replace").split())
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError):
        return Problem(message=words, words=words)
    if isinstance(found, list) and found:
        found = found[0]
    return _problem(found, words) if isinstance(found, dict) else Problem(words, words=words)


def _problem(found: Mapping[str, object], words: str) -> Problem:
    inner = found.get("error")
    about = inner if isinstance(inner, dict) else found
    code = about.get("code")
    return Problem(
        message=next(_messages(about, inner, found), ""),
        kind=_text(about.get("type")) or _text(found.get("error_type")),
        code=_text(code),
        words=words,
        status=_number(code) or _number(about.get("status")),
        limit=_number(about.get("n_ctx")),
        sent=_number(about.get("n_prompt_tokens")),
        is_of_api=inner is not None or "message" in found or "detail" in found,
    )


def _messages(about: Mapping[str, object], *others: object) -> Iterator[str]:
    for value in (about.get("message"), about.get("detail"), *others):
        match value:
            case str() if value:
                yield value
            case [{"msg": str(said), **more}, *_]:
                place = more.get("loc")
                names = ".".join(map(str, place)) if isinstance(place, list) else ""
                yield f"{names}: {said}" if names else said
            case _:
                pass


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and isinstance(value, int) else None
