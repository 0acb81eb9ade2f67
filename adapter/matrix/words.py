"""Reads what a person says in a message: the text, and the text that it replies to. Pure.

What a client adds to the text is taken out: the quote of a reply, and the bot's name in front.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from actors.model import RoomId, UserId
from adapter.matrix.events import text_in
from adapter.matrix.files import FILE_TYPES
from adapter.matrix.markup import begins_with_reply, plain_text
from adapter.matrix.mention import without_mention
from adapter.matrix.relations import relation_of

_SENDER: Final = re.compile(r"\A(?:\* )?<[^<>\n]{1,255}> ?")
_QUOTED_SENDER: Final = re.compile(r"> (?:\* )?<[^<>\n]{1,255}>")


class Words(NamedTuple):
    """The text that a person wrote, and the text that it replies to, if the message quotes it."""

    text: str
    quoted: str = ""


def words_of(content: Mapping[str, object], me: UserId) -> Words:
    """The words in the content of a message to the bot `me`."""
    words = plain_words(content)
    return words._replace(text=without_mention(words.text, content, me))


def plain_words(content: Mapping[str, object]) -> Words:
    """The words in the content of any message. A file without a caption has none."""
    body, formatted = written_in(content), text_in(content, "formatted_body") or ""
    relation, words = relation_of(content), Words(body)
    if relation.has_fallback:
        words = _without_quote(body, formatted, is_reply=relation.reply_to is not None)
    if not words.text.strip():
        words = words._replace(text=plain_text(formatted))
    return words


def text_of_event(event: Mapping[str, object], room_id: RoomId) -> str:
    """The present text of a message in this room, with its edits; empty for any other event."""
    if event.get("type") != "m.room.message" or event.get("room_id", room_id) != room_id:
        return ""
    content = _within(event, "content")
    edit = _within(event, "unsigned", "m.relations", "m.replace", "content", "m.new_content")
    relation = content.get("m.relates_to")
    return plain_words({**(edit or content), "m.relates_to": relation}).text.strip()


def is_captioned(content: Mapping[str, object]) -> bool:
    """Whether the content is a file with a caption."""
    return _is_file(content) and bool(plain_words(content).text.strip())


def _within(outer: Mapping[str, object], *keys: str) -> Mapping[str, object]:
    """The object under these keys, one inside the other; empty if there is none."""
    for key in keys:
        inner = outer.get(key)
        outer = inner if isinstance(inner, dict) else {}
    return outer


def _is_file(content: Mapping[str, object]) -> bool:
    """Whether `body` is the caption of a file, or else the name of the file."""
    return text_in(content, "msgtype") in FILE_TYPES


def written_in(content: Mapping[str, object]) -> str:
    """The body; for a file its caption."""
    body = text_in(content, "body") or ""
    if _is_file(content):
        return body if text_in(content, "filename") not in {None, body} else ""
    return body


def _without_quote(body: str, formatted: str, *, is_reply: bool) -> Words:
    """Split a message into the quote that a client put in front, and the text behind it.

    The quote names its sender, or is marked in the HTML. Without HTML, all quoted lines in front of
    a reply are the quote; otherwise such lines are the person's own.
    """
    words = _split(body)
    is_marked = _QUOTED_SENDER.match(body) or begins_with_reply(formatted)
    if not is_marked and (formatted or not is_reply or not words.text.strip()):
        return Words(body)
    if _QUOTED_SENDER.match(words.quoted):
        return words._replace(quoted=_split(words.quoted).text.strip())
    return words


def _split(body: str) -> Words:
    """The lines at the beginning that are marked as quoted, and the rest."""
    lines = body.split("\n")
    count = next((n for n, line in enumerate(lines) if not _is_quoted(line)), len(lines))
    rest = lines[count:]
    is_apart = bool(count and rest and not rest[0].strip())
    quoted = "\n".join(_unquoted(line) for line in lines[:count])
    return Words("\n".join(rest[is_apart:]), _SENDER.sub("", quoted, count=1).strip())


def _is_quoted(line: str) -> bool:
    return line.startswith(("> ", ">>")) or line.strip() == ">"


def _unquoted(line: str) -> str:
    return line[1:].removeprefix(" ").rstrip("\r")
