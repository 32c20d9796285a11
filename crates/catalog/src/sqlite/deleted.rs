//! Deletes manifests so that they can be restored, and lists them.
//!
//! A deleted manifest moves to the hidden repository, where no request finds it. Its references stay with the real
//! repository, so the collector keeps its blobs until the manifest is [purged](super::purge).

use std::sync::Arc;

use hythe_oci::{Digest, RepositoryName, Tag};
use rusqlite::{Connection, Row};

use super::history::{self, Change};
use super::turns::{HIDDEN, How};
use super::writer::{Durability, TURN};
use super::{Catalog, manifest_rows, protected, repositories, sql, turns};
use crate::{Cause, DeletedManifest, DeletedTotal, Deletion, ManifestDeleted, Protects, Result};

/// How many tags of a deleted manifest a list shows.
const TAGS: usize = 100;

impl Catalog {
    /// Deletes a manifest with its tags, so that it can be restored; false if it does not exist. The content of a copy is
    /// removed at once, because an upstream has it. Durable.
    pub async fn withdraw_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        deletion: Deletion,
    ) -> Result<bool> {
        let none: Protects = Arc::new(|_: &Tag| false);
        let deleted = self.withdraw_manifest_unless(repository, digest, deletion, &none).await?;
        Ok(deleted == ManifestDeleted::Deleted)
    }

    /// Like [`withdraw_manifest`](Self::withdraw_manifest), unless a protected tag names the manifest or an index that needs
    /// it: one that lists it, or lists such an index.
    pub async fn withdraw_manifest_unless(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        deletion: Deletion,
        protects: &Protects,
    ) -> Result<ManifestDeleted> {
        if let Some(tag) = self.protected_tag(repository, digest, protects).await? {
            return Ok(ManifestDeleted::Protected(tag));
        }
        loop {
            let (repository, digest, protects) = (repository.clone(), *digest, Arc::clone(protects));
            let step = move |connection: &Connection| {
                let Some(id) = repositories::find(connection, &repository)? else { return Ok(Ok(None)) };
                let Some(manifest) = manifest_rows::find(connection, id, &digest)? else {
                    return Ok(Ok(None));
                };
                // A tag may have come since the first look.
                if let Some(tag) = protected::needing(connection, id, &digest, &*protects, TURN)? {
                    return Ok(Err(tag));
                }
                withdraw(connection, id, manifest, deletion).map(|how| Ok(Some(how)))
            };
            match self.free(Durability::Durable, step).await? {
                Err(tag) => return Ok(ManifestDeleted::Protected(tag)),
                Ok(None) => return Ok(ManifestDeleted::Unknown),
                Ok(Some(How::Begun)) => {}
                Ok(Some(How::Whole)) => return Ok(ManifestDeleted::Deleted),
                Ok(Some(How::Hidden)) => {
                    self.clear_retired().await;
                    return Ok(ManifestDeleted::Deleted);
                }
            }
        }
    }

    /// The deleted manifests of one repository, or of all, the latest deletion first, from the first before the deletion
    /// `before`.
    pub async fn deleted_manifests(
        &self,
        repository: Option<RepositoryName>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<DeletedManifest>> {
        const LIST: &str = "SELECT d.id, r.name, d.digest, m.media_type, m.size
                + (SELECT coalesce(sum(b.size), 0) FROM reference f JOIN blob b ON b.digest = f.digest
                    WHERE f.manifest = m.id),
                d.at, d.cause, r.id,
                (SELECT count(*) FROM tag_history h WHERE h.repository = d.repository AND h.digest = d.digest
                    AND h.with_manifest = 1 AND h.until = d.at)
            FROM deleted d JOIN repository r ON r.id = d.repository JOIN manifest m ON m.id = d.manifest
            WHERE (?1 IS NULL OR r.name = ?1) AND d.id < ?2 ORDER BY d.id DESC LIMIT ?3";
        let read = move |connection: &Connection| {
            let name = repository.as_ref().map(RepositoryName::as_str);
            let params = (name, before.unwrap_or(i64::MAX), sql::limit(limit));
            let mut page = sql::all(connection, LIST, params, |row| Ok((deleted(row)?, row.get(7)?)))?;
            for (manifest, repository) in &mut page {
                manifest.tags = tags_of(connection, *repository, manifest)?;
            }
            Ok(page.into_iter().map(|(manifest, _)| manifest).collect())
        };
        self.read_aside(read).await
    }

    /// How many deleted manifests can be restored.
    pub async fn deleted_count(&self) -> Result<u64> {
        let count = self.read_aside(|connection| {
            sql::first(connection, "SELECT count(*) FROM deleted", [], |row| sql::unsigned(row, 0))
        });
        Ok(count.await?.unwrap_or_default())
    }

    /// Counts the manifests that were deleted at `since` or later, and the blobs that only deleted manifests reference.
    /// Reads each reference of a deleted manifest.
    pub async fn deleted_total(&self, since: i64) -> Result<DeletedTotal> {
        const MANIFESTS: &str = "SELECT count(*), max(at) FROM deleted WHERE at >= ?1";
        const BLOBS: &str = "SELECT count(*), coalesce(sum(b.size), 0) FROM
            (SELECT DISTINCT f.digest AS digest FROM deleted d JOIN reference f ON f.manifest = d.manifest
                WHERE d.at >= ?1) held
            JOIN blob b ON b.digest = held.digest
            WHERE NOT EXISTS (SELECT 1 FROM link l
                JOIN reference f ON f.repository = l.repository AND f.digest = l.digest
                WHERE l.digest = b.digest AND NOT EXISTS (SELECT 1 FROM deleted d WHERE d.manifest = f.manifest))";
        let read = move |connection: &Connection| {
            let manifests =
                sql::first(connection, MANIFESTS, [since], |row| Ok((sql::unsigned(row, 0)?, row.get(1)?)))?;
            let (manifests, last) = manifests.unwrap_or_default();
            // Usually nothing is deleted.
            if manifests == 0 {
                return Ok(DeletedTotal::default());
            }
            let blobs = sql::first(connection, BLOBS, [since], |row| {
                Ok((sql::unsigned(row, 0)?, sql::unsigned(row, 1)?))
            })?;
            let (blobs, bytes) = blobs.unwrap_or_default();
            Ok(DeletedTotal { manifests, blobs, bytes, last })
        };
        self.read_aside(read).await
    }
}

/// Deletes an existing manifest, or begins to. If the deletion has [only begun](How::Begun), the caller calls again in
/// another write.
pub(crate) fn withdraw(
    connection: &Connection,
    repository: i64,
    manifest: i64,
    deletion: Deletion,
) -> rusqlite::Result<How> {
    const IS_LOCAL: &str = "SELECT origin = 'local' FROM repository WHERE id = ?1";
    const TAGS: &str = "SELECT name FROM tag WHERE manifest = ?1 LIMIT ?2";
    const UNTAG: &str = "DELETE FROM tag WHERE repository = ?1 AND name = ?2";
    // A kill between two writes would leave the manifest with a part of its tags: the next start gives it the others back.
    const BEGIN: &str = "INSERT INTO withdrawal (manifest, at) VALUES (?1, ?2)
        ON CONFLICT (manifest) DO UPDATE SET at = excluded.at";
    const END: &str = "DELETE FROM withdrawal WHERE manifest = ?1";
    const KEEP: &str = "INSERT INTO deleted (manifest, repository, digest, at, cause)
        SELECT id, repository, digest, ?2, ?3 FROM manifest WHERE id = ?1";
    const HIDE: &str = "UPDATE manifest SET repository = ?2, digest = '~' || id WHERE id = ?1";
    let is_local = sql::first(connection, IS_LOCAL, [repository], |row| row.get::<_, bool>(0))?;
    if is_local != Some(true) {
        let retired = turns::retire(connection, repository, manifest)?;
        repositories::forget_if_empty(connection, repository)?;
        return Ok(retired.how);
    }
    let tags: Vec<String> = sql::all(connection, TAGS, (manifest, sql::limit(TURN)), |row| row.get(0))?;
    for tag in &tags {
        history::record(connection, repository, tag, Change::WithManifest, deletion.at)?;
        sql::run(connection, UNTAG, (repository, tag))?;
    }
    if tags.len() == TURN {
        sql::run(connection, BEGIN, (manifest, deletion.at))?;
        return Ok(How::Begun);
    }
    sql::run(connection, END, [manifest])?;
    sql::run(connection, KEEP, (manifest, deletion.at, deletion.cause.as_str()))?;
    sql::run(connection, HIDE, (manifest, HIDDEN))?;
    manifest_rows::count(connection, repository, -1)?;
    Ok(How::Whole)
}

fn deleted(row: &Row<'_>) -> rusqlite::Result<DeletedManifest> {
    Ok(DeletedManifest {
        id: row.get(0)?,
        repository: sql::parsed(row, 1)?,
        digest: sql::parsed(row, 2)?,
        media_type: row.get(3)?,
        bytes: sql::unsigned(row, 4)?,
        tags: Vec::new(),
        tag_count: sql::unsigned(row, 8)?,
        at: row.get(5)?,
        cause: Cause::of(row.get_ref(6)?.as_str()?),
    })
}

fn tags_of(
    connection: &Connection,
    repository: i64,
    manifest: &DeletedManifest,
) -> rusqlite::Result<Vec<Tag>> {
    const LIST: &str =
        "SELECT tag FROM tag_history WHERE repository = ?1 AND digest = ?2 AND with_manifest = 1
        AND until = ?3 ORDER BY tag LIMIT ?4";
    let params = (repository, manifest.digest.to_string(), manifest.at, sql::limit(TAGS));
    sql::all(connection, LIST, params, |row| sql::parsed(row, 0))
}
