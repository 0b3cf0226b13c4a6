-- What limits and retention look for in jobs: bytes of their results, and when they ended (0: they have not). Rows of
-- former versions have -1 until the server has looked at them.
ALTER TABLE jobs ADD COLUMN bytes BIGINT NOT NULL DEFAULT -1;
ALTER TABLE jobs ADD COLUMN ended BIGINT NOT NULL DEFAULT -1;
CREATE INDEX jobs_by_end ON jobs (ended, id);
