-- The programs in DATA/plugins, and how they are run (server/internal/plugins).

-- +goose Up
CREATE TABLE plugins (
    name     TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL               -- JSON
) WITHOUT ROWID;
