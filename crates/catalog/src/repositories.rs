//! Repositories: which there are, and what they hold together.

use std::time::Duration;

use hythe_oci::RepositoryName;
use rusqlite::{Connection, Row};

use crate::{Catalog, Origin, Provenance, Result, sql};

/// How much the catalog knows of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Repositories that hold a manifest.
    pub repositories: u64,
    /// Manifests; one in two repositories counts twice.
    pub manifests: u64,
    /// Tags.
    pub tags: u64,
    /// Blobs; one in two repositories counts once.
    pub blobs: u64,
    /// Bytes of those blobs.
    pub bytes: u64,
    /// Upload sessions.
    pub uploads: u64,
}

impl Catalog {
    /// Repositories that hold at least one manifest, in bytewise order, from the first name past `after`; those that
    /// `listed` takes.
    pub fn repositories(
        &self,
        after: Option<&str>,
        limit: usize,
        listed: impl Fn(&Provenance) -> bool,
    ) -> Result<Vec<RepositoryName>> {
        const PAGE: &str =
            "SELECT origin, private, name FROM repository WHERE manifests > 0 AND name > ?1 ORDER BY name";
        self.read(|connection| {
            // No name is empty, so every name is past the empty text.
            sql::some(connection, PAGE, [after.unwrap_or_default()], limit, |row| {
                Ok(if listed(&provenance_of(row)?) { Some(sql::parsed(row, 2)?) } else { None })
            })
        })
    }

    /// Whether the repository holds anything: a manifest or a blob.
    pub fn repository_exists(&self, repository: &RepositoryName) -> Result<bool> {
        self.read(|connection| exists(connection, repository))
    }

    /// Where its content comes from, and how; `None` where it holds nothing.
    pub fn provenance(&self, repository: &RepositoryName) -> Result<Option<Provenance>> {
        const FIND: &str = "SELECT origin, private FROM repository WHERE name = ?1";
        self.read(|connection| sql::first(connection, FIND, [repository.as_str()], provenance_of))
    }

    /// The longest time that one write has occupied the catalog's only writer since the start: other writes waited for it.
    pub fn longest_write(&self) -> Duration {
        self.inner.writer.longest()
    }

    /// Counts rows, about 50 ms for a million of them: for a metric that is asked for now and then.
    pub fn totals(&self) -> Result<Totals> {
        const COUNTS: &str = "SELECT
            (SELECT count(*) FROM repository WHERE manifests > 0),
            (SELECT coalesce(sum(manifests), 0) FROM repository),
            (SELECT count(*) FROM tag),
            (SELECT count(*) FROM blob),
            (SELECT coalesce(sum(size), 0) FROM blob),
            (SELECT count(*) FROM upload)";
        self.read(|connection| {
            sql::first(connection, COUNTS, [], |row| {
                Ok(Totals {
                    repositories: sql::unsigned(row, 0)?,
                    manifests: sql::unsigned(row, 1)?,
                    tags: sql::unsigned(row, 2)?,
                    blobs: sql::unsigned(row, 3)?,
                    bytes: sql::unsigned(row, 4)?,
                    uploads: sql::unsigned(row, 5)?,
                })
            })
            .map(Option::unwrap_or_default)
        })
    }
}

/// A row is there only while the repository holds something: see [`forget_if_empty`].
pub(crate) fn exists(connection: &Connection, repository: &RepositoryName) -> rusqlite::Result<bool> {
    find(connection, repository).map(|id| id.is_some())
}

pub(crate) fn find(connection: &Connection, name: &RepositoryName) -> rusqlite::Result<Option<i64>> {
    sql::first(connection, "SELECT id FROM repository WHERE name = ?1", [name.as_str()], |row| row.get(0))
}

/// Where the repository's content comes from, if it is there.
pub(crate) fn origin(connection: &Connection, name: &RepositoryName) -> rusqlite::Result<Option<Origin>> {
    let params = [name.as_str()];
    sql::first(connection, "SELECT origin FROM repository WHERE name = ?1", params, |row| sql::parsed(row, 0))
}

/// The first two columns of a row: origin, mark.
pub(crate) fn provenance_of(row: &Row<'_>) -> rusqlite::Result<Provenance> {
    Ok(Provenance { origin: sql::parsed(row, 0)?, private: row.get(1)? })
}

/// The repository's id; its row is made by what first lands in it, and marked by the first that is private. After a
/// [check](crate::origin::check) of its origin.
pub(crate) fn find_or_create(
    connection: &Connection,
    name: &RepositoryName,
    origin: &Origin,
    private: bool,
) -> rusqlite::Result<i64> {
    const CREATE: &str = "INSERT INTO repository (name, origin, private) VALUES (?1, ?2, ?3)";
    const MARK: &str = "UPDATE repository SET private = 1 WHERE id = ?1 AND private = 0";
    if let Some(id) = find(connection, name)? {
        if private {
            sql::run(connection, MARK, [id])?;
        }
        return Ok(id);
    }
    sql::run(connection, CREATE, (name.as_str(), origin.as_str(), private))?;
    Ok(connection.last_insert_rowid())
}

/// To be called by each command that takes something out of a repository, in its transaction: then no row is
/// ever left for a repository that holds nothing, and none has to be looked for.
pub(crate) fn forget_if_empty(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    // While a manifest comes or goes in turns, its references hold the row.
    const FORGET: &str = "DELETE FROM repository WHERE id = ?1 AND manifests = 0
        AND NOT EXISTS (SELECT 1 FROM link WHERE repository = ?1)
        AND NOT EXISTS (SELECT 1 FROM reference WHERE repository = ?1)";
    sql::run(connection, FORGET, [id]).map(|_| ())
}
