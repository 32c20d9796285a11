//! The changes by which a schedule runs without a second look, until the catalog may see what it did not.

/// What was referenced since a collection began becomes visible when none runs.
pub(crate) const SEE_REFERENCES: &str = "INSERT OR IGNORE INTO reference SELECT s.* FROM stale s JOIN manifest m ON m.id = s.manifest; DELETE FROM stale;";

/// What was pushed since a run of retention began becomes visible before the next one.
pub(crate) const SEE_PUSHES: &str = "INSERT INTO applying VALUES (1);
    UPDATE tag SET updated = max(updated, (SELECT max(at) FROM late l WHERE l.manifest = tag.manifest AND l.name = tag.name))
        WHERE EXISTS (SELECT 1 FROM late l WHERE l.manifest = tag.manifest AND l.name = tag.name);
    UPDATE manifest_use AS u SET last_use = max(last_use, (SELECT max(at) FROM late l WHERE l.manifest = u.manifest))
        WHERE EXISTS (SELECT 1 FROM late l WHERE l.manifest = u.manifest);
    DELETE FROM late; DELETE FROM applying;";
