//! Protected tags: finds the tag that a push would move, and the tag that keeps a manifest from being deleted.

use std::sync::Arc;

use hythe_oci::{Digest, RepositoryName, Tag};
use rusqlite::Connection;

use super::{Catalog, repositories, sql};
use crate::{ManifestPush, Protects, Result};

/// The protected tag that the push would move to another manifest.
pub(crate) fn moved(connection: &Connection, push: &ManifestPush) -> rusqlite::Result<Option<Tag>> {
    const NAMES: &str = "SELECT m.digest FROM repository r JOIN tag t ON t.repository = r.id
        JOIN manifest m ON m.id = t.manifest WHERE r.name = ?1 AND t.name = ?2";
    for tag in &push.protected {
        let params = (push.repository.as_str(), tag.as_str());
        let named = sql::first(connection, NAMES, params, |row| sql::parsed::<Digest>(row, 0))?;
        if named.is_some_and(|named| named != push.digest) {
            return Ok(Some(tag.clone()));
        }
    }
    Ok(None)
}

/// The first protected tag among those that name the manifest, an index that lists it, an index that lists such an index,
/// and so on. Looks at up to `most` manifests and tags.
pub(crate) fn needing(
    connection: &Connection,
    repository: i64,
    digest: &Digest,
    protects: &dyn Fn(&Tag) -> bool,
    most: usize,
) -> rusqlite::Result<Option<Tag>> {
    const CLIMB: &str = "WITH RECURSIVE needs (manifest) AS (
            SELECT id FROM manifest WHERE repository = ?1 AND digest = ?2
            UNION
            SELECT f.manifest FROM needs n JOIN manifest m ON m.id = n.manifest AND m.repository = ?1
                JOIN reference f ON f.repository = ?1 AND f.digest = m.digest
            LIMIT ?3
        )
        SELECT t.name FROM needs n JOIN tag t ON t.manifest = n.manifest AND t.repository = ?1 LIMIT ?3";
    let mut statement = connection.prepare_cached(CLIMB)?;
    let mut tags = statement.query((repository, digest.to_string(), sql::limit(most)))?;
    while let Some(row) = tags.next()? {
        let tag = sql::parsed(row, 0)?;
        if protects(&tag) {
            return Ok(Some(tag));
        }
    }
    Ok(None)
}

impl Catalog {
    /// A protected tag that names the manifest, or an index that needs it. Visits all tags of these.
    pub(crate) async fn protected_tag(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        protects: &Protects,
    ) -> Result<Option<Tag>> {
        let (repository, digest, protects) = (repository.clone(), *digest, Arc::clone(protects));
        self.read_aside(move |connection| match repositories::find(connection, &repository)? {
            Some(repository) => needing(connection, repository, &digest, &*protects, usize::MAX),
            None => Ok(None),
        })
        .await
    }
}
