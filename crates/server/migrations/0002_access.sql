-- Clients that ask for tokens on behalf of a user, and what the built-in issuer has granted. Names of grants are hashes
-- of the secrets that are handed out.
CREATE TABLE clients (
    id          TEXT   NOT NULL PRIMARY KEY,
    user_id     TEXT   NOT NULL,
    secret_hash TEXT   NOT NULL,
    created     BIGINT NOT NULL
);
CREATE INDEX clients_of_user ON clients (user_id, id);

CREATE TABLE grants (
    id      TEXT   NOT NULL PRIMARY KEY,
    family  TEXT   NOT NULL,
    expires BIGINT NOT NULL,
    version BIGINT NOT NULL,
    record  TEXT   NOT NULL
);
CREATE INDEX grants_of_family ON grants (family);
CREATE INDEX grants_by_end ON grants (expires);
