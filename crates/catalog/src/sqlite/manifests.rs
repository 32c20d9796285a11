//! Manifests: their exact bytes, the digests that they reference, and the tags that name them.

use bytes::Bytes;
use hythe_oci::{Digest, Reference, RepositoryName};
use rusqlite::{Connection, Row};

use super::freed::Freed;
use super::manifest_rows::{find, refer, set_tags, store};
use super::turns::How;
use super::writer::{Durability, TURN};
use super::{Catalog, blobs, origin, protected, repositories, sql, turns};
use crate::{ManifestHead, ManifestPush, ManifestPushed, Result, Times};

impl Catalog {
    /// A manifest's digest, media type, size and time of push. This is the most frequent read: one statement, or none
    /// as long as nothing is written.
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<ManifestHead>> {
        // The version is read before the manifest, so that the manifest is at least as new as the version.
        let version = self.inner.readers.version();
        if let Some(version) = version
            && let Some(head) = self.inner.heads.get(version, repository, reference)
        {
            return Ok(Some(head));
        }
        let head = self.read_manifest(repository, reference)?;
        if let (Some(version), Some(head)) = (version, &head) {
            self.inner.heads.keep(version, repository, reference, head);
        }
        Ok(head)
    }

    fn read_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<ManifestHead>> {
        const BY_TAG: &str = "SELECT m.digest, m.media_type, m.size, m.pushed, u.last_use, u.pulled, t.pulled
            FROM repository r JOIN tag t ON t.repository = r.id JOIN manifest m ON m.id = t.manifest
            LEFT JOIN manifest_use u ON u.manifest = m.id
            WHERE r.name = ?1 AND t.name = ?2";
        const BY_DIGEST: &str = "SELECT m.digest, m.media_type, m.size, m.pushed, u.last_use, u.pulled, NULL
            FROM repository r JOIN manifest m ON m.repository = r.id
            LEFT JOIN manifest_use u ON u.manifest = m.id
            WHERE r.name = ?1 AND m.digest = ?2";
        let name = repository.as_str();
        self.read(|connection| match reference {
            Reference::Tag(tag) => sql::first(connection, BY_TAG, (name, tag.as_str()), head),
            Reference::Digest(digest) => sql::first(connection, BY_DIGEST, (name, digest.to_string()), head),
        })
    }

    /// A manifest's exact bytes.
    pub async fn manifest_bytes(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Bytes>> {
        const BYTES: &str = "SELECT m.bytes FROM repository r JOIN manifest m ON m.repository = r.id
            WHERE r.name = ?1 AND m.digest = ?2";
        self.read(|connection| {
            sql::first(connection, BYTES, (repository.as_str(), digest.to_string()), |row| {
                Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?))
            })
        })
    }

    /// Stores a manifest, its references and its tags, if the repository has all of its blobs or they are not required.
    /// The blobs that the repository has count as used now. Pushing the same manifest again changes what does not
    /// follow from its bytes: media type, tags, time. Durable.
    pub async fn push_manifest(&self, push: ManifestPush) -> Result<ManifestPushed> {
        self.check_room().await?;
        if push.blobs.len() + push.manifests.len() > TURN {
            return self.push_in_turns(push).await;
        }
        self.write(Durability::Durable, move |connection| {
            if let Err(refused) = origin::check(connection, &push.repository, &push.origin)? {
                return Ok(Err(refused));
            }
            push_at_once(connection, &push).map(Ok)
        })
        .await?
    }

    /// Removes a manifest with its tags and references; false if it did not exist. Durable.
    pub async fn delete_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool> {
        loop {
            let (repository, digest) = (repository.clone(), *digest);
            let step = move |connection: &Connection| {
                let Some(repository) = repositories::find(connection, &repository)? else { return Ok(None) };
                let Some(manifest) = find(connection, repository, &digest)? else { return Ok(None) };
                let retired = turns::retire(connection, repository, manifest)?;
                repositories::forget_if_empty(connection, repository)?;
                Ok(Some(retired.how))
            };
            match self.free(Durability::Durable, step).await? {
                None => return Ok(false),
                Some(How::Begun) => {}
                Some(How::Whole) => return Ok(true),
                Some(How::Hidden) => {
                    self.clear_retired().await;
                    return Ok(true);
                }
            }
        }
    }
}

fn head(row: &Row<'_>) -> rusqlite::Result<ManifestHead> {
    let (digest, size, pushed) = (sql::parsed(row, 0)?, sql::unsigned(row, 2)?, row.get(3)?);
    let last_use = row.get::<_, Option<i64>>(4)?.unwrap_or(pushed);
    let times = Times { pushed, last_use, pulled: row.get(5)?, tag_pulled: row.get(6)? };
    Ok(ManifestHead { digest, media_type: row.get(1)?, size, times })
}

fn push_at_once(connection: &Connection, push: &ManifestPush) -> rusqlite::Result<ManifestPushed> {
    if let Some(tag) = protected::moved(connection, push)? {
        return Ok(ManifestPushed::TagProtected(tag));
    }
    let named = push.named();
    let repository = repositories::find(connection, &push.repository)?;
    let taken = Freed::of(connection, &push.repository)?;
    let (mut unknown, mut freed) = (Vec::new(), Vec::new());
    for (digest, is_blob) in &named {
        // The present blobs count as used even if others are missing: the client is about to push the rest, and garbage
        // collection must not remove these meanwhile.
        let known = match repository {
            Some(repository) if *is_blob => blobs::touch(connection, repository, digest, push.now)?,
            _ => false,
        };
        if *is_blob && !known {
            unknown.push(*digest);
        }
        if !known && taken.lacks(connection, repository.unwrap_or(NOWHERE), digest)? {
            freed.push(*digest);
        }
    }
    if let Some(lacking) = push.lacking(&unknown, &freed) {
        return Ok(ManifestPushed::BlobsUnknown(lacking));
    }
    let repository = repositories::find_or_create(connection, &push.repository, &push.origin, push.private)?;
    let manifest = store(connection, repository, push)?;
    for (digest, _) in &named {
        refer(connection, repository, digest, manifest)?;
    }
    set_tags(connection, repository, manifest, push)?;
    Ok(ManifestPushed::Stored { missing: unknown })
}

/// An id that no repository with content has.
const NOWHERE: i64 = 0;
