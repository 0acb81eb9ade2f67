"""Reads a message of the outbox as the room's timeline will show it. Pure."""

from actors.model import EventId, OutboundMessage, UserId
from actors.rules.reply_mark import REPLY_TYPE, mark_in, reply_mark
from actors.said import Said


def id_to_come(txn_id: str) -> EventId:
    """Stands for the id of the event that a transaction of the bot's own will make."""
    return EventId(f"~{txn_id}")


def said_later(message: OutboundMessage, me: UserId) -> Said:
    """A message that the bot `me` is about to send. Its event id stands for the one to come.

    A final is an edit of its anchor, which the homeserver may not have shown yet either.
    """
    shown = "m.text" if message.file is None else "m.file"
    return Said(
        event_id=id_to_come(message.txn_id),
        sender=me,
        sent_ts=0,
        msgtype="m.notice" if message.notice else shown,
        text=message.body,
        thread=message.thread,
        reply_to=message.reply_to,
        file=message.file,
        edits=None if message.edits is None else id_to_come(message.edits),
        mark=mark_in({REPLY_TYPE: reply_mark(message)}),
        forgets=message.forgets,
        tokens=message.tokens,
    )
