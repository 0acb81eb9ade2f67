"""Reads the HTML of a `formatted_body`, as far as the bot needs it. Pure.

The HTML comes from any person, so each pattern takes time in proportion to the text.
"""

import html
import re
from typing import Final, NamedTuple
from urllib.parse import unquote

from actors.model import UserId

_REPLY: Final = "<mx-reply>"
_REPLY_END: Final = re.compile("</mx-reply>", re.IGNORECASE)
_LINE_END: Final = re.compile(
    r"</?(?:br|p|div|li|tr|h[1-6]|pre|blockquote)\b[^<>]*>", re.IGNORECASE
)
_TAG: Final = re.compile(r"<[^<>]*>")
_BLANK_LINES: Final = re.compile(r"\n\s*\n")

_HEAD_LIMIT: Final = 2_000
_WRAPPERS: Final = r"\s*(?:<(?:p|div|span|b|strong|em|i|u)\b[^<>]{0,200}>\s*){0,5}"
_LEADING_LINK: Final = re.compile(
    _WRAPPERS + r"""<a\s[^<>]{0,500}?href=["']([^"'<>]{1,500})["'][^<>]{0,500}>([^<]{1,255})</a>""",
    re.IGNORECASE,
)


class Pill(NamedTuple):
    """A link to a user: the user's id, and the name that the link shows."""

    user_id: str
    name: str


def begins_with_reply(formatted: str) -> bool:
    """Whether the HTML begins with a quote of the event that it replies to (`<mx-reply>`)."""
    return formatted.lstrip()[: len(_REPLY)].lower() == _REPLY


def without_reply(formatted: str) -> str:
    """The HTML without the quote at its beginning."""
    end = _REPLY_END.search(formatted) if begins_with_reply(formatted) else None
    return formatted[end.end() :] if end else formatted


def plain_text(formatted: str) -> str:
    """The text of the HTML, without the quote at its beginning."""
    lines = _LINE_END.sub("\n", without_reply(formatted))
    return _BLANK_LINES.sub("\n", html.unescape(_TAG.sub("", lines))).strip()


def leading_pill(formatted: str) -> Pill | None:
    """The mention of a user at the beginning of the HTML, if there is one."""
    found = _LEADING_LINK.match(without_reply(formatted)[:_HEAD_LIMIT])
    user_id = user_in_link(html.unescape(found[1])) if found else None
    return Pill(user_id, html.unescape(found[2]).strip()) if found and user_id else None


def user_in_link(link: str) -> UserId | None:
    """The user that a `matrix.to` link or a `matrix:` URI points to; None for another link."""
    target = unquote(link).partition("?")[0].rstrip("/")
    _, is_permalink, named = target.partition("://matrix.to/#/")
    if is_permalink and named.removeprefix("user/").startswith("@"):
        return UserId(named.removeprefix("user/"))
    uri = target.removeprefix("matrix:")
    if uri != target and uri.startswith(("u/", "user/")):
        return UserId(f"@{uri.partition('/')[2]}")
    return None
