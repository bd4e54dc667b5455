-- Who may use the daemon, and their ways out. internal/registry holds all of
-- it in memory; the documents are JSON, secrets within them are encrypted.

-- +goose Up
CREATE TABLE registry_meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE clients (
    id       TEXT NOT NULL PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE connections (
    id       TEXT NOT NULL PRIMARY KEY,
    client   TEXT NOT NULL REFERENCES clients (id),
    name     TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (client, name)
) WITHOUT ROWID;

CREATE TABLE routes (
    client   TEXT NOT NULL PRIMARY KEY REFERENCES clients (id),
    document TEXT NOT NULL
) WITHOUT ROWID;
