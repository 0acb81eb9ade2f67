-- Every transition of every state machine, as in SQLite's `journal.sql`. No number is used twice.
CREATE TABLE IF NOT EXISTS journal(
    seq       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        TEXT COLLATE "C" NOT NULL,
    boot      TEXT NOT NULL,
    machine   TEXT NOT NULL,
    src       TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    dst       TEXT NOT NULL,
    outcome   TEXT NOT NULL,
    reason    TEXT NOT NULL,
    attempt   INTEGER NOT NULL,
    dwell_ms  BIGINT NOT NULL
);
