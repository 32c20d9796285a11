-- Trees of another registry whose content was taken over, so that what is deleted here later does not come back.
CREATE TABLE import (
    source   TEXT    NOT NULL PRIMARY KEY,
    finished INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
