//! The reads of a verification.

use bytes::Bytes;
use hythe_oci::Digest;
use rusqlite::{Connection, Row};

use super::{Catalog, sql};
use crate::{BlobFile, Dependant, Result, StoredManifest};

impl Catalog {
    /// Up to `limit` live files, by digest, from the first past `after`.
    pub async fn live_files(&self, after: Option<&Digest>, limit: usize) -> Result<Vec<BlobFile>> {
        const LIST: &str =
            "SELECT digest, generation, size FROM blob WHERE digest > ?1 ORDER BY digest LIMIT ?2";
        let after = after.map(ToString::to_string).unwrap_or_default();
        self.read(|connection| {
            sql::all(connection, LIST, (after, sql::limit(limit)), |row| {
                Ok(BlobFile {
                    digest: sql::parsed(row, 0)?,
                    generation: sql::parsed(row, 1)?,
                    size: sql::unsigned(row, 2)?,
                })
            })
        })
    }

    /// Manifests with their bytes, by the number of their row, from the first past `after`: as many as have about
    /// `bytes` bytes together, at least one if there is one.
    pub async fn stored_manifests(&self, after: i64, bytes: usize) -> Result<Vec<StoredManifest>> {
        const LIST: &str = "SELECT m.id, r.name, m.digest, m.bytes FROM manifest m
            JOIN repository r ON r.id = m.repository WHERE m.id > ?1 AND m.repository <> 0 ORDER BY m.id LIMIT 1000";
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(LIST)?;
            let mut rows = statement.query([after])?;
            let (mut found, mut size) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let content = Bytes::copy_from_slice(row.get_ref(3)?.as_blob()?);
                size += content.len();
                found.push(StoredManifest {
                    id: row.get(0)?,
                    repository: sql::parsed(row, 1)?,
                    digest: sql::parsed(row, 2)?,
                    bytes: content,
                });
                if size >= bytes {
                    break;
                }
            }
            Ok(found)
        };
        self.read_aside(read).await
    }

    /// The image of a manifest, once for each tag, at most `limit` times. Without a tag, it counts once.
    pub async fn images_of(&self, manifest: i64, limit: usize) -> Result<Vec<Dependant>> {
        const FIND: &str =
            "SELECT r.name, m.digest, t.name FROM manifest m JOIN repository r ON r.id = m.repository
            LEFT JOIN tag t ON t.manifest = m.id WHERE m.id = ?1 AND r.id <> 0 ORDER BY t.name LIMIT ?2";
        self.read(|connection| sql::all(connection, FIND, (manifest, sql::limit(limit)), dependant))
    }

    /// Up to `limit` images that need this blob or manifest. A manifest with several tags counts once for each.
    pub async fn dependants(&self, digest: &Digest, limit: usize) -> Result<Vec<Dependant>> {
        const CLIMB: &str = "WITH RECURSIVE needs (repository, manifest) AS (
                SELECT f.repository, f.manifest FROM repository r
                    JOIN reference f ON f.repository = r.id AND f.digest = ?1 WHERE r.id <> 0
                UNION
                SELECT f.repository, f.manifest FROM needs n JOIN manifest m ON m.id = n.manifest AND m.repository <> 0
                    JOIN reference f ON f.repository = n.repository AND f.digest = m.digest
            )
            SELECT r.name, m.digest, t.name FROM needs n JOIN manifest m ON m.id = n.manifest AND m.repository <> 0
                JOIN repository r ON r.id = n.repository LEFT JOIN tag t ON t.manifest = m.id
            ORDER BY t.name IS NULL, r.name, t.name LIMIT ?2";
        let params = (digest.to_string(), sql::limit(limit));
        self.read_aside(move |connection| sql::all(connection, CLIMB, params, dependant)).await
    }
}

fn dependant(row: &Row<'_>) -> rusqlite::Result<Dependant> {
    Ok(Dependant {
        repository: sql::parsed(row, 0)?,
        manifest: sql::parsed(row, 1)?,
        tag: sql::parsed_option(row, 2)?,
    })
}
