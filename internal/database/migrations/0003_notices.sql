-- What senders have to be told by mail (internal/outbox, Notice).

-- +goose Up
CREATE TABLE notices (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    type    INTEGER NOT NULL,            -- 1 failed, 2 delayed, 3 refused
    message INTEGER NOT NULL,            -- seq; 0 for what was refused
    due     INTEGER NOT NULL,            -- less the steps of the clock
    created INTEGER NOT NULL,
    key     TEXT,                        -- of what was refused
    hold    TEXT NOT NULL,               -- why what it becomes is held
    data    BLOB NOT NULL                -- JSON, by type
);
CREATE INDEX notices_due ON notices (due);
CREATE INDEX notices_message ON notices (message);
CREATE UNIQUE INDEX notices_key ON notices (key) WHERE key IS NOT NULL;
