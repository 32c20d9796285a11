-- Manifests with many tags whose deletion has begun: some of their tags are removed, and the manifest is still here.
CREATE TABLE withdrawal (
    manifest INTEGER PRIMARY KEY REFERENCES manifest (id) ON DELETE CASCADE,
    -- The time of the deletion, which the history of its tags has.
    at       INTEGER NOT NULL
) STRICT;
