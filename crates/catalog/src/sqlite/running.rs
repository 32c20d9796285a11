//! What clusters run, as the registry was told last.

use hythe_oci::Digest;
use rusqlite::Connection;

use super::writer::Durability;
use super::{Catalog, sql};
use crate::{Result, Running};

impl Catalog {
    /// Replaces what a cluster runs. Keeps at most `most` clusters, those that were told last. Durable.
    pub async fn set_running(&self, running: Running, most: usize) -> Result<()> {
        self.write(Durability::Durable, move |connection| {
            const SET: &str = "INSERT INTO running (source, digests, at) VALUES (?1, ?2, ?3)
                ON CONFLICT (source) DO UPDATE SET digests = excluded.digests, at = excluded.at";
            const TRIM: &str = "DELETE FROM running WHERE source NOT IN
                (SELECT source FROM running ORDER BY at DESC, source LIMIT ?1)";
            let digests: Vec<String> = running.digests.iter().map(Digest::to_string).collect();
            sql::run(connection, SET, (&running.source, digests.join("\n"), running.at))?;
            sql::run(connection, TRIM, [sql::limit(most)]).map(|_| ())
        })
        .await
    }

    /// What clusters run, as far as the registry was told at `since` or later; by name.
    pub async fn running(&self, since: i64) -> Result<Vec<Running>> {
        const LIST: &str = "SELECT source, digests, at FROM running WHERE at >= ?1 ORDER BY source";
        self.read_aside(move |connection: &Connection| {
            sql::all(connection, LIST, [since], |row| {
                let digests: String = row.get(1)?;
                // The catalog wrote each line from a digest.
                let digests = digests.lines().filter_map(|line| line.parse().ok()).collect();
                Ok(Running { source: row.get(0)?, digests, at: row.get(2)? })
            })
        })
        .await
    }
}
