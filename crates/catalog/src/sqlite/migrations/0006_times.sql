-- `manifest.pushed` is the last push alone from now on; until now a use by a client was written there too.
-- A table of its own: an update of a manifest's row writes the manifest's bytes again.
CREATE TABLE manifest_use (
    manifest INTEGER PRIMARY KEY REFERENCES manifest (id) ON DELETE CASCADE,
    -- The last push, or the last time that a client was told by HEAD that the manifest is here.
    last_use INTEGER NOT NULL,
    -- The last pull that was recorded; NULL before the first.
    pulled   INTEGER
) STRICT;
INSERT INTO manifest_use (manifest, last_use) SELECT id, pushed FROM manifest WHERE repository <> 0;

-- The last pull by this tag that was recorded; NULL before the first.
ALTER TABLE tag ADD COLUMN pulled INTEGER;
