"""Every statement on the outbox, and how its rows become values. Pure: runs no statement."""

from dataclasses import replace
from typing import Final, TypeAlias, assert_never

from actors.anchors import Anchor
from actors.model import Attempt, EventId, OutboundKind, OutboundMessage, RoomId
from actors.writes import (
    AdoptAnchor,
    DetachFinal,
    DropOutbox,
    MarkSent,
    MarkTried,
    OpenAnchor,
    QueueMessage,
    RedactAbandoned,
    RedactAnchors,
    RedactEnded,
    RepeatFinal,
    VoidAnchor,
)
from adapter.sql.details import details_of, with_details
from adapter.sql.values import Params, Query, Row, Statement

_DROP_OUTBOX: Final = "UPDATE outbox SET state = 'refused' WHERE room_id = ? AND state = 'unsent'"
_QUEUE: Final = (
    "INSERT INTO outbox(txn_id, room_id, body, notice, thread, reply_to, details, created_at, kind,"
    " edits) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(txn_id) DO NOTHING"
)
_OPEN_ANCHOR: Final = (
    "INSERT INTO outbox(txn_id, room_id, body, notice, thread, reply_to, details, created_at, kind,"
    " edits) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
    " WHERE EXISTS (SELECT 1 FROM inbox WHERE event_id = ? AND state = 'waiting')"
    " ON CONFLICT(txn_id) DO NOTHING"
)
# An anchor changes nothing itself: in its row, `edits` is the end that was sent already.
_ADOPT_ANCHOR: Final = (
    "INSERT INTO outbox(txn_id, room_id, body, notice, created_at, kind, state, event_id, edits)"
    " VALUES (?, ?, '', 0, ?, 'anchor', 'sent', ?, ?) ON CONFLICT(txn_id) DO UPDATE"
    " SET state = 'sent', kind = 'anchor', event_id = excluded.event_id"
    " WHERE outbox.event_id IS NULL"
)
# Without its anchor, the repetition of an end would be the same message once more. The transaction
# id of a repetition ends with a number.
_VOID_ANCHOR: Final = (
    "UPDATE outbox SET state = 'refused' WHERE event_id = ? AND kind = 'anchor' AND state = 'sent'"
    " OR state = 'unsent' AND kind = 'final' AND txn_id <> rtrim(txn_id, '0123456789')"
    " AND edits = (SELECT txn_id FROM outbox WHERE event_id = ? AND kind = 'anchor')"
    " AND EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.edits = outbox.edits"
    " AND earlier.kind = 'final' AND earlier.seq < outbox.seq)"
)
_DETACH_FINAL: Final = (
    "UPDATE outbox SET kind = 'message', edits = NULL"
    " WHERE txn_id = ? AND state = 'unsent' AND kind = 'final'"
)


def is_anchor_of(question: str) -> str:
    """The condition that a row of the outbox is an anchor of a question, given as an expression.

    The transaction id of a part is the question's event id, a dot and the number of the part. The
    first two comparisons are for the index: a slash follows the dot.
    """
    return (
        f"txn_id >= {question} || '.' AND txn_id < {question} || '/'"
        f" AND rtrim(txn_id, '0123456789') = {question} || '.' AND kind = 'anchor'"
    )


_REDACT_ANCHORS: Final = (
    "INSERT INTO outbox(txn_id, room_id, body, notice, created_at, kind, edits)"  # noqa: S608
    " SELECT txn_id || '.redact', room_id, '', 0, ?, 'redaction', txn_id FROM outbox AS anchor"
    f" WHERE {is_anchor_of('?')} AND state <> 'refused'"
    " AND NOT EXISTS (SELECT 1 FROM outbox WHERE edits = anchor.txn_id)"
    " ORDER BY seq ON CONFLICT(txn_id) DO NOTHING"
)
_REDACT_ENDED: Final = (
    "INSERT INTO outbox(txn_id, room_id, body, notice, created_at, kind, edits)"
    " SELECT anchor.txn_id || '.redact', anchor.room_id, '', 0, ?, 'redaction', anchor.txn_id"
    " FROM outbox AS final, outbox AS anchor WHERE final.event_id = ? AND final.kind = 'final'"
    " AND anchor.txn_id = final.edits AND anchor.kind = 'anchor' AND anchor.state = 'sent'"
    " AND NOT EXISTS (SELECT 1 FROM outbox AS later"
    " WHERE later.edits = final.edits AND later.seq > final.seq) ON CONFLICT(txn_id) DO NOTHING"
)
# The anchor of a lost database whose `edits` is set has ended already.
_REDACT_ABANDONED: Final = (
    "INSERT INTO outbox(txn_id, room_id, body, notice, created_at, kind, edits)"
    " SELECT txn_id || '.redact', room_id, '', 0, ?, 'redaction', txn_id FROM outbox AS anchor"
    " WHERE room_id = ? AND kind = 'anchor' AND state = 'sent' AND edits IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM outbox AS ending"
    " WHERE ending.edits = anchor.txn_id AND ending.state <> 'refused')"
    " AND NOT EXISTS (SELECT 1 FROM inbox WHERE state = 'waiting'"
    " AND event_id = rtrim(rtrim(anchor.txn_id, '0123456789'), '.'))"
    " ORDER BY seq ON CONFLICT(txn_id) DO UPDATE SET state = 'unsent'"
    " WHERE outbox.state = 'refused'"
)
_REPEAT_FINAL: Final = (
    "INSERT INTO outbox(txn_id, room_id, body, notice, thread, reply_to, details, created_at, kind,"
    " edits) SELECT CASE WHEN final.txn_id = rtrim(final.txn_id, '0123456789')"
    " THEN final.txn_id || '.2' ELSE rtrim(final.txn_id, '0123456789') || (1 +"
    " CAST(substr(final.txn_id, length(rtrim(final.txn_id, '0123456789')) + 1) AS INTEGER)) END,"
    " final.room_id, final.body, final.notice, final.thread, final.reply_to, final.details, ?,"
    " 'final', final.edits FROM outbox AS final, outbox AS anchor"
    " WHERE anchor.event_id = ? AND anchor.kind = 'anchor' AND anchor.state = 'sent'"
    " AND final.seq = (SELECT max(seq) FROM outbox WHERE edits = anchor.txn_id AND kind = 'final')"
    # A repetition that is still to be sent comes after the live edit.
    " AND (final.tried_at IS NOT NULL OR final.state <> 'unsent'"
    " OR ? = 0 AND final.txn_id = rtrim(final.txn_id, '0123456789'))"
    # A question that was given up may be asked again: its answer grows after that end.
    " AND NOT EXISTS (SELECT 1 FROM inbox WHERE state = 'waiting'"
    " AND event_id = rtrim(rtrim(anchor.txn_id, '0123456789'), '.'))"
    " ON CONFLICT(txn_id) DO NOTHING"
)
_MARK_TRIED: Final = (
    "UPDATE outbox SET tried_at = ?, tried_by = ? WHERE txn_id = ? AND tried_at IS NULL"
)
_MARK_SENT: Final = (
    "UPDATE outbox SET state = ?, event_id = ? WHERE txn_id = ? AND state = 'unsent'"
)


OutboxWrite: TypeAlias = (
    QueueMessage
    | OpenAnchor
    | AdoptAnchor
    | VoidAnchor
    | DetachFinal
    | RedactAnchors
    | RedactEnded
    | RedactAbandoned
    | RepeatFinal
    | MarkTried
    | MarkSent
    | DropOutbox
)


def outbox_statement(write: OutboxWrite, now: float) -> Statement:
    """The statement that carries out a write; `now` is in seconds since the epoch."""
    match write:
        case QueueMessage(message):
            return Statement("outbox", _QUEUE, _outbound_params(message, now))
        case MarkTried(txn_id, by):
            return Statement("outbox", _MARK_TRIED, (now, by, txn_id))
        case MarkSent(txn_id, event_id):
            state = "refused" if event_id is None else "sent"
            return Statement("outbox", _MARK_SENT, (state, event_id, txn_id))
        case DropOutbox(room_id):
            return Statement("outbox", _DROP_OUTBOX, (room_id,))
        case DetachFinal(txn_id):
            return Statement("outbox", _DETACH_FINAL, (txn_id,))
        case RedactAbandoned(room_id):
            return Statement("outbox", _REDACT_ABANDONED, (now, room_id))
        case RedactEnded(event_id):
            return Statement("outbox", _REDACT_ENDED, (now, event_id))
        case _:
            return _anchors(write, now)


def _outbound_params(message: OutboundMessage, now: float) -> Params:
    return (
        message.txn_id,
        message.room_id,
        message.body,
        message.notice,
        message.thread,
        message.reply_to,
        details_of(message),
        now,
        message.kind,
        message.edits,
    )


def _anchors(
    write: OpenAnchor | AdoptAnchor | VoidAnchor | RedactAnchors | RepeatFinal, now: float
) -> Statement:
    match write:
        case OpenAnchor(anchor, question):
            return Statement("outbox", _OPEN_ANCHOR, (*_outbound_params(anchor, now), question))
        case AdoptAnchor(room_id, anchor):
            params = (anchor.txn_id, room_id, now, anchor.event_id, anchor.ended_by)
            return Statement("outbox", _ADOPT_ANCHOR, params)
        case VoidAnchor(event_id):
            return Statement("outbox", _VOID_ANCHOR, (event_id, event_id))
        case RedactAnchors(question):
            return Statement("outbox", _REDACT_ANCHORS, (now, question, question, question))
        case RepeatFinal(event_id, only_if_tried):
            return Statement("outbox", _REPEAT_FINAL, (now, event_id, only_if_tried))
        case _:
            assert_never(write)


UNSENT_COUNTS: Final = Query(
    "SELECT room_id, count(*) FROM outbox WHERE state = 'unsent' GROUP BY room_id ORDER BY min(seq)"
)


def unsent_query(room_id: RoomId, limit: int) -> Query:
    """The query of rows for `decode_outbound`."""
    return Query(
        "SELECT txn_id, room_id, body, notice, thread, reply_to, tried_at, tried_by, details, kind,"
        " edits, (SELECT event_id FROM outbox AS anchor"
        " WHERE anchor.txn_id = message.edits AND anchor.state = 'sent')"
        " FROM outbox AS message WHERE state = 'unsent' AND room_id = ? ORDER BY seq LIMIT ?",
        (room_id, limit),
    )


def anchors_query(question: EventId) -> Query:
    """The query of rows for `decode_anchor`."""
    return Query(
        "SELECT txn_id, event_id, CASE WHEN EXISTS (SELECT 1 FROM outbox AS taken"  # noqa: S608
        " WHERE taken.edits = anchor.txn_id AND taken.kind = 'redaction')"
        " THEN 'refused' ELSE state END, edits FROM outbox AS anchor"
        f" WHERE {is_anchor_of('?')} ORDER BY seq",
        (question, question, question),
    )


def sent_query(event_id: EventId) -> Query:
    """The query of a sent message by its event."""
    return Query("SELECT 1 FROM outbox WHERE event_id = ?", (event_id,))


def decode_outbound(row: Row) -> OutboundMessage:
    """Decode a row of the outbox."""
    txn_id, room_id, body, notice, thread, reply_to, tried_at, tried_by, details, *edit = row
    tried = None if tried_at is None else Attempt(tried_at, tried_by or "")
    room_id, notice = RoomId(room_id), bool(notice)
    plain = OutboundMessage(txn_id, room_id, body, notice, thread, reply_to, tried)
    kind, edits, target = edit
    return replace(
        with_details(plain, details), kind=OutboundKind(kind), edits=edits, target=target
    )


def decode_anchor(row: Row) -> Anchor:
    """Decode a row of an anchor in the outbox."""
    txn_id, event_id, state, ended_by = row
    return Anchor(txn_id, event_id, is_void=state == "refused", ended_by=ended_by)
