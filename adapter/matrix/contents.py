"""Makes the content of the messages that the bot sends. Pure."""

from typing import Final

from actors.model import OutboundMessage
from actors.rules.reply_mark import REPLY_TYPE, reply_mark

THREAD_RELATION: Final = "m.thread"


def message_content(message: OutboundMessage) -> dict[str, object]:
    """The content of an `m.room.message`."""
    content: dict[str, object] = {
        "msgtype": "m.notice" if message.notice else "m.text",
        "body": message.body,
        REPLY_TYPE: reply_mark(message),
    }
    if relation := _relation(message):
        content["m.relates_to"] = relation
    return content


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
