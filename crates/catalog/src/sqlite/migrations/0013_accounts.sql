-- The registry's own users.
CREATE TABLE user (
    name    TEXT    NOT NULL PRIMARY KEY,
    -- The hash of the password, as PHC string.
    hash    TEXT    NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Tokens of users and of robots.
CREATE TABLE secret (
    id       TEXT    NOT NULL PRIMARY KEY,
    -- Whose token it is, such as `robot:ci`.
    subject  TEXT    NOT NULL,
    -- The SHA-256 of the token's secret part.
    hash     BLOB    NOT NULL,
    note     TEXT    NOT NULL,
    created  INTEGER NOT NULL,
    -- When it ends; NULL if it does not.
    expires  INTEGER,
    last_use INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX secret_subject ON secret (subject);
