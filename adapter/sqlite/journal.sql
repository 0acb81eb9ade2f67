-- Every transition of every state machine. No number is used twice.
CREATE TABLE IF NOT EXISTS journal(
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL, -- RFC 3339, UTC
    boot      TEXT NOT NULL,
    machine   TEXT NOT NULL,
    src       TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    dst       TEXT NOT NULL,
    outcome   TEXT NOT NULL,
    reason    TEXT NOT NULL,
    attempt   INTEGER NOT NULL,
    dwell_ms  INTEGER NOT NULL
);
