//! What is stored, and which cached images were used least recently.

use hythe_oci::{Digest, UploadId};
use rusqlite::Connection;

use super::collection::{self, BATCH, Unlink};
use super::copies::{Clearing, Next};
use super::writer::Durability;
use super::{Catalog, copies, sql};
use crate::{CachedImage, Cleared, Collected, LinkCursor, Result};

/// The last use of a manifest `m`: by its digest, by its tags, or by a manifest that it lists.
macro_rules! last_use {
    () => {
        "max(
            coalesce((SELECT max(u.last_use, coalesce(u.pulled, 0)) FROM manifest_use u WHERE u.manifest = m.id), m.pushed),
            coalesce((SELECT max(t.pulled) FROM tag t WHERE t.manifest = m.id), 0),
            coalesce((SELECT max(max(u.last_use, coalesce(u.pulled, 0)))
                FROM reference f JOIN manifest c ON c.repository = f.repository AND c.digest = f.digest
                    JOIN manifest_use u ON u.manifest = c.id
                WHERE f.manifest = m.id), 0))"
    };
}

/// What a manifest references, and what the manifests reference that it lists.
const MEMBERS: &str = "WITH RECURSIVE member (digest) AS (
        SELECT digest FROM reference WHERE manifest = ?1
        UNION
        SELECT f.digest FROM member p JOIN manifest m ON m.repository = ?2 AND m.digest = p.digest
            JOIN reference f ON f.manifest = m.id
    )";

impl Catalog {
    /// How many bytes are stored: the files of blobs, those that are doomed, those of uploads, and the catalog itself.
    /// Leaves out the uploads in `except`. Reads every blob's row.
    pub async fn stored_bytes(&self, except: Vec<UploadId>) -> Result<u64> {
        const SUM: &str = "SELECT (SELECT coalesce(sum(size), 0) FROM blob)
            + (SELECT coalesce(sum(size), 0) FROM doomed) + (SELECT coalesce(sum(byte_offset), 0) FROM upload)
            + (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)";
        const ONE: &str = "SELECT byte_offset FROM upload WHERE id = ?1";
        self.read_aside(move |connection| {
            let mut bytes = sql::first(connection, SUM, [], |row| sql::unsigned(row, 0))?.unwrap_or_default();
            for upload in &except {
                let open = sql::first(connection, ONE, [upload.to_string()], |row| sql::unsigned(row, 0))?;
                bytes = bytes.saturating_sub(open.unwrap_or_default());
            }
            Ok(bytes)
        })
        .await
    }

    /// Up to `limit` images of copies, the least recently used first, behind `after`. Reads all images of copies.
    pub async fn least_used(&self, after: Option<&CachedImage>, limit: usize) -> Result<Vec<CachedImage>> {
        const LIST: &str = concat!(
            "SELECT id, name, digest, used, (SELECT min(t.name) FROM tag t WHERE t.manifest = id) FROM (
                SELECT m.id AS id, r.name AS name, m.digest AS digest, ",
            last_use!(),
            " AS used FROM repository r JOIN manifest m ON m.repository = r.id
                WHERE r.id > 0 AND r.origin <> 'local'
                    AND NOT EXISTS
                        (SELECT 1 FROM reference f WHERE f.repository = m.repository AND f.digest = m.digest)
                    AND (m.subject IS NULL OR NOT EXISTS
                        (SELECT 1 FROM manifest s WHERE s.repository = m.repository AND s.digest = m.subject)))
            WHERE (used, id) > (?1, ?2) ORDER BY used, id LIMIT ?3"
        );
        let (used, id) = after.map_or((i64::MIN, 0), |after| (after.last_use, after.id));
        self.read_aside(move |connection| {
            sql::all(connection, LIST, (used, id, sql::limit(limit)), |row| {
                Ok(CachedImage {
                    id: row.get(0)?,
                    repository: sql::parsed(row, 1)?,
                    digest: sql::parsed(row, 2)?,
                    last_use: row.get(3)?,
                    tag: sql::parsed_option(row, 4)?,
                })
            })
        })
        .await
    }

    /// The digests of the manifests and blobs that an image consists of, beside its own.
    pub async fn digests_of(&self, image: &CachedImage) -> Result<Vec<Digest>> {
        let sql = format!("{MEMBERS} SELECT digest FROM member");
        let image = image.clone();
        self.read_aside(move |connection| match find(connection, &image)? {
            Some((repository, _)) => {
                sql::all(connection, &sql, (image.id, repository), |row| sql::parsed(row, 0))
            }
            None => Ok(Vec::new()),
        })
        .await
    }

    /// The size of an image's blobs that are stored, in bytes.
    pub async fn cached_size(&self, image: &CachedImage) -> Result<u64> {
        let sql = format!(
            "{MEMBERS} SELECT coalesce(sum(b.size), 0) FROM member p
                JOIN link l ON l.repository = ?2 AND l.digest = p.digest JOIN blob b ON b.digest = p.digest"
        );
        let image = image.clone();
        self.read_aside(move |connection| match find(connection, &image)? {
            Some((repository, _)) => {
                let size = sql::first(connection, &sql, (image.id, repository), |row| sql::unsigned(row, 0))?;
                Ok(size.unwrap_or_default())
            }
            None => Ok(0),
        })
        .await
    }

    /// Removes an image from a copy, with its tags, the manifests that it lists or that have it as their subject, and
    /// their blobs. Content that another tag or a remaining manifest references is kept. Removes nothing if the image was
    /// used since it was listed. Durable.
    pub async fn evict(&self, image: CachedImage) -> Result<Cleared> {
        let mut clearing: Option<Clearing> = None;
        loop {
            let (image, before) = (image.clone(), clearing);
            let step = move |connection: &Connection| {
                let begun = match &before {
                    Some(begun) => Some(begun.clone()),
                    None => find(connection, &image)?
                        .filter(|(_, used)| *used <= image.last_use)
                        .map(|_| Clearing::of(image.id)),
                };
                // Since the last step the copy may be gone, or may have become a local repository.
                let repository = copies::find(connection, &image.repository)?;
                let (Some(mut clearing), Some(repository)) = (begun, repository) else {
                    return Ok((before.clone().unwrap_or_default(), Next::Nothing));
                };
                let next = clearing.step(connection, repository)?;
                Ok((clearing, next))
            };
            let (after, next) = self.free(Durability::Durable, step).await?;
            match next {
                Next::More => {}
                Next::Hidden => self.clear_retired().await,
                Next::Nothing => return Ok(after.cleared),
            }
            clearing = Some(after);
        }
    }

    /// Removes up to `limit` links of copies to blobs that no manifest of the copy references and that were last used
    /// before `before`. A copy needs no grace period: the registry fetches the blob again. Durable.
    pub async fn evict_unreferenced(&self, before: i64, limit: usize) -> Result<Collected> {
        const LIST: &str =
            "SELECT l.repository, l.digest FROM repository r JOIN link l ON l.repository = r.id
            WHERE r.id > 0 AND r.origin <> 'local' AND l.last_use < ?1 AND NOT EXISTS
                (SELECT 1 FROM reference f WHERE f.repository = l.repository AND f.digest = l.digest)
            ORDER BY l.last_use LIMIT ?2";
        let links = self.read_aside(move |connection| {
            sql::all(connection, LIST, (before, sql::limit(limit)), |row| {
                Ok(LinkCursor { repository: row.get(0)?, digest: sql::parsed(row, 1)? })
            })
        });
        let mut removed = Collected::default();
        for batch in links.await?.chunks(BATCH) {
            let batch = batch.to_vec();
            // The time does not matter: leases keep only blobs of local repositories.
            let unlink = Unlink { before, promise: None, now: None };
            let step = move |connection: &Connection| {
                let mut removed = Collected::default();
                collection::remove(connection, &batch, unlink, &mut removed)?;
                Ok(removed)
            };
            let some = self.free(Durability::Durable, step).await?;
            removed.links += some.links;
            removed.blobs += some.blobs;
            removed.bytes += some.bytes;
        }
        Ok(removed)
    }
}

/// The repository of an image of a copy, and the image's last use.
fn find(connection: &Connection, image: &CachedImage) -> rusqlite::Result<Option<(i64, i64)>> {
    const FIND: &str = concat!(
        "SELECT r.id, ",
        last_use!(),
        " FROM manifest m JOIN repository r ON r.id = m.repository
        WHERE m.id = ?1 AND m.digest = ?2 AND r.name = ?3 AND r.origin <> 'local'"
    );
    let params = (image.id, image.digest.to_string(), image.repository.as_str());
    sql::first(connection, FIND, params, |row| Ok((row.get(0)?, row.get(1)?)))
}
