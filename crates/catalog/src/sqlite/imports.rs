//! Imports: the trees of other registries that were imported.

use super::writer::Durability;
use super::{Catalog, sql};
use crate::Result;

impl Catalog {
    /// Whether this whole tree was imported.
    pub async fn is_imported(&self, source: &str) -> Result<bool> {
        const FIND: &str = "SELECT 1 FROM import WHERE source = ?1";
        self.read(|connection| sql::first(connection, FIND, [source], |_| Ok(())))
            .map(|found| found.is_some())
    }

    /// Records that this whole tree was imported. Durable.
    pub async fn finish_import(&self, source: &str, now: i64) -> Result<()> {
        let source = source.to_owned();
        self.write(Durability::Durable, move |connection| {
            const FINISH: &str = "INSERT INTO import (source, finished) VALUES (?1, ?2)
                ON CONFLICT (source) DO UPDATE SET finished = excluded.finished";
            sql::run(connection, FINISH, (&source, now)).map(|_| ())
        })
        .await
    }
}
