-- Digests are TEXT in their wire form; times are milliseconds since the Unix epoch; names sort bytewise.

CREATE TABLE repository (
    id        INTEGER PRIMARY KEY,
    name      TEXT    NOT NULL UNIQUE,
    origin    TEXT    NOT NULL DEFAULT 'local',
    -- How many manifests it holds, so that a catalog page costs its length and not a probe per empty repository.
    manifests INTEGER NOT NULL DEFAULT 0 CHECK (manifests >= 0)
) STRICT;
CREATE INDEX repository_listed ON repository (name) WHERE manifests > 0;

-- A row is a file that is live: `<digest>.<generation>`. It has at least one link.
CREATE TABLE blob (
    digest     TEXT    NOT NULL PRIMARY KEY,
    size       INTEGER NOT NULL CHECK (size >= 0),
    generation TEXT    NOT NULL,
    created    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE link (
    repository INTEGER NOT NULL REFERENCES repository (id),
    digest     TEXT    NOT NULL REFERENCES blob (digest),
    last_use   INTEGER NOT NULL,
    PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_digest ON link (digest);

-- `bytes` stands last, so that reading a head never walks a large manifest's overflow pages.
CREATE TABLE manifest (
    id            INTEGER PRIMARY KEY,
    repository    INTEGER NOT NULL REFERENCES repository (id),
    digest        TEXT    NOT NULL,
    media_type    TEXT    NOT NULL,
    size          INTEGER NOT NULL CHECK (size >= 0),
    pushed        INTEGER NOT NULL,
    subject       TEXT,
    artifact_type TEXT,
    annotations   TEXT,
    bytes         BLOB    NOT NULL,
    UNIQUE (repository, digest)
) STRICT;
CREATE INDEX manifest_subject ON manifest (repository, subject, digest) WHERE subject IS NOT NULL;

-- What a manifest names, blobs and manifests alike. The key begins as the collector asks: is it named here at all?
CREATE TABLE reference (
    repository INTEGER NOT NULL,
    digest     TEXT    NOT NULL,
    manifest   INTEGER NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
    PRIMARY KEY (repository, digest, manifest)
) STRICT, WITHOUT ROWID;
CREATE INDEX reference_manifest ON reference (manifest);

CREATE TABLE tag (
    repository INTEGER NOT NULL REFERENCES repository (id),
    name       TEXT    NOT NULL,
    manifest   INTEGER NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
    updated    INTEGER NOT NULL,
    PRIMARY KEY (repository, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_manifest ON tag (manifest);

-- The repository is a name: a session that comes to nothing leaves no repository behind.
CREATE TABLE upload (
    id          TEXT    NOT NULL PRIMARY KEY,
    repository  TEXT    NOT NULL,
    algorithm   TEXT    NOT NULL,
    byte_offset INTEGER NOT NULL DEFAULT 0 CHECK (byte_offset >= 0),
    state       BLOB,
    -- The name that its file is about to get, or got before a crash.
    digest      TEXT,
    epoch       INTEGER NOT NULL DEFAULT 0,
    -- 1: its files are being removed, nobody can take it up again.
    expired     INTEGER NOT NULL DEFAULT 0,
    started     INTEGER NOT NULL,
    updated     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_updated ON upload (updated);

-- Files that no row names any more, to be removed.
CREATE TABLE doomed (
    digest     TEXT    NOT NULL,
    generation TEXT    NOT NULL,
    size       INTEGER NOT NULL CHECK (size >= 0),
    PRIMARY KEY (digest, generation)
) STRICT, WITHOUT ROWID;
