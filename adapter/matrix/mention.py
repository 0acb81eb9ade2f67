"""Takes the bot's name out from the front of a message, where people and clients put it. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from actors.model import UserId
from actors.rules.likeness import HIDDEN
from adapter.matrix.events import text_in
from adapter.matrix.markup import leading_pill, user_in_link
from adapter.matrix.relations import relation_of

_BLANK: Final = rf"[\s{HIDDEN}]"
_COMMAND: Final = rf"[!\uff01\ufe57\ufe15][{HIDDEN}]*[^\W\d_]"
_COLON: Final = "[:,;\uff1a\uff0c\u3001]"
_LEADING_BLANKS: Final = re.compile(f"{_BLANK}*")
_LINK: Final = re.compile(r"\[[^\[\]\n]{1,255}\]\(<?([^()<>\s]{1,500})>?\)")
_AFTER_NAME: Final = re.compile(
    r"(?:\s?[(<]https?://matrix\.to/[^\s()<>]{1,500}[)>])?"
    rf"{_BLANK}*{_COLON}?(?:{_BLANK}+|(?={_COMMAND}))"
)
_AFTER_WORD: Final = re.compile(f"{_COLON}(?:{_BLANK}+|(?={_COMMAND}))|{_BLANK}+(?={_COMMAND})")
"""What must follow the bot's localpart, which may also be an ordinary word."""
_ADDRESS: Final = re.compile(rf"[^\n!]{{1,100}}?{_COLON}{_BLANK}*(?={_COMMAND})")
"""Any name, in a message that mentions the bot. A reply to the bot mentions it without a name."""


def without_mention(text: str, content: Mapping[str, object], me: UserId) -> str:
    """The text without a mention of the bot in front; the whole text if nothing would be left."""
    start = _LEADING_BLANKS.match(text)
    begin = start.end() if start else 0
    for end in _ends(text, begin, content, me):
        rest = text[end:]
        if rest.strip():
            return rest
    return text


def _ends(text: str, begin: int, content: Mapping[str, object], me: UserId) -> Iterator[int]:
    """Where a mention at `begin` may end."""
    link = _LINK.match(text, begin)
    if link and user_in_link(link[1]) == me:
        yield from _end(_AFTER_NAME, text, link.end())
    localpart = me[1:].partition(":")[0]
    pill = leading_pill(text_in(content, "formatted_body") or "")
    shown = pill.name if pill and pill.user_id == me else ""
    for name in (me, shown, f"@{shown}", f"@[{shown}]", f"@{localpart}"):
        if name.strip("@[]") and _has_at(text, begin, name):
            yield from _end(_AFTER_NAME, text, begin + len(name))
    if _has_at(text, begin, localpart):
        yield from _end(_AFTER_WORD, text, begin + len(localpart))
    if _mentions(content, me) and relation_of(content).reply_to is None:
        yield from _end(_ADDRESS, text, begin)


def _has_at(text: str, begin: int, name: str) -> bool:
    return text[begin : begin + len(name)].casefold() == name.casefold()


def _end(pattern: re.Pattern[str], text: str, at: int) -> Iterator[int]:
    found = pattern.match(text, at)
    if found:
        yield found.end()


def _mentions(content: Mapping[str, object], me: UserId) -> bool:
    mentions = content.get("m.mentions")
    named = mentions.get("user_ids") if isinstance(mentions, dict) else None
    return isinstance(named, list) and me in named
