//! Repositories: their names, their origins, and what they hold in total.

use std::time::Duration;

use hythe_oci::RepositoryName;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::glob::glob;
use super::{Catalog, sql};
use crate::{Origin, Origins, Provenance, Result, Totals, Visible};

impl Catalog {
    /// The visible repositories that hold at least one manifest, in bytewise order, from the first name past `after`.
    pub async fn repositories(
        &self,
        after: Option<&str>,
        limit: usize,
        visible: &Visible,
    ) -> Result<Vec<RepositoryName>> {
        let mut params = Vec::new();
        let is_visible = is_visible(visible, &mut params);
        let next = params.len() + 1;
        // No name is empty, so every name is past the empty text.
        params.extend([Value::from(after.unwrap_or_default().to_owned()), sql::limit(limit).into()]);
        let page = format!(
            "SELECT r.name FROM repository r WHERE r.manifests > 0 AND r.name > ?{next} AND {is_visible}
                ORDER BY r.name LIMIT ?{}",
            next + 1
        );
        self.read(|connection| {
            sql::all(connection, &page, params_from_iter(params), |row| sql::parsed(row, 0))
        })
    }

    /// Whether the repository holds anything: a manifest or a blob.
    pub async fn repository_exists(&self, repository: &RepositoryName) -> Result<bool> {
        self.read(|connection| exists(connection, repository))
    }

    /// The provenance of the repository's content; `None` if the repository holds nothing.
    pub async fn provenance(&self, repository: &RepositoryName) -> Result<Option<Provenance>> {
        const FIND: &str = "SELECT origin, private FROM repository WHERE name = ?1";
        self.read(|connection| sql::first(connection, FIND, [repository.as_str()], provenance_of))
    }

    /// The longest time that one write has occupied the catalog's only writer since the start: other writes waited for
    /// it.
    pub fn longest_write(&self) -> Duration {
        self.inner.writer.longest()
    }

    /// Counts rows, which takes about 50 ms for a million of them: for a metric that is read now and then.
    pub async fn totals(&self) -> Result<Totals> {
        const COUNTS: &str = "SELECT
            (SELECT count(*) FROM repository WHERE manifests > 0),
            (SELECT coalesce(sum(manifests), 0) FROM repository),
            (SELECT count(*) FROM tag),
            (SELECT count(*) FROM blob),
            (SELECT coalesce(sum(size), 0) FROM blob),
            (SELECT count(*) FROM upload)";
        self.read_aside(|connection| {
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
        .await
    }
}

/// The condition that a repository `r` is visible. Adds its parameters to `params`, which begin the statement's.
pub(crate) fn is_visible(visible: &Visible, params: &mut Vec<Value>) -> String {
    let mut is_in = |origins: &Origins| {
        let (origins, is_in) = match origins {
            Origins::Only(origins) => (origins, "IN"),
            Origins::AllBut(origins) => (origins, "NOT IN"),
        };
        let first = params.len() + 1;
        params.extend(origins.iter().map(|origin| Value::from(origin.as_str().to_owned())));
        let numbers: Vec<String> = (first..=params.len()).map(|number| format!("?{number}")).collect();
        format!("r.origin {is_in} ({})", numbers.join(", "))
    };
    let (public, private) = (is_in(&visible.public), is_in(&visible.private));
    let names = match &visible.names {
        None => String::new(),
        Some(patterns) => {
            let first = params.len() + 1;
            params.extend(patterns.iter().map(|pattern| Value::from(glob(Some(pattern)))));
            let any: Vec<String> =
                (first..=params.len()).map(|number| format!("r.name GLOB ?{number}")).collect();
            format!(" AND ({})", if any.is_empty() { "FALSE".to_owned() } else { any.join(" OR ") })
        }
    };
    format!("(r.origin = 'local' OR CASE r.private WHEN 0 THEN {public} ELSE {private} END){names}")
}

/// Whether the repository holds anything. Its row may also be kept for deleted content, which no client sees.
pub(crate) fn exists(connection: &Connection, repository: &RepositoryName) -> rusqlite::Result<bool> {
    Ok(find_visible(connection, repository)?.is_some())
}

/// The id of a repository that holds a manifest or a blob.
pub(crate) fn find_visible(
    connection: &Connection,
    repository: &RepositoryName,
) -> rusqlite::Result<Option<i64>> {
    const FIND: &str = "SELECT id FROM repository WHERE name = ?1
        AND (manifests > 0 OR EXISTS (SELECT 1 FROM link WHERE repository = id))";
    sql::first(connection, FIND, [repository.as_str()], |row| row.get(0))
}

pub(crate) fn find(connection: &Connection, name: &RepositoryName) -> rusqlite::Result<Option<i64>> {
    sql::first(connection, "SELECT id FROM repository WHERE name = ?1", [name.as_str()], |row| row.get(0))
}

/// The origin of the repository's content, if the repository exists.
pub(crate) fn origin(connection: &Connection, name: &RepositoryName) -> rusqlite::Result<Option<Origin>> {
    let params = [name.as_str()];
    sql::first(connection, "SELECT origin FROM repository WHERE name = ?1", params, |row| sql::parsed(row, 0))
}

/// The provenance in the first two columns of a row: `origin` and `private`.
pub(crate) fn provenance_of(row: &Row<'_>) -> rusqlite::Result<Provenance> {
    Ok(Provenance { origin: sql::parsed(row, 0)?, private: row.get(1)? })
}

/// The repository's id. The first content creates the repository's row, and the first private content marks it. The
/// caller has [checked](super::origin::check) the origin before.
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

/// Deletes the repository's row if the repository holds nothing. Each command that removes content from a repository
/// calls this in its transaction: so no row of an empty repository is ever left, and no search for such rows is needed.
pub(crate) fn forget_if_empty(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    // While a manifest is stored or removed in turns, its references keep the row. Deleted content that can be restored
    // keeps it too.
    const FORGET: &str = "DELETE FROM repository WHERE id = ?1 AND manifests = 0
        AND NOT EXISTS (SELECT 1 FROM link WHERE repository = ?1)
        AND NOT EXISTS (SELECT 1 FROM reference WHERE repository = ?1)
        AND NOT EXISTS (SELECT 1 FROM deleted WHERE repository = ?1)
        AND NOT EXISTS (SELECT 1 FROM tag_history WHERE repository = ?1)";
    sql::run(connection, FORGET, [id]).map(|_| ())
}
