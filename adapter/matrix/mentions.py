"""Finds out whether a message mentions the bot. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache
from html import unescape
from typing import Final, NamedTuple
from urllib.parse import unquote

from actors.model import UserId
from adapter.matrix.events import text_in
from adapter.matrix.markup import without_reply

_USER_LINK: Final = re.compile(r"(?:matrix\.to/#/@|matrix:u/)([^\"'?\s<>]+)", re.IGNORECASE)
_QUOTED_LINE: Final = re.compile(r">[^\n]*(?:\n|$)")


class _Forms(NamedTuple):
    """The forms of the bot's name in a text."""

    whole: re.Pattern[str]
    at_start: re.Pattern[str]
    quoted: re.Pattern[str]


def mentions(content: Mapping[str, object], me: UserId) -> bool:
    """Whether a message names the bot: by intent, by a pill, or in its text.

    A quote of a message of the bot, as clients put in front of a reply, names the bot as well. A
    quote of another user's message does not, whatever it says.
    """
    return (
        _is_named(content, me)
        or _has_pill(text_in(content, "formatted_body") or "", me)
        or _is_written(content, me)
    )


def _is_named(content: Mapping[str, object], me: UserId) -> bool:
    named = content.get("m.mentions")
    user_ids = named.get("user_ids") if isinstance(named, dict) else None
    return isinstance(user_ids, list) and me in user_ids


def _has_pill(html: str, me: UserId) -> bool:
    rest = without_reply(html)
    quote = html[: len(html) - len(rest)]
    return me in [*_linked_users(quote)[:1], *_linked_users(rest)]


def _linked_users(html: str) -> list[str]:
    return [f"@{unquote(unescape(user)).lstrip('@')}" for user in _USER_LINK.findall(_plain(html))]


def _plain(html: str) -> str:
    """HTML with the `@` and the colon of a link unencoded."""
    return re.sub("%40", "@", html, flags=re.IGNORECASE)


def _is_written(content: Mapping[str, object], me: UserId) -> bool:
    body, forms = text_in(content, "body") or "", _forms_of(me)
    relation = content.get("m.relates_to")
    if isinstance(relation, dict) and "m.in_reply_to" in relation:
        if forms.quoted.match(body):
            return True
        while quoted := _QUOTED_LINE.match(body):
            body = body[quoted.end() :]
    return bool(forms.whole.search(body) or forms.at_start.match(body))


@lru_cache(maxsize=8)
def _forms_of(me: UserId) -> _Forms:
    whole, localpart = re.escape(me), re.escape(me[1:].partition(":")[0])
    return _Forms(
        whole=re.compile(rf"(?<![\w.]){whole}(?![\w-]|[.:]\w)"),
        at_start=re.compile(rf"\s*@?{localpart}[:,](?:\s|$)", re.IGNORECASE),
        quoted=re.compile(rf"> (?:\* )?<{whole}>"),
    )
