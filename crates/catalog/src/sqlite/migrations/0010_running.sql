-- What each cluster runs, as it was told last: digests, one a line.
CREATE TABLE running (
    source  TEXT    NOT NULL PRIMARY KEY,
    digests TEXT    NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
