-- What users have spent, in millionths of a credit. A row changes in one transaction with the job that it is spent on.
CREATE TABLE accounts (
    user_id TEXT   NOT NULL PRIMARY KEY,
    spent   BIGINT NOT NULL
);
