-- Which process leads each account, until when. An epoch is never given twice.
CREATE TABLE IF NOT EXISTS lease(
    name    TEXT COLLATE "C" PRIMARY KEY, -- the bot's user id
    epoch   BIGINT NOT NULL,
    holder  TEXT NOT NULL,
    expires TIMESTAMPTZ NOT NULL          -- by the clock of this database
);
