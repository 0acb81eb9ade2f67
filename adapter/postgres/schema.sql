-- The tables of SQLite's `schema.sql`, as PostgreSQL has them. The columns mean the same.
-- Ids compare as bytes, whatever language the database is set to.

CREATE TABLE IF NOT EXISTS kv(key TEXT COLLATE "C" PRIMARY KEY, value TEXT);

CREATE TABLE IF NOT EXISTS meta(key TEXT COLLATE "C" PRIMARY KEY, value TEXT NOT NULL);

-- A row that another program changes voids the reading of all rooms. The bot sets `whole_read` aside
-- while it writes rows itself. The search path may be that of the other program.
CREATE OR REPLACE FUNCTION surfaces_row_changed() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DELETE FROM %I.meta WHERE key = ''whole_read''', TG_TABLE_SCHEMA);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER kv_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON kv
FOR EACH STATEMENT EXECUTE FUNCTION surfaces_row_changed();

CREATE TABLE IF NOT EXISTS dirty(room_id TEXT COLLATE "C" PRIMARY KEY, change BIGINT NOT NULL);

CREATE TABLE IF NOT EXISTS gaps(
    room_id TEXT COLLATE "C" PRIMARY KEY,
    since   TEXT NOT NULL,
    upto    TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS inbox(
    seq         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id    TEXT COLLATE "C" NOT NULL UNIQUE,
    state       TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'dead')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    room_id     TEXT COLLATE "C" NOT NULL,
    sender      TEXT NOT NULL,
    sent_ts     BIGINT NOT NULL,
    msgtype     TEXT NOT NULL,
    body        TEXT NOT NULL,
    is_edit     INTEGER NOT NULL,
    accepted_at DOUBLE PRECISION NOT NULL,
    thread      TEXT,
    reply_to    TEXT,
    quoted      TEXT NOT NULL DEFAULT '',
    mentions    INTEGER NOT NULL DEFAULT 0,
    file        TEXT,
    edits       TEXT
);

CREATE INDEX IF NOT EXISTS inbox_waiting ON inbox(room_id, seq) WHERE state = 'waiting';

CREATE TABLE IF NOT EXISTS outbox(
    seq        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    txn_id     TEXT COLLATE "C" NOT NULL UNIQUE,
    state      TEXT NOT NULL DEFAULT 'unsent' CHECK (state IN ('unsent', 'sent', 'refused')),
    room_id    TEXT COLLATE "C" NOT NULL,
    body       TEXT NOT NULL,
    notice     INTEGER NOT NULL,
    event_id   TEXT COLLATE "C",
    created_at DOUBLE PRECISION NOT NULL,
    thread     TEXT,
    reply_to   TEXT,
    tried_at   DOUBLE PRECISION,
    tried_by   TEXT,
    details    TEXT NOT NULL DEFAULT '{}',
    kind       TEXT NOT NULL DEFAULT 'message',
    edits      TEXT COLLATE "C"
);

CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox(room_id, seq) WHERE state = 'unsent';
CREATE INDEX IF NOT EXISTS outbox_edits ON outbox(edits) WHERE edits IS NOT NULL;
CREATE INDEX IF NOT EXISTS outbox_anchors ON outbox(event_id) WHERE kind = 'anchor';

CREATE TABLE IF NOT EXISTS intents(
    seq   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    nonce TEXT COLLATE "C" NOT NULL UNIQUE,
    owner TEXT COLLATE "C" NOT NULL,
    step  TEXT NOT NULL,
    body  TEXT NOT NULL
);

CREATE INDEX IF NOT EXISTS intents_open ON intents(owner, seq) WHERE step <> 'done';

-- The connection that writes now, and how much it has committed. A transaction of an earlier one may
-- still be on its way when a lost connection was replaced: it must not arrive late. And behind a pool,
-- a server can lose its newest commits without a lost connection.
CREATE TABLE IF NOT EXISTS writer(
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    number  BIGINT NOT NULL,
    commits BIGINT NOT NULL
);

CREATE OR REPLACE FUNCTION surfaces_claim() RETURNS BIGINT
LANGUAGE SQL AS $$
    INSERT INTO writer(id, number, commits) VALUES (1, 1, 0)
        ON CONFLICT(id) DO UPDATE SET number = writer.number + 1, commits = 0 RETURNING number
$$;

-- Begins a transaction of the connection with this number, which has committed so often. What waits
-- for a lock for too long, or is not gone on with, fails. Only a `synced` transaction waits for the
-- disk.
CREATE OR REPLACE FUNCTION surfaces_open(
    own BIGINT, committed BIGINT, timeout_ms BIGINT, idle_ms BIGINT, synced BIGINT
) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', timeout_ms::text, true),
        set_config('idle_in_transaction_session_timeout', idle_ms::text, true);
    IF synced = 0 THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    UPDATE writer SET commits = commits + 1 WHERE number = own AND commits = committed;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another connection writes now, or the newest commits are lost'
            USING ERRCODE = 'SB002';
    END IF;
END
$$;

-- The room that a row of `kv` names; NULL if its value is no JSON object. Other programs may write
-- values.
CREATE OR REPLACE FUNCTION surfaces_named_room(value TEXT) RETURNS TEXT
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN value::json ->> 'surface_ref';
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;

-- Fails unless this epoch still leads. The lock keeps a takeover from committing before the caller's
-- transaction has ended; FOR KEY SHARE would not.
CREATE OR REPLACE FUNCTION surfaces_fence(leader TEXT, led BIGINT) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM lease WHERE name = leader AND epoch = led FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another process leads: epoch % has ended', led USING ERRCODE = 'SB001';
    END IF;
END
$$;

-- Fails if a statement that has to change rows has changed none.
CREATE OR REPLACE FUNCTION surfaces_expect(changed BIGINT) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    IF changed = 0 THEN
        RAISE EXCEPTION 'what a write rests on has changed' USING ERRCODE = 'SB003';
    END IF;
END
$$;
