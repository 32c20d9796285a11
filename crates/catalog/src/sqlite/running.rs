//! What clusters run, as the registry was told last.

use std::sync::Arc;

use hythe_oci::{Digest, RepositoryName};
use rusqlite::Connection;

use super::writer::Durability;
use super::{Catalog, repositories, sql};
use crate::{Result, Running};

impl Catalog {
    /// Replaces what a cluster runs. Forgets what was told before `since`. False if that leaves `most` other clusters: then
    /// nothing is stored, so that no invented name replaces a cluster. Durable.
    pub async fn set_running(&self, running: Running, since: i64, most: usize) -> Result<bool> {
        self.write(Durability::Durable, move |connection| {
            const SET: &str = "INSERT INTO running (source, digests, at) VALUES (?1, ?2, ?3)
                ON CONFLICT (source) DO UPDATE SET digests = excluded.digests, at = excluded.at";
            // A time ahead of the clock was written before the clock was set back.
            const FORGET: &str = "DELETE FROM running WHERE at < ?1 OR at > ?2";
            const OTHERS: &str = "SELECT count(*) FROM running WHERE source <> ?1";
            sql::run(connection, FORGET, (since, running.at))?;
            let others = sql::first(connection, OTHERS, [&running.source], |row| sql::unsigned(row, 0))?;
            if others.unwrap_or_default() >= most as u64 {
                return Ok(false);
            }
            let digests: Vec<String> = running.digests.iter().map(Digest::to_string).collect();
            sql::run(connection, SET, (&running.source, digests.join("\n"), running.at)).map(|_| true)
        })
        .await
    }

    /// The manifests of a repository that are among what clusters run, or that reference something of it. Each comes with the
    /// name of a cluster.
    pub async fn run_by(
        &self,
        repository: &RepositoryName,
        running: Arc<[Running]>,
    ) -> Result<Vec<(Digest, String)>> {
        const FIND: &str = "SELECT digest FROM manifest WHERE repository = ?1 AND digest = ?2
            UNION
            SELECT m.digest FROM reference f JOIN manifest m ON m.id = f.manifest AND m.repository = ?1
                WHERE f.repository = ?1 AND f.digest = ?2";
        if running.is_empty() {
            return Ok(Vec::new());
        }
        let name = repository.clone();
        self.read_aside(move |connection| {
            let Some(repository) = repositories::find(connection, &name)? else { return Ok(Vec::new()) };
            let mut found = Vec::new();
            for Running { source, digests, .. } in &*running {
                for digest in digests {
                    let params = (repository, digest.to_string());
                    let manifests = sql::all(connection, FIND, params, |row| sql::parsed::<Digest>(row, 0))?;
                    found.extend(manifests.into_iter().map(|manifest| (manifest, source.clone())));
                }
            }
            Ok(found)
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
