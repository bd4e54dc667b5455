-- The outbox. Times are microseconds since 1970; those of what waits (due,
-- expires) are less the steps of the wall clock (package clock).

-- +goose Up

CREATE TABLE messages (
    seq          INTEGER PRIMARY KEY,
    id           BLOB NOT NULL UNIQUE,   -- UUID
    client       TEXT NOT NULL,
    key          TEXT,                   -- idempotency key
    fingerprint  BLOB,
    source       TEXT NOT NULL,
    priority     INTEGER NOT NULL,
    accepted     INTEGER NOT NULL,
    send_at      INTEGER NOT NULL,
    expires      INTEGER NOT NULL,
    message_id   TEXT NOT NULL,
    message_hash INTEGER NOT NULL,
    subject      TEXT NOT NULL,
    sender       TEXT NOT NULL,          -- of the header field From
    chain        BLOB NOT NULL,          -- JSON: hops
    info         BLOB NOT NULL,          -- JSON: what is seldom read
    flags        INTEGER NOT NULL,
    content      INTEGER NOT NULL,       -- 0 purged, 1 in contents, 2 in a file
    size         INTEGER NOT NULL,
    checksum     INTEGER NOT NULL,       -- CRC-32C
    total        INTEGER NOT NULL,       -- recipients
    open         INTEGER NOT NULL,       -- recipients that are not final
    jobs         INTEGER NOT NULL,       -- made so far: the next job's number
    done         INTEGER NOT NULL        -- 0 while open > 0
);
CREATE UNIQUE INDEX messages_key ON messages (client, key) WHERE key IS NOT NULL;
CREATE INDEX messages_client ON messages (client);
CREATE INDEX messages_hash ON messages (message_hash);

CREATE TABLE tags (
    hash    INTEGER NOT NULL,
    message INTEGER NOT NULL,
    PRIMARY KEY (hash, message)
) WITHOUT ROWID;

CREATE TABLE contents (
    message INTEGER PRIMARY KEY,
    data    BLOB NOT NULL
);

-- A recipient that is not final belongs to a job and is in the job's state.
CREATE TABLE recipients (
    message  INTEGER NOT NULL,
    position INTEGER NOT NULL,
    address  TEXT NOT NULL,
    hash     INTEGER NOT NULL,
    notify   TEXT NOT NULL,
    state    INTEGER NOT NULL,           -- 0 while it has a job
    job      INTEGER NOT NULL,           -- 0 if it is final
    hop      INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    dup      INTEGER NOT NULL,           -- possible duplicate
    last     INTEGER NOT NULL,           -- event with the last outcome
    changed  INTEGER NOT NULL,
    PRIMARY KEY (message, position)
) WITHOUT ROWID;
CREATE INDEX recipients_hash ON recipients (hash);
CREATE INDEX recipients_ended ON recipients (state, message) WHERE state > 5;

-- A job is some recipients of a message that go through one hop at one time.
-- Its id is the message's seq and, in the last 20 bits, a number.
CREATE TABLE jobs (
    id       INTEGER PRIMARY KEY,
    lane     TEXT NOT NULL,
    client   TEXT NOT NULL,
    priority INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    due      INTEGER NOT NULL,
    expires  INTEGER NOT NULL,
    hop      INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,           -- attempts so far
    crashes  INTEGER NOT NULL,
    dup      INTEGER NOT NULL,
    blame    INTEGER NOT NULL,           -- of the last outcome
    epoch    INTEGER NOT NULL,           -- run that claimed it
    count    INTEGER NOT NULL,           -- claims so far
    size     INTEGER NOT NULL,
    n        INTEGER NOT NULL,           -- recipients
    reason   TEXT NOT NULL               -- for HELD
);
CREATE INDEX jobs_ready ON jobs (lane, priority, client, due) WHERE state IN (1, 3);
CREATE INDEX jobs_expires ON jobs (expires) WHERE state IN (1, 3);
CREATE INDEX jobs_later ON jobs (state) WHERE state IN (3, 4);
CREATE INDEX jobs_blamed ON jobs (lane, blame, due) WHERE state = 3;

-- An event is also the record of an attempt, if it began.
CREATE TABLE events (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    time      INTEGER NOT NULL,
    type      INTEGER NOT NULL,
    message   INTEGER NOT NULL,
    recipient INTEGER NOT NULL,          -- -1 for all
    lane      TEXT NOT NULL,
    attempt   INTEGER NOT NULL,
    dup       INTEGER NOT NULL,
    next      INTEGER NOT NULL,
    began     INTEGER NOT NULL,          -- 0 if there was no attempt
    took      INTEGER NOT NULL,
    class     INTEGER NOT NULL,          -- with blame, phase and inferred, a byte each
    code      INTEGER NOT NULL,
    enhanced  TEXT NOT NULL,
    reply     TEXT NOT NULL,
    retry     INTEGER NOT NULL,
    reason    TEXT NOT NULL
);
CREATE INDEX events_message ON events (message);

CREATE TABLE pauses (
    lane    TEXT PRIMARY KEY,
    until   INTEGER NOT NULL,
    since   INTEGER NOT NULL,
    strikes INTEGER NOT NULL,
    outcome BLOB NOT NULL                -- JSON
) WITHOUT ROWID;

CREATE TABLE rates (
    lane   TEXT NOT NULL,
    client TEXT NOT NULL,
    per    INTEGER NOT NULL,
    opened INTEGER NOT NULL,             -- when the window began
    used   INTEGER NOT NULL,
    PRIMARY KEY (lane, client, per)
) WITHOUT ROWID;

-- Sums that would otherwise cost a scan, kept in the transactions that change
-- what they count.
CREATE TABLE counters (
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    a    INTEGER NOT NULL,
    b    INTEGER NOT NULL,
    c    INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
