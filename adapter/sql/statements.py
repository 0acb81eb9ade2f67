"""Every statement on the store's tables, and how rows become values. Pure: runs no statement.

Those on the outbox alone are in `outbox_statements.py`.
"""

from collections.abc import Collection
from typing import Final, assert_never

import msgspec

from actors.model import EventId, InboundMessage, Intent, RoomId, StoredGeneration, UserId
from actors.ports import Waiting
from actors.writes import (
    AcceptMessage,
    AdoptAnchor,
    ClearDirty,
    CloseGap,
    CountAttempt,
    DeleteRow,
    DetachFinal,
    DropInbox,
    DropMessage,
    DropOutbox,
    FinishMessage,
    ForgetMessage,
    JsonObject,
    KeepGeneration,
    MarkDirty,
    MarkSent,
    MarkTried,
    NoteWholeRead,
    OpenAnchor,
    OpenGap,
    PutIntent,
    PutRow,
    QueueMessage,
    RedactAbandoned,
    RedactAnchors,
    RedactEnded,
    RepeatFinal,
    RetryMessage,
    SavePosition,
    ShortenGap,
    VoidAnchor,
    VoidQueue,
    Write,
)
from adapter.sql.details import decoded_file, encoded_file
from adapter.sql.outbox_statements import is_anchor_of, outbox_statement
from adapter.sql.trust_statements import trust_statement
from adapter.sql.values import Params, Query, Row, Statement


def statement_for(write: Write, *, now: float) -> Statement:
    """The statement that carries out a write; `now` is in seconds since the epoch."""
    match write:
        case PutRow() | DeleteRow():
            return _kv(write)
        case (
            AcceptMessage()
            | FinishMessage()
            | DropMessage()
            | ForgetMessage()
            | CountAttempt()
            | RetryMessage()
            | DropInbox()
        ):
            return _inbox(write, now)
        case QueueMessage() | DetachFinal() | MarkTried() | MarkSent() | DropOutbox():
            return outbox_statement(write, now)
        case (
            OpenAnchor()
            | AdoptAnchor()
            | VoidAnchor()
            | RedactAnchors()
            | RedactEnded()
            | RedactAbandoned()
            | RepeatFinal()
        ):
            return outbox_statement(write, now)
        case PutIntent():
            return _intent(write)
        case SavePosition(next_batch, None):
            return Statement("meta", _SAVE, ("position", next_batch))
        case SavePosition(next_batch, after):
            return Statement("meta", _MOVE_POSITION, (next_batch, after), hits=True)
        case KeepGeneration(generation):
            return Statement("meta", _SAVE, ("generation", _json(generation)), synced=True)
        case VoidQueue(queue):
            return Statement(queue, _VOID[queue], ())
        case OpenGap() | ShortenGap() | CloseGap():
            return _gap(write)
        case MarkDirty() | ClearDirty() | NoteWholeRead():
            return trust_statement(write)
        case _:
            assert_never(write)


def keep_session(session: str) -> Statement:
    """The statement that keeps the session of the bot's account."""
    return Statement("meta", _SAVE, ("session", session), synced=True)


_PUT_ROW: Final = (
    "INSERT INTO kv(key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value"
)
_DELETE_ROW: Final = "DELETE FROM kv WHERE key = ?"
# Other programs may have written the value, and json_extract fails on invalid JSON.
NAMED_ROOM: Final = "CASE WHEN json_valid(value) THEN json_extract(value, '$.surface_ref') END"
"""The expression of the room that a row of `kv` names, in SQLite's words."""
_DELETE_ROW_OF: Final = f"DELETE FROM kv WHERE key = ? AND {NAMED_ROOM} = ?"  # noqa: S608
_SAVE: Final = (
    "INSERT INTO meta(key, value) VALUES (?, ?)"
    " ON CONFLICT(key) DO UPDATE SET value = excluded.value"
)
_MOVE_POSITION: Final = "UPDATE meta SET value = ? WHERE key = 'position' AND value = ?"
_VOID: Final = {
    "inbox": "UPDATE inbox SET state = 'done' WHERE state = 'waiting'",
    # The answer to a question that is asked again has the same transaction ids.
    "outbox": "DELETE FROM outbox WHERE state = 'unsent'",
    "intents": "UPDATE intents SET step = 'done' WHERE step <> 'done'",
    "gaps": "DELETE FROM gaps",
}
_OPEN_GAP: Final = (
    "INSERT INTO gaps(room_id, since, upto) VALUES (?, ?, ?)"
    " ON CONFLICT(room_id) DO UPDATE SET upto = excluded.upto"
)
_SHORTEN_GAP: Final = "UPDATE gaps SET since = ? WHERE room_id = ?"
_CLOSE_GAP: Final = "DELETE FROM gaps WHERE room_id = ? AND upto = coalesce(?, upto)"
_ACCEPT: Final = (
    "INSERT INTO inbox(event_id, room_id, sender, sent_ts, msgtype, body, is_edit, thread,"
    " reply_to, quoted, mentions, file, edits, accepted_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(event_id) DO NOTHING"
)
_ACCEPT_AGAIN: Final = (
    _ACCEPT.removesuffix("NOTHING")
    + "UPDATE SET state = 'waiting', attempts = 0 WHERE inbox.state = 'done'"
)
_FINISH: Final = "UPDATE inbox SET state = ? WHERE event_id = ? AND state = 'waiting'"
_FORGET: Final = "DELETE FROM inbox WHERE event_id = ? AND state = 'done'"
_COUNT_ATTEMPT: Final = "UPDATE inbox SET attempts = attempts + 1 WHERE event_id = ?"
_RETRY: Final = (
    "UPDATE inbox SET state = 'waiting', attempts = 0 WHERE event_id = ? AND state = 'dead'"
)
_DROP_INBOX: Final = "UPDATE inbox SET state = 'done' WHERE room_id = ? AND state = 'waiting'"

_PUT_INTENT: Final = (
    "INSERT INTO intents(nonce, owner, step, body) VALUES (?, ?, ?, ?)"
    " ON CONFLICT(nonce) DO UPDATE"
    " SET owner = excluded.owner, step = excluded.step, body = excluded.body"
)
_PUT_NEW_INTENT: Final = (
    "INSERT INTO intents(nonce, owner, step, body) VALUES (?, ?, ?, ?)"
    " ON CONFLICT(nonce) DO NOTHING"
)


def _kv(write: PutRow | DeleteRow) -> Statement:
    match write:
        case PutRow(key, value):
            return Statement("kv", _PUT_ROW, (key, _json(value)))
        case DeleteRow(key, None):
            return Statement("kv", _DELETE_ROW, (key,))
        case DeleteRow(key, surface_ref):
            return Statement("kv", _DELETE_ROW_OF, (key, surface_ref))
        case _:
            assert_never(write)


def _inbox(
    write: AcceptMessage
    | FinishMessage
    | DropMessage
    | ForgetMessage
    | CountAttempt
    | RetryMessage
    | DropInbox,
    now: float,
) -> Statement:
    match write:
        case AcceptMessage(message, again):
            sql = _ACCEPT_AGAIN if again else _ACCEPT
            return Statement("inbox", sql, _inbound_params(message, now))
        case FinishMessage(event_id, dead):
            params = ("dead" if dead else "done", event_id)
            return Statement("inbox", _FINISH, params, hits=True)
        case DropMessage(event_id):
            return Statement("inbox", _FINISH, ("done", event_id))
        case ForgetMessage(event_id):
            return Statement("inbox", _FORGET, (event_id,))
        case CountAttempt(event_id):
            return Statement("inbox", _COUNT_ATTEMPT, (event_id,))
        case RetryMessage(event_id):
            return Statement("inbox", _RETRY, (event_id,))
        case DropInbox(room_id):
            return Statement("inbox", _DROP_INBOX, (room_id,))
        case _:
            assert_never(write)


def _inbound_params(message: InboundMessage, now: float) -> Params:
    return (
        message.event_id,
        message.room_id,
        message.sender,
        message.sent_ts,
        message.msgtype,
        message.body,
        message.is_edit,
        message.thread,
        message.reply_to,
        message.quoted,
        message.mentions_bot,
        encoded_file(message.file),
        message.edits,
        now,
    )


def _intent(write: PutIntent) -> Statement:
    intent = write.intent
    sql = _PUT_NEW_INTENT if write.only_if_new else _PUT_INTENT
    params = (intent.nonce, intent.owner, intent.step, _json(intent))
    return Statement("intents", sql, params, synced=True)


def _gap(write: OpenGap | ShortenGap | CloseGap) -> Statement:
    match write:
        case OpenGap(room_id, since, upto):
            return Statement("gaps", _OPEN_GAP, (room_id, since, upto))
        case ShortenGap(room_id, since):
            return Statement("gaps", _SHORTEN_GAP, (since, room_id))
        case CloseGap(room_id, upto):
            return Statement("gaps", _CLOSE_GAP, (room_id, upto))
        case _:
            assert_never(write)


def _json(value: JsonObject | Intent | StoredGeneration) -> str:
    return msgspec.json.encode(value).decode()


GAPS: Final = Query("SELECT room_id, since, upto FROM gaps ORDER BY room_id")
SESSION: Final = Query("SELECT value FROM meta WHERE key = 'session'")
GENERATION: Final = Query("SELECT value FROM meta WHERE key = 'generation'")
NEWEST_EVENT: Final = Query(
    "SELECT room_id, event_id FROM ("
    "SELECT * FROM (SELECT room_id, event_id, accepted_at AS at FROM inbox"
    " ORDER BY seq DESC LIMIT 1) AS accepted"
    " UNION ALL SELECT * FROM (SELECT room_id, event_id, created_at AS at FROM outbox"
    " WHERE state = 'sent' AND event_id <> '' ORDER BY seq DESC LIMIT 1) AS sent"
    ") AS newest ORDER BY at DESC LIMIT 1"
)
POSITION: Final = Query("SELECT value FROM meta WHERE key = 'position'")
WAITING_COUNTS: Final = Query(
    "SELECT room_id, count(*) FROM inbox WHERE state = 'waiting' GROUP BY room_id ORDER BY min(seq)"
)
INTENT_OWNERS: Final = Query(
    "SELECT owner FROM intents WHERE step <> 'done' GROUP BY owner ORDER BY min(seq)"
)


_FIRST_SURROGATE: Final = 0xD800
_AFTER_SURROGATES: Final = 0xE000
"""UTF-8 has no character between the two."""
RAW_VALUE: Final = "CAST(value AS BLOB)"
"""The expression of a value of `kv`, in SQLite's words: text that is not UTF-8 comes unchanged."""


def row_query(key: str) -> Query:
    """The query of one value of `kv`, for `decode_json`."""
    return Query(f"SELECT {RAW_VALUE} FROM kv WHERE key = ?", (key,))  # noqa: S608


def rows_query(prefix: str) -> Query:
    """The query of keys with a prefix, and of their values for `decode_json`."""
    return _with_prefix(f"key, {RAW_VALUE}", prefix)


def keys_query(prefix: str) -> Query:
    """The query of keys with a prefix."""
    return _with_prefix("key", prefix)


def _with_prefix(columns: str, prefix: str) -> Query:
    end = after_prefix(prefix)
    if end is None:
        return Query(f"SELECT {columns} FROM kv WHERE key >= ? ORDER BY key", (prefix,))  # noqa: S608
    sql = f"SELECT {columns} FROM kv WHERE key >= ? AND key < ? ORDER BY key"  # noqa: S608
    return Query(sql, (prefix, end))


def after_prefix(prefix: str) -> str | None:
    """The first text after all that begin with a prefix; None if no text comes after them.

    Databases compare keys as UTF-8, which has the order of the code points.
    """
    head = prefix.rstrip("\U0010ffff")
    if not head:
        return None
    following = ord(head[-1]) + 1
    return head[:-1] + chr(_AFTER_SURROGATES if following == _FIRST_SURROGATE else following)


def waiting_query(room_id: RoomId, limit: int) -> Query:
    """The query of rows for `decode_waiting`."""
    return Query(
        "SELECT event_id, room_id, sender, sent_ts, msgtype, body, is_edit,"  # noqa: S608
        " thread, reply_to, quoted, mentions, file, edits, attempts, accepted_at,"
        f" EXISTS (SELECT 1 FROM outbox WHERE {is_anchor_of('inbox.event_id')}) FROM inbox"
        " WHERE state = 'waiting' AND room_id = ? ORDER BY seq LIMIT ?",
        (room_id, limit),
    )


def known_query(event_ids: Collection[EventId]) -> Query:
    """The query of those of some event ids that the inbox has."""
    marks = ", ".join("?" * len(event_ids))
    return Query(f"SELECT event_id FROM inbox WHERE event_id IN ({marks})", tuple(event_ids))  # noqa: S608


def open_intents_query(owner: UserId) -> Query:
    """The query of rows for `decode_intent`."""
    return Query(
        "SELECT body FROM intents WHERE step <> 'done' AND owner = ? ORDER BY seq", (owner,)
    )


def decode_json(value: bytes | str | None) -> JsonObject | None:
    """Decode a value of `kv`. None if it is not a JSON object: other programs may write values."""
    try:
        decoded = msgspec.json.decode(value or b"null")
    except (ValueError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None


def decode_waiting(row: Row) -> Waiting:
    """Decode a row of the inbox."""
    event_id, room_id, sender, sent_ts, msgtype, body, is_edit, *related = row
    thread, reply_to, quoted, mentions, file, edits, attempts, accepted_at, has_anchors = related
    message = InboundMessage(
        event_id=EventId(event_id),
        room_id=RoomId(room_id),
        sender=UserId(sender),
        sent_ts=sent_ts,
        msgtype=msgtype,
        body=body,
        is_edit=bool(is_edit),
        thread=thread,
        reply_to=reply_to,
        quoted=quoted,
        mentions_bot=bool(mentions),
        file=decoded_file(file),
        edits=edits,
    )
    return Waiting(message, attempts, bool(has_anchors), accepted_at)


def decode_intent(row: Row) -> Intent | None:
    """Decode a row of the intents. None if another version wrote it in an unknown format."""
    try:
        return msgspec.json.decode(row[0], type=Intent)
    except ValueError:
        return None


def decode_generation(value: str) -> StoredGeneration | None:
    """Decode the stored generation. None if another version wrote it in an unknown format."""
    try:
        return msgspec.json.decode(value, type=StoredGeneration)
    except ValueError:
        return None
