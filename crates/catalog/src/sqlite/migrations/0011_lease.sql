-- While a lease lives, no local blob is removed.
CREATE TABLE lease (
    id      TEXT    NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))),
    purpose TEXT    NOT NULL,
    holder  TEXT    NOT NULL,
    -- When it ends, unless its holder renews it.
    until   INTEGER NOT NULL,
    -- When it ends, however often its holder renews it.
    ends    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
