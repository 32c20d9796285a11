//! Notes of what garbage collection removed within the grace period. A client may have been told that such a blob or
//! manifest is here, and not send it: its manifest is refused, so that it sends the content again.

use hythe_oci::{Digest, RepositoryName};
use rusqlite::Connection;

use super::writer::{Durability, TURN};
use super::{Catalog, sql};
use crate::Result;

impl Catalog {
    /// Deletes the notes of what was removed before `before`: no client relies on that any more. Relaxed.
    pub async fn forget_freed(&self, before: i64) -> Result<()> {
        let step = move |connection: &Connection| {
            const OLD: &str = "SELECT repository, digest FROM freed WHERE at < ?1 LIMIT ?2";
            const FORGET: &str = "DELETE FROM freed WHERE repository = ?1 AND digest = ?2";
            let old: Vec<(String, String)> =
                sql::all(connection, OLD, (before, sql::limit(TURN)), |row| Ok((row.get(0)?, row.get(1)?)))?;
            for of in &old {
                sql::run(connection, FORGET, (&of.0, &of.1))?;
            }
            Ok(old.len() == TURN)
        };
        while self.free(Durability::Relaxed, step).await? {}
        Ok(())
    }
}

/// Notes at `at` that something was removed on which a client may rely.
pub(crate) fn note(connection: &Connection, repository: i64, digest: &str, at: i64) -> rusqlite::Result<()> {
    const NOTE: &str = "INSERT INTO freed (repository, digest, at)
        SELECT name, ?2, ?3 FROM repository WHERE id = ?1
        ON CONFLICT (repository, digest) DO UPDATE SET at = excluded.at";
    sql::run(connection, NOTE, (repository, digest, at)).map(|_| ())
}

/// The notes of one repository.
pub(crate) struct Freed<'a> {
    repository: &'a RepositoryName,
    is_empty: bool,
}

impl<'a> Freed<'a> {
    /// Reads whether the repository has any note. Most have none, and then [`lacks`](Self::lacks) queries nothing.
    pub(crate) fn of(connection: &Connection, repository: &'a RepositoryName) -> rusqlite::Result<Self> {
        const ANY: &str = "SELECT 1 FROM freed WHERE repository = ?1 LIMIT 1";
        let any = sql::first(connection, ANY, [repository.as_str()], |_| Ok(()))?;
        Ok(Self { repository, is_empty: any.is_none() })
    }

    /// Whether the digest was removed and not pushed again. `id` is that of the repository, if it has a row.
    pub(crate) fn lacks(&self, connection: &Connection, id: i64, digest: &Digest) -> rusqlite::Result<bool> {
        const LACKS: &str = "SELECT 1 FROM freed WHERE repository = ?1 AND digest = ?3
            AND NOT EXISTS (SELECT 1 FROM manifest WHERE repository = ?2 AND digest = ?3)
            AND NOT EXISTS (SELECT 1 FROM link WHERE repository = ?2 AND digest = ?3)";
        if self.is_empty {
            return Ok(false);
        }
        let params = (self.repository.as_str(), id, digest.to_string());
        sql::first(connection, LACKS, params, |_| Ok(())).map(|lacks| lacks.is_some())
    }
}
