-- Referrers of one artifact type, found without a look at the others.
CREATE INDEX manifest_artifact ON manifest (repository, subject, artifact_type, digest) WHERE subject IS NOT NULL;

-- Manifests that come or go in several writes belong to this one meanwhile. No name means it, and no list has it.
INSERT INTO repository (id, name, origin) VALUES (0, '', 'none');

-- What a round of the collector took within the grace period: a push may still rely on it. By name, which outlives the
-- repository's row.
CREATE TABLE freed (
    repository TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX freed_at ON freed (at);
