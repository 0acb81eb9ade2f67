"""Makes the content of the messages that the bot sends. Pure."""

from typing import Final

from actors.model import EventId, OutboundKind, OutboundMessage, SharedFile, TokensUsed
from actors.rules.reply_mark import (
    FORGET_TYPE,
    GROWING,
    MENTIONS_TYPE,
    REPLY_TYPE,
    USAGE_TYPE,
    reply_mark,
)

THREAD_RELATION: Final = "m.thread"
EDIT_RELATION: Final = "m.replace"
NEW_CONTENT: Final = "m.new_content"
"""The key of what an edited message says from now on."""
LIVE_TYPE: Final = "org.matrix.msc4357.live"
"""The key that tells clients that a message still grows."""
HTML_FORMAT: Final = "org.matrix.custom.html"
_FILE_TYPES: Final = {"image": "m.image", "audio": "m.audio", "video": "m.video"}
"""The type of the message for each kind of file, by the first half of the file's MIME type."""
_EDITS: Final = (OutboundKind.LIVE, OutboundKind.FINAL)
_OUTSIDE: Final[tuple[str, ...]] = ("msgtype", MENTIONS_TYPE, REPLY_TYPE, LIVE_TYPE)
"""The keys that an edit has outside of the new content as well."""
_BEGINNING_CHARS: Final = 100
"""The length of the text that an edit shows in clients without edits."""


def message_content(message: OutboundMessage) -> dict[str, object]:
    """The content of an `m.room.message`. The people that its text names are not notified.

    A live edit and a final are edits of their target. A final without a target is a message of its
    own.
    """
    content = _said_in(message)
    if message.target is not None and message.kind in _EDITS:
        return _edit_of(message.target, content)
    if relation := _relation(message):
        content["m.relates_to"] = relation
    return content


def _said_in(message: OutboundMessage) -> dict[str, object]:
    """What a message says, without its relation to other events."""
    content: dict[str, object] = {
        "msgtype": "m.notice" if message.notice else "m.text",
        "body": message.body,
        MENTIONS_TYPE: {},
        REPLY_TYPE: reply_mark(message),
    }
    if message.kind in GROWING:
        content[LIVE_TYPE] = {}
    if message.html:
        content |= {"format": HTML_FORMAT, "formatted_body": message.html}
    if message.file is not None:
        content |= _shown(message.file, message.body)
    if message.tokens is not None:
        content[USAGE_TYPE] = _usage(message.tokens)
    if message.forgets:
        content[FORGET_TYPE] = True
    return content


def _edit_of(target: EventId, content: dict[str, object]) -> dict[str, object]:
    """An edit that gives its target this content.

    The target keeps its own relation. What stands outside of the new content is for clients without
    edits: only the beginning of the text, because an event must not be larger than 64 KiB.
    """
    outside: dict[str, object] = {key: content[key] for key in _OUTSIDE if key in content}
    body = str(content["body"])
    begun = body if len(body) <= _BEGINNING_CHARS else f"{body[:_BEGINNING_CHARS].rstrip()} …"
    return {
        **outside,
        "body": f"* {begun}",
        NEW_CONTENT: content,
        "m.relates_to": {"rel_type": EDIT_RELATION, "event_id": target},
    }


def _shown(file: SharedFile, caption: str) -> dict[str, object]:
    """What a message says about a file. A body that is not the file's name is its caption."""
    size = {"size": file.size} if file.size else {}
    return {
        "msgtype": _FILE_TYPES.get(file.mime_type.partition("/")[0], "m.file"),
        "body": caption or file.name,
        "filename": file.name,
        "url": file.mxc,
        "info": {"mimetype": file.mime_type, **size},
    }


def _usage(tokens: TokensUsed) -> dict[str, object]:
    return {
        "model": tokens.model,
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.completion,
    }


def _relation(message: OutboundMessage) -> dict[str, object]:
    """The relation to a thread or to another message; empty for a message without one.

    A client without threads shows a message in a thread as a reply, so the relation names an event
    for that as well.
    """
    named = message.reply_to or message.thread
    reply: dict[str, object] = {"m.in_reply_to": {"event_id": named}} if named else {}
    if message.thread is None:
        return reply
    thread = {"rel_type": THREAD_RELATION, "event_id": message.thread, "is_falling_back": True}
    return {**thread, **reply}
