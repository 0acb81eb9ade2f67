"""Reads a message of the outbox as the room's timeline will show it. Pure."""

from actors.model import EventId, OutboundMessage, UserId
from actors.rules.reply_mark import REPLY_TYPE, mark_in, reply_mark
from actors.said import Said


def said_later(message: OutboundMessage, me: UserId) -> Said:
    """A message that the bot `me` is about to send. Its event id stands for the one to come."""
    shown = "m.text" if message.file is None else "m.file"
    return Said(
        event_id=EventId(f"~{message.txn_id}"),
        sender=me,
        sent_ts=0,
        msgtype="m.notice" if message.notice else shown,
        text=message.body,
        thread=message.thread,
        reply_to=message.reply_to,
        file=message.file,
        mark=mark_in({REPLY_TYPE: reply_mark(message)}),
        forgets=message.forgets,
        tokens=message.tokens,
    )
