-- What changed and is not durable in the journal yet: what kind of thing, its repository, and its digest or name. Triggers
-- of the writer's connection fill it (`sqlite/journal.rs`). The newest row stays, so that numbers only grow.
CREATE TABLE journal (
    seq        INTEGER PRIMARY KEY,
    kind       INTEGER NOT NULL,
    repository TEXT    NOT NULL,
    name       TEXT    NOT NULL
) STRICT;
