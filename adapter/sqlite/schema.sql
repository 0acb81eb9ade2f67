-- The rebuildable cache. Other programs read it: its shape is a contract.
CREATE TABLE IF NOT EXISTS kv(key TEXT PRIMARY KEY, value TEXT);

-- What the bot remembers about itself: the sync position.
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);

-- Parts of rooms' timelines that could not be fetched yet, from one sync position to another.
CREATE TABLE IF NOT EXISTS gaps(
    room_id TEXT PRIMARY KEY,
    since   TEXT NOT NULL,
    upto    TEXT NOT NULL
);

-- Messages that the homeserver told us about, in the order of their acceptance.
CREATE TABLE IF NOT EXISTS inbox(
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id    TEXT NOT NULL UNIQUE,
    state       TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'dead')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    room_id     TEXT NOT NULL,
    sender      TEXT NOT NULL,
    sent_ts     INTEGER NOT NULL, -- milliseconds since the epoch, as the sender's server says
    msgtype     TEXT NOT NULL,
    body        TEXT NOT NULL,
    is_edit     INTEGER NOT NULL,
    accepted_at REAL NOT NULL     -- seconds since the epoch
);

-- Partial, so that what is waiting is found without a walk through what is done.
CREATE INDEX IF NOT EXISTS inbox_waiting ON inbox(room_id, seq) WHERE state = 'waiting';

-- Messages to send, in the order in which they were queued.
CREATE TABLE IF NOT EXISTS outbox(
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    txn_id     TEXT NOT NULL UNIQUE,
    state      TEXT NOT NULL DEFAULT 'unsent' CHECK (state IN ('unsent', 'sent', 'refused')),
    room_id    TEXT NOT NULL,
    body       TEXT NOT NULL,
    notice     INTEGER NOT NULL,
    event_id   TEXT,              -- the server's answer, once it is sent
    created_at REAL NOT NULL      -- seconds since the epoch
);

CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox(room_id, seq) WHERE state = 'unsent';

-- Creations promised to an owner, in the order of the promise.
CREATE TABLE IF NOT EXISTS intents(
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    nonce TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    step  TEXT NOT NULL,
    body  TEXT NOT NULL           -- the whole intent as JSON
);

CREATE INDEX IF NOT EXISTS intents_open ON intents(owner, seq) WHERE step <> 'done';
