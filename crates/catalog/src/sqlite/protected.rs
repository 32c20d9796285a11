//! Protected tags: finds the tag that a push would move, and the tag that keeps a manifest from being deleted.

use hythe_oci::{Digest, RepositoryName, Tag};
use rusqlite::Connection;

use super::writer::TURN;
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

/// A walk over the tags that need a manifest: the tags that name it, and then those that name an index which lists it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tags {
    of_indexes: bool,
    /// The manifest and the name of the last tag that was looked at.
    after: (i64, String),
}

impl Tags {
    /// Looks at the next tags, as many as one write may read. Returns where the walk continues, if it does, and the
    /// protected tag that it found.
    pub(crate) fn look(
        mut self,
        connection: &Connection,
        repository: i64,
        digest: &Digest,
        protects: &dyn Fn(&Tag) -> bool,
    ) -> rusqlite::Result<(Option<Self>, Option<Tag>)> {
        const NAMING: &str = "SELECT m.id, t.name FROM manifest m
                JOIN tag t ON t.manifest = m.id AND t.repository = m.repository
            WHERE m.repository = ?1 AND m.digest = ?2 AND (m.id, t.name) > (?3, ?4)
            ORDER BY m.id, t.name LIMIT ?5";
        const LISTING: &str = "SELECT f.manifest, t.name FROM reference f
                JOIN tag t ON t.manifest = f.manifest AND t.repository = f.repository
            WHERE f.repository = ?1 AND f.digest = ?2 AND (f.manifest, t.name) > (?3, ?4)
            ORDER BY f.manifest, t.name LIMIT ?5";
        let (digest, mut left) = (digest.to_string(), TURN);
        loop {
            let tags = if self.of_indexes { LISTING } else { NAMING };
            let params = (repository, &digest, self.after.0, &self.after.1, sql::limit(left));
            let found: Vec<(i64, Tag)> =
                sql::all(connection, tags, params, |row| Ok((row.get(0)?, sql::parsed(row, 1)?)))?;
            let is_last = found.len() < left;
            left -= found.len();
            if let Some((manifest, tag)) = found.last() {
                self.after = (*manifest, tag.to_string());
            }
            if let Some((_, tag)) = found.into_iter().find(|(_, tag)| protects(tag)) {
                return Ok((None, Some(tag)));
            }
            match (is_last, self.of_indexes) {
                (true, true) => return Ok((None, None)),
                (true, false) => self = Self { of_indexes: true, ..Self::default() },
                (false, _) => return Ok((Some(self), None)),
            }
        }
    }
}

impl Catalog {
    /// A protected tag that names the manifest or an index that lists it.
    pub(crate) async fn protected_tag(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        protects: &Protects,
    ) -> Result<Option<Tag>> {
        let mut walk = Some(Tags::default());
        while let Some(tags) = walk {
            let found;
            (walk, found) = self.read(|connection| match repositories::find(connection, repository)? {
                Some(repository) => tags.look(connection, repository, digest, &**protects),
                None => Ok((None, None)),
            })?;
            if found.is_some() {
                return Ok(found);
            }
            tokio::task::yield_now().await;
        }
        Ok(None)
    }
}
