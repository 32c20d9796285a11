-- Manifests that were deleted here and can be restored. Such a manifest's row is in the hidden repository, under a digest
-- that begins with `~`; its references stay, and keep its blobs.
CREATE TABLE deleted (
    -- In the order of the deletions.
    id         INTEGER PRIMARY KEY,
    manifest   INTEGER NOT NULL UNIQUE REFERENCES manifest (id) ON DELETE CASCADE,
    repository INTEGER NOT NULL REFERENCES repository (id),
    digest     TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    -- 'client', 'untagged' or 'retention'.
    cause      TEXT    NOT NULL,
    UNIQUE (repository, digest)
) STRICT;
CREATE INDEX deleted_at ON deleted (at);

-- The manifests that tags of local repositories named before: a row for each time that a tag was moved or removed.
CREATE TABLE tag_history (
    -- In the order of the changes.
    id            INTEGER PRIMARY KEY,
    repository    INTEGER NOT NULL REFERENCES repository (id),
    tag           TEXT    NOT NULL,
    digest        TEXT    NOT NULL,
    -- When the tag was last set to this manifest, and when it was moved or removed.
    since         INTEGER NOT NULL,
    until         INTEGER NOT NULL,
    -- 1: the tag was removed because its manifest was deleted, and comes back with it.
    with_manifest INTEGER NOT NULL
) STRICT;
CREATE INDEX tag_history_tag ON tag_history (repository, tag, id);
CREATE INDEX tag_history_digest ON tag_history (repository, digest);
CREATE INDEX tag_history_until ON tag_history (until);
