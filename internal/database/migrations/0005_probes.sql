-- When connections were logged into without sending mail, and what came of it
-- (internal/probe).

-- +goose Up
CREATE TABLE probes (
    connection TEXT PRIMARY KEY,   -- id
    document   TEXT NOT NULL       -- JSON
) WITHOUT ROWID;
