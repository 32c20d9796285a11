//! The reads of retention rules: a repository's manifests and tags with their times, in pages.

use hythe_oci::{Digest, RepositoryName, Tag};

use super::{Catalog, sql};
use crate::{AgedManifest, AgedTag, Listing, Result};

impl Catalog {
    /// Up to `limit` manifests of the repository, by digest, from the first past `after`.
    pub async fn aged_manifests(
        &self,
        repository: &RepositoryName,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<AgedManifest>> {
        const PAGE: &str = "SELECT m.digest, m.subject, m.pushed, coalesce(u.last_use, m.pushed),
                max(coalesce(u.last_use, m.pushed), coalesce(u.pulled, 0), coalesce(u.untagged, 0))
            FROM repository r JOIN manifest m ON m.repository = r.id LEFT JOIN manifest_use u ON u.manifest = m.id
            WHERE r.name = ?1 AND m.digest > ?2 ORDER BY m.digest LIMIT ?3";
        let (name, after) = (repository.to_string(), after.map(ToString::to_string).unwrap_or_default());
        self.read_aside(move |connection| {
            sql::all(connection, PAGE, (name, after, sql::limit(limit)), |row| {
                Ok(AgedManifest {
                    digest: sql::parsed(row, 0)?,
                    subject: sql::parsed_option(row, 1)?,
                    pushed: row.get(2)?,
                    last_use: row.get(3)?,
                    needed: row.get(4)?,
                })
            })
        })
        .await
    }

    /// Up to `limit` tags of the repository, in bytewise order, from the first past `after`.
    pub async fn aged_tags(
        &self,
        repository: &RepositoryName,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<Vec<AgedTag>> {
        const PAGE: &str = "SELECT t.name, m.digest, t.updated, t.pulled
            FROM repository r JOIN tag t ON t.repository = r.id JOIN manifest m ON m.id = t.manifest
            WHERE r.name = ?1 AND t.name > ?2 ORDER BY t.name LIMIT ?3";
        let (name, after) = (repository.to_string(), after.map(ToString::to_string).unwrap_or_default());
        self.read_aside(move |connection| {
            sql::all(connection, PAGE, (name, after, sql::limit(limit)), |row| {
                Ok(AgedTag {
                    tag: sql::parsed(row, 0)?,
                    digest: sql::parsed(row, 1)?,
                    pushed: row.get(2)?,
                    pulled: row.get(3)?,
                })
            })
        })
        .await
    }

    /// Up to `limit` pairs of a manifest and an index that lists it, both in the repository, from the first past `after`.
    pub async fn listings(
        &self,
        repository: &RepositoryName,
        after: Option<&Listing>,
        limit: usize,
    ) -> Result<Vec<Listing>> {
        const PAGE: &str = "SELECT m.digest, i.digest, i.id FROM repository r
                JOIN manifest m ON m.repository = r.id
                JOIN reference f ON f.repository = r.id AND f.digest = m.digest
                JOIN manifest i ON i.id = f.manifest AND i.repository = r.id
            WHERE r.name = ?1 AND m.digest >= ?2 AND (m.digest, f.manifest) > (?2, ?3)
            ORDER BY m.digest, f.manifest LIMIT ?4";
        let name = repository.to_string();
        let (digest, row) = after.map_or((String::new(), 0), |last| (last.listed.to_string(), last.row));
        self.read_aside(move |connection| {
            sql::all(connection, PAGE, (name, digest, row, sql::limit(limit)), |row| {
                Ok(Listing { listed: sql::parsed(row, 0)?, index: sql::parsed(row, 1)?, row: row.get(2)? })
            })
        })
        .await
    }
}
