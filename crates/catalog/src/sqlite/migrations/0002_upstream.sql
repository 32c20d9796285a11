-- Sessions by which the registry itself fetches a blob; whoever wants the blob again goes on with the one there is.
ALTER TABLE upload ADD COLUMN fetch INTEGER NOT NULL DEFAULT 0;
CREATE INDEX upload_fetch ON upload (repository, digest) WHERE fetch = 1;
