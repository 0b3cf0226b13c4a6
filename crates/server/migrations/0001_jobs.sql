-- One installation: its secrets, its users, what they own. Times are milliseconds since 1970 (UTC); what is only read
-- as a whole is JSON.
CREATE TABLE secrets (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE users (
    id            TEXT   NOT NULL PRIMARY KEY,
    password_hash TEXT,
    created       BIGINT NOT NULL,
    record        TEXT   NOT NULL
);

CREATE TABLE jobs (
    id          TEXT   NOT NULL PRIMARY KEY,
    user_id     TEXT   NOT NULL,
    created     BIGINT NOT NULL,
    status      TEXT   NOT NULL,
    queued      BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    record      TEXT   NOT NULL
);
CREATE INDEX jobs_of_user ON jobs (user_id, created, id);
CREATE INDEX jobs_to_run ON jobs (status, queued, id);

CREATE TABLE logs (
    owner   TEXT   NOT NULL,
    attempt BIGINT NOT NULL,
    number  BIGINT NOT NULL,
    level   BIGINT NOT NULL,
    entry   TEXT   NOT NULL,
    PRIMARY KEY (owner, attempt, number)
);

CREATE TABLE processes (
    user_id TEXT   NOT NULL,
    id      TEXT   NOT NULL,
    created BIGINT NOT NULL,
    public  BIGINT NOT NULL,
    record  TEXT   NOT NULL,
    PRIMARY KEY (user_id, id)
);

CREATE TABLE services (
    id      TEXT   NOT NULL PRIMARY KEY,
    user_id TEXT   NOT NULL,
    created BIGINT NOT NULL,
    record  TEXT   NOT NULL
);
CREATE INDEX services_of_user ON services (user_id, created, id);
