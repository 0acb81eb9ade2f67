-- The rebuildable cache. Other programs read it: its shape is a contract.
CREATE TABLE IF NOT EXISTS kv(key TEXT PRIMARY KEY, value TEXT);

-- The bot's own data: the sync position, the generation that the homeserver keeps as well, and what
-- says whether the rows of kv are in line with the rooms.
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);

-- A row that another program changes voids the reading of all rooms. The bot sets `whole_read` aside
-- while it writes rows itself.
CREATE TRIGGER IF NOT EXISTS kv_inserted AFTER INSERT ON kv
BEGIN DELETE FROM meta WHERE key = 'whole_read'; END;
CREATE TRIGGER IF NOT EXISTS kv_updated AFTER UPDATE ON kv
BEGIN DELETE FROM meta WHERE key = 'whole_read'; END;
CREATE TRIGGER IF NOT EXISTS kv_deleted AFTER DELETE ON kv
BEGIN DELETE FROM meta WHERE key = 'whole_read'; END;

-- Parts of room timelines that are not fetched yet, from one sync position to another.
CREATE TABLE IF NOT EXISTS gaps(
    room_id TEXT PRIMARY KEY,
    since   TEXT NOT NULL,
    upto    TEXT NOT NULL
);

-- Rooms that have changed since their rows in kv were written, each with the number of the change.
CREATE TABLE IF NOT EXISTS dirty(room_id TEXT PRIMARY KEY, change INTEGER NOT NULL);

-- Messages from the homeserver, in the order of acceptance.
CREATE TABLE IF NOT EXISTS inbox(
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id    TEXT NOT NULL UNIQUE,
    state       TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'dead')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    room_id     TEXT NOT NULL,
    sender      TEXT NOT NULL,
    sent_ts     INTEGER NOT NULL, -- milliseconds since the epoch, by the sender's server
    msgtype     TEXT NOT NULL,
    body        TEXT NOT NULL,
    is_edit     INTEGER NOT NULL,
    accepted_at REAL NOT NULL,    -- seconds since the epoch
    thread      TEXT,             -- the root of the message's thread
    reply_to    TEXT,             -- the event that the message replies to
    quoted      TEXT NOT NULL DEFAULT '', -- the text of that event, as the message quotes it
    mentions    INTEGER NOT NULL DEFAULT 0, -- whether the message mentions the bot
    file        TEXT,             -- the file of the message as JSON
    edits       TEXT              -- the message that this one edits
);

-- Partial, so that a query for waiting messages does not read finished ones.
CREATE INDEX IF NOT EXISTS inbox_waiting ON inbox(room_id, seq) WHERE state = 'waiting';

-- Messages to send, in the order of queueing.
CREATE TABLE IF NOT EXISTS outbox(
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    txn_id     TEXT NOT NULL UNIQUE,
    state      TEXT NOT NULL DEFAULT 'unsent' CHECK (state IN ('unsent', 'sent', 'refused')),
    room_id    TEXT NOT NULL,
    body       TEXT NOT NULL,
    notice     INTEGER NOT NULL,
    event_id   TEXT,              -- from the server's answer; NULL until then
    created_at REAL NOT NULL,     -- seconds since the epoch
    thread     TEXT,              -- the root of the thread to send it in
    reply_to   TEXT,              -- the event that it replies to
    tried_at   REAL,              -- seconds since the epoch of the first attempt; NULL before it
    tried_by   TEXT,              -- the session that the first attempt was made with
    details    TEXT NOT NULL DEFAULT '{}', -- what only some messages have, as JSON
    kind       TEXT NOT NULL DEFAULT 'message', -- message, anchor, final or redaction
    edits      TEXT               -- the transaction id of the anchor that it changes
);

CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox(room_id, seq) WHERE state = 'unsent';
CREATE INDEX IF NOT EXISTS outbox_edits ON outbox(edits) WHERE edits IS NOT NULL;
CREATE INDEX IF NOT EXISTS outbox_anchors ON outbox(event_id) WHERE kind = 'anchor';

-- Promises to owners, such as a room to create, in the order in which they were made.
CREATE TABLE IF NOT EXISTS intents(
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    nonce TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    step  TEXT NOT NULL,
    body  TEXT NOT NULL           -- the whole intent as JSON
);

CREATE INDEX IF NOT EXISTS intents_open ON intents(owner, seq) WHERE step <> 'done';
