//! Manifests: their exact bytes, what they name, and the tags that name them.

use bytes::Bytes;
use hythe_oci::{Digest, Reference, RepositoryName, Tag};
use rusqlite::{Connection, Row};

use crate::writer::Durability;
use crate::{Catalog, Origin, Result, blobs, origin, repositories, sql};

/// What a HEAD answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestHead {
    /// Its digest.
    pub digest: Digest,
    /// The media type that it was pushed as.
    pub media_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was last pushed, or [used](Catalog::touch_manifest).
    pub pushed: i64,
}

/// A manifest to store, already parsed and verified by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestPush {
    /// Where it goes.
    pub repository: RepositoryName,
    /// Where that repository's content comes from.
    pub origin: Origin,
    /// Whether it was fetched with credentials.
    pub private: bool,
    /// The digest of `bytes`.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Exactly what was pushed.
    pub bytes: Bytes,
    /// What referrers are filtered by.
    pub artifact_type: Option<String>,
    /// Its annotations, as a JSON object.
    pub annotations: Option<String>,
    /// The manifest that it refers to, whether or not that one exists.
    pub subject: Option<Digest>,
    /// The blobs that it is made of.
    pub blobs: Vec<Digest>,
    /// Whether nothing is stored where the repository lacks one of them.
    pub require_blobs: bool,
    /// The manifests that it names, whether or not they exist.
    pub manifests: Vec<Digest>,
    /// The tags that are to name it.
    pub tags: Vec<Tag>,
    /// The time.
    pub now: i64,
}

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestPushed {
    /// It is stored and tagged.
    Stored {
        /// The blobs that the repository lacks, where they were not required.
        missing: Vec<Digest>,
    },
    /// The repository lacks these blobs; nothing was stored.
    BlobsUnknown(Vec<Digest>),
}

impl Catalog {
    /// A manifest's digest, media type and size: the hottest read, one statement, or none while nothing is written.
    pub fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<ManifestHead>> {
        // Before the read: what it then finds is at least as new.
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
        const BY_TAG: &str = "SELECT m.digest, m.media_type, m.size, m.pushed FROM repository r
            JOIN tag t ON t.repository = r.id JOIN manifest m ON m.id = t.manifest
            WHERE r.name = ?1 AND t.name = ?2";
        const BY_DIGEST: &str = "SELECT m.digest, m.media_type, m.size, m.pushed FROM repository r
            JOIN manifest m ON m.repository = r.id WHERE r.name = ?1 AND m.digest = ?2";
        let name = repository.as_str();
        self.read(|connection| match reference {
            Reference::Tag(tag) => sql::first(connection, BY_TAG, (name, tag.as_str()), head),
            Reference::Digest(digest) => sql::first(connection, BY_DIGEST, (name, digest.to_string()), head),
        })
    }

    /// A manifest's exact bytes.
    pub fn manifest_bytes(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<Bytes>> {
        const BYTES: &str = "SELECT m.bytes FROM repository r JOIN manifest m ON m.repository = r.id
            WHERE r.name = ?1 AND m.digest = ?2";
        self.read(|connection| {
            sql::first(connection, BYTES, (repository.as_str(), digest.to_string()), |row| {
                Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?))
            })
        })
    }

    /// Stores a manifest, what it names and its tags, if the repository has all of its blobs or they are not
    /// required. Those that it has count as used from now. Pushing the same again changes what the bytes do not say: media type, tags, time. Durable.
    pub async fn push_manifest(&self, push: ManifestPush) -> Result<ManifestPushed> {
        self.write(Durability::Durable, move |connection| {
            if let Err(refused) = origin::check(connection, &push.repository, &push.origin)? {
                return Ok(Err(refused));
            }
            let unknown = unknown_blobs(connection, &push)?;
            if push.require_blobs && !unknown.is_empty() {
                return Ok(Ok(ManifestPushed::BlobsUnknown(unknown)));
            }
            let (name, origin) = (&push.repository, &push.origin);
            let repository = repositories::find_or_create(connection, name, origin, push.private)?;
            let manifest = store(connection, repository, &push)?;
            for digest in push.blobs.iter().chain(&push.manifests) {
                const REFER: &str = "INSERT INTO reference (repository, digest, manifest) VALUES (?1, ?2, ?3)
                    ON CONFLICT DO NOTHING";
                sql::run(connection, REFER, (repository, digest.to_string(), manifest))?;
            }
            for tag in &push.tags {
                const TAG: &str =
                    "INSERT INTO tag (repository, name, manifest, updated) VALUES (?1, ?2, ?3, ?4)
                    ON CONFLICT (repository, name)
                    DO UPDATE SET manifest = excluded.manifest, updated = excluded.updated";
                sql::run(connection, TAG, (repository, tag.as_str(), manifest, push.now))?;
            }
            Ok(Ok(ManifestPushed::Stored { missing: unknown }))
        })
        .await?
    }

    /// Notes that somebody relies on a manifest as if it were pushed now; false where it is not there any more. Durable: a
    /// client does not push what it was told is here.
    pub async fn touch_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        now: i64,
    ) -> Result<bool> {
        let (repository, digest) = (repository.clone(), *digest);
        self.write(Durability::Durable, move |connection| {
            const TOUCH: &str = "UPDATE manifest SET pushed = ?3 WHERE repository = ?1 AND digest = ?2";
            let Some(repository) = repositories::find(connection, &repository)? else { return Ok(false) };
            Ok(sql::run(connection, TOUCH, (repository, digest.to_string(), now))? > 0)
        })
        .await
    }

    /// Removes a manifest with its tags and references; false where there was none. Durable.
    pub async fn delete_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool> {
        let (repository, digest) = (repository.clone(), *digest);
        self.write(Durability::Durable, move |connection| {
            const FIND: &str = "SELECT id FROM manifest WHERE repository = ?1 AND digest = ?2";
            let Some(repository) = repositories::find(connection, &repository)? else { return Ok(false) };
            let params = (repository, digest.to_string());
            let Some(manifest) = sql::first(connection, FIND, params, |row| row.get(0))? else {
                return Ok(false);
            };
            delete(connection, repository, manifest)?;
            repositories::forget_if_empty(connection, repository)?;
            Ok(true)
        })
        .await
    }
}

fn head(row: &Row<'_>) -> rusqlite::Result<ManifestHead> {
    let (digest, size) = (sql::parsed(row, 0)?, sql::unsigned(row, 2)?);
    Ok(ManifestHead { digest, media_type: row.get(1)?, size, pushed: row.get(3)? })
}

/// Those of the push's blobs that its repository does not link. The others are touched even if some are
/// missing: the client is about to push the rest, and the collector must not take these meanwhile.
fn unknown_blobs(connection: &Connection, push: &ManifestPush) -> rusqlite::Result<Vec<Digest>> {
    let repository = repositories::find(connection, &push.repository)?;
    let mut unknown = Vec::new();
    for digest in &push.blobs {
        let known = match repository {
            Some(repository) => blobs::touch(connection, repository, digest, push.now)?,
            None => false,
        };
        if !known && !unknown.contains(digest) {
            unknown.push(*digest);
        }
    }
    Ok(unknown)
}

/// The row's id. Only what does not follow from the bytes is overwritten where the row is already there.
fn store(connection: &Connection, repository: i64, push: &ManifestPush) -> rusqlite::Result<i64> {
    const FIND: &str = "SELECT id FROM manifest WHERE repository = ?1 AND digest = ?2";
    const UPDATE: &str = "UPDATE manifest SET media_type = ?2, artifact_type = ?3, pushed = ?4 WHERE id = ?1";
    const INSERT: &str = "INSERT INTO manifest
        (repository, digest, media_type, size, pushed, subject, artifact_type, annotations, bytes)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let digest = push.digest.to_string();
    if let Some(id) = sql::first(connection, FIND, (repository, &digest), |row| row.get(0))? {
        sql::run(connection, UPDATE, (id, &push.media_type, &push.artifact_type, push.now))?;
        return Ok(id);
    }
    let params = (
        repository,
        &digest,
        &push.media_type,
        sql::signed(push.bytes.len() as u64),
        push.now,
        push.subject.map(|subject| subject.to_string()),
        &push.artifact_type,
        &push.annotations,
        &push.bytes[..],
    );
    sql::run(connection, INSERT, params)?;
    let id = connection.last_insert_rowid();
    count(connection, repository, 1)?;
    Ok(id)
}

/// Removes a manifest that is there; its tags and references go with it, by the schema's cascade.
pub(crate) fn delete(connection: &Connection, repository: i64, manifest: i64) -> rusqlite::Result<()> {
    sql::run(connection, "DELETE FROM manifest WHERE id = ?1", [manifest])?;
    count(connection, repository, -1)
}

fn count(connection: &Connection, repository: i64, change: i64) -> rusqlite::Result<()> {
    const COUNT: &str = "UPDATE repository SET manifests = manifests + ?2 WHERE id = ?1";
    sql::run(connection, COUNT, (repository, change)).map(|_| ())
}
