"""Makes the content of the messages that the bot sends. Pure."""

from typing import Final

from actors.model import OutboundMessage, SharedFile, TokensUsed
from actors.rules.reply_mark import FORGET_TYPE, MENTIONS_TYPE, REPLY_TYPE, USAGE_TYPE, reply_mark

THREAD_RELATION: Final = "m.thread"
HTML_FORMAT: Final = "org.matrix.custom.html"
_FILE_TYPES: Final = {"image": "m.image", "audio": "m.audio", "video": "m.video"}
"""The type of the message for each kind of file, by the first half of the file's MIME type."""


def message_content(message: OutboundMessage) -> dict[str, object]:
    """The content of an `m.room.message`. The people that its text names are not notified."""
    content: dict[str, object] = {
        "msgtype": "m.notice" if message.notice else "m.text",
        "body": message.body,
        MENTIONS_TYPE: {},
        REPLY_TYPE: reply_mark(message),
    }
    if message.html:
        content |= {"format": HTML_FORMAT, "formatted_body": message.html}
    if message.file is not None:
        content |= _shown(message.file, message.body)
    if message.tokens is not None:
        content[USAGE_TYPE] = _usage(message.tokens)
    if message.forgets:
        content[FORGET_TYPE] = True
    if relation := _relation(message):
        content["m.relates_to"] = relation
    return content


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
