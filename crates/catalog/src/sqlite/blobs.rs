//! Blobs, each stored in one file, and links, by which repositories have blobs.

use hythe_oci::{Digest, RepositoryName, UploadId};
use rusqlite::{Connection, Row};

use super::writer::Durability;
use super::{Catalog, origin, repositories, sql, uploads};
use crate::{Blob, BlobCommit, BlobFile, Error, MountFrom, Provenance, Result};

impl Catalog {
    /// The blob, if this repository links it.
    pub async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<Blob>> {
        const FIND: &str = "SELECT b.digest, b.size, b.generation, l.last_use FROM repository r
            JOIN link l ON l.repository = r.id JOIN blob b ON b.digest = l.digest
            WHERE r.name = ?1 AND l.digest = ?2";
        let params = (repository.as_str(), digest.to_string());
        self.read(|connection| sql::first(connection, FIND, params, blob))
    }

    /// Whether the catalog has any blob.
    pub async fn has_blobs(&self) -> Result<bool> {
        let found =
            self.read(|connection| sql::first(connection, "SELECT 1 FROM blob LIMIT 1", [], |_| Ok(())));
        found.map(|found| found.is_some())
    }

    /// Up to `limit` files that are recorded for removal, because no blob names them any more, by digest and then
    /// generation. `after` is the last file of the page before.
    pub async fn doomed(&self, after: Option<&BlobFile>, limit: usize) -> Result<Vec<BlobFile>> {
        const LIST: &str = "SELECT digest, generation, size FROM doomed
            WHERE (digest, generation) > (?1, ?2) ORDER BY digest, generation LIMIT ?3";
        let (digest, generation) = after
            .map_or_else(Default::default, |file| (file.digest.to_string(), file.generation.to_string()));
        self.read(|connection| {
            sql::all(connection, LIST, (digest, generation, sql::limit(limit)), |row| {
                Ok(BlobFile {
                    digest: sql::parsed(row, 0)?,
                    generation: sql::parsed(row, 1)?,
                    size: sql::unsigned(row, 2)?,
                })
            })
        })
    }

    /// The live file of a digest, whichever repositories link it.
    pub async fn live_file(&self, digest: &Digest) -> Result<Option<BlobFile>> {
        self.read(|connection| live(connection, digest))
    }

    /// Makes a file a blob of the repository, and ends the upload that wrote the file. If the blob already exists, its
    /// file stays live and the new file is doomed. Returns the live generation, or [`Error::UploadTaken`] if the caller
    /// no longer owns the upload. Durable.
    pub async fn commit_blob(&self, commit: BlobCommit) -> Result<UploadId> {
        self.commit(commit, None).await
    }

    /// Like [`commit_blob`](Self::commit_blob), for a caller that found the file of generation `lost` lost or damaged:
    /// if that generation is still live, the new file takes its place in every repository, and the old file is doomed.
    pub async fn replace_blob(&self, commit: BlobCommit, lost: UploadId) -> Result<UploadId> {
        self.commit(commit, Some(lost)).await
    }

    async fn commit(&self, commit: BlobCommit, lost: Option<UploadId>) -> Result<UploadId> {
        self.write(Durability::Durable, move |connection| {
            let BlobCommit { repository, origin, private, .. } = &commit;
            let BlobCommit { digest, size, generation, epoch, now, .. } = commit;
            if let Err(refused) = origin::check(connection, repository, origin)? {
                return Ok(Err(refused));
            }
            let live = live(connection, &digest)?.map(|file| file.generation);
            if !uploads::finish(connection, &generation, epoch)? && live != Some(generation) {
                return Ok(Err(Error::UploadTaken(generation)));
            }
            match live {
                // The caller repeats the command because the first answer got lost: its file already is the live one.
                Some(live) if live == generation => {}
                Some(live) if lost == Some(live) => {
                    const REPLACE: &str = "UPDATE blob SET generation = ?2, size = ?3 WHERE digest = ?1";
                    let params = (digest.to_string(), generation.to_string(), sql::signed(size));
                    sql::run(connection, REPLACE, params)?;
                    doom(connection, &BlobFile { digest, generation: live, size })?;
                }
                Some(_) => doom(connection, &BlobFile { digest, generation, size })?,
                None => {
                    const INSERT: &str =
                        "INSERT INTO blob (digest, size, generation, created) VALUES (?1, ?2, ?3, ?4)";
                    let params = (digest.to_string(), sql::signed(size), generation.to_string(), now);
                    sql::run(connection, INSERT, params)?;
                }
            }
            let repository = repositories::find_or_create(connection, repository, origin, *private)?;
            link(connection, repository, &digest, now)?;
            Ok(Ok(live.filter(|live| lost != Some(*live)).unwrap_or(generation)))
        })
        .await?
    }

    /// Links the blob into the repository and ends the upload, whose bytes the caller found to be those of the
    /// generation `same`. Keeps nothing of the upload. False if `same` is no longer the live generation: then nothing
    /// has changed. Returns [`Error::UploadTaken`] if the caller no longer owns the upload. Durable.
    pub async fn link_same(&self, commit: BlobCommit, same: UploadId) -> Result<bool> {
        self.write(Durability::Durable, move |connection| {
            let BlobCommit { repository, origin, private, .. } = &commit;
            let BlobCommit { digest, generation, epoch, now, .. } = commit;
            if let Err(refused) = origin::check(connection, repository, origin)? {
                return Ok(Err(refused));
            }
            if live(connection, &digest)?.is_none_or(|file| file.generation != same) {
                return Ok(Ok(false));
            }
            if !uploads::finish(connection, &generation, epoch)? {
                return Ok(Err(Error::UploadTaken(generation)));
            }
            let repository = repositories::find_or_create(connection, repository, origin, *private)?;
            link(connection, repository, &digest, now)?;
            Ok(Ok(true))
        })
        .await?
    }

    /// Links a blob of another repository into `to`; `None` if that repository does not have the blob. `provenance` is
    /// that of the content of `to`. Durable.
    pub async fn mount_blob(
        &self,
        digest: &Digest,
        from: MountFrom,
        to: RepositoryName,
        provenance: Provenance,
        now: i64,
    ) -> Result<Option<Blob>> {
        let digest = *digest;
        self.write(Durability::Durable, move |connection| {
            const ANY: &str = "SELECT digest, size, generation, ?2 FROM blob WHERE digest = ?1";
            const PUBLIC: &str = "SELECT digest, size, generation, ?2 FROM blob b WHERE digest = ?1
                AND EXISTS (SELECT 1 FROM link l JOIN repository r ON r.id = l.repository
                    WHERE l.digest = b.digest AND r.private = 0)";
            const FROM: &str = "SELECT b.digest, b.size, b.generation, ?2 FROM repository r
                JOIN link l ON l.repository = r.id JOIN blob b ON b.digest = l.digest
                WHERE l.digest = ?1 AND r.name = ?3";
            let Provenance { origin, private } = &provenance;
            if let Err(refused) = origin::check(connection, &to, origin)? {
                return Ok(Err(refused));
            }
            let found = match &from {
                // Every blob has at least one link, so the blob's row shows that some repository has it.
                MountFrom::Any => sql::first(connection, ANY, (digest.to_string(), now), blob)?,
                MountFrom::AnyPublic => sql::first(connection, PUBLIC, (digest.to_string(), now), blob)?,
                MountFrom::Repository(from) => {
                    sql::first(connection, FROM, (digest.to_string(), now, from.as_str()), blob)?
                }
            };
            if found.is_some() {
                let to = repositories::find_or_create(connection, &to, origin, *private)?;
                link(connection, to, &digest, now)?;
            }
            Ok(Ok(found))
        })
        .await?
    }

    /// Records that the repository used the blob; false if the repository no longer links it. Durable, because a client
    /// does not push a blob that the registry said is here.
    pub async fn touch_blob(&self, repository: &RepositoryName, digest: &Digest, now: i64) -> Result<bool> {
        let (repository, digest) = (repository.clone(), *digest);
        self.write(Durability::Durable, move |connection| {
            match repositories::find(connection, &repository)? {
                Some(repository) => touch(connection, repository, &digest, now),
                None => Ok(false),
            }
        })
        .await
    }

    /// Removes the blob from the repository, and dooms its file if no other repository links the blob. False if the
    /// repository did not link it. Durable.
    pub async fn unlink_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool> {
        let (repository, digest) = (repository.clone(), *digest);
        self.free(Durability::Durable, move |connection| {
            const UNLINK: &str = "DELETE FROM link WHERE repository = ?1 AND digest = ?2";
            let Some(repository) = repositories::find(connection, &repository)? else { return Ok(false) };
            let unlinked = sql::run(connection, UNLINK, (repository, digest.to_string()))? > 0;
            if unlinked {
                bury_if_unlinked(connection, &digest)?;
                repositories::forget_if_empty(connection, repository)?;
            }
            Ok(unlinked)
        })
        .await
    }

    /// Deletes the rows of doomed files that are removed. Relaxed, because removing a file twice does no harm.
    pub async fn forget_doomed(&self, files: Vec<BlobFile>) -> Result<()> {
        self.free(Durability::Relaxed, move |connection| {
            for file in &files {
                let params = (file.digest.to_string(), file.generation.to_string());
                sql::run(connection, "DELETE FROM doomed WHERE digest = ?1 AND generation = ?2", params)?;
            }
            Ok(())
        })
        .await
    }
}

fn live(connection: &Connection, digest: &Digest) -> rusqlite::Result<Option<BlobFile>> {
    const FIND: &str = "SELECT generation, size FROM blob WHERE digest = ?1";
    sql::first(connection, FIND, [digest.to_string()], |row| {
        Ok(BlobFile { digest: *digest, generation: sql::parsed(row, 0)?, size: sql::unsigned(row, 1)? })
    })
}

fn blob(row: &Row<'_>) -> rusqlite::Result<Blob> {
    Ok(Blob {
        digest: sql::parsed(row, 0)?,
        size: sql::unsigned(row, 1)?,
        generation: sql::parsed(row, 2)?,
        last_use: row.get(3)?,
    })
}

fn link(connection: &Connection, repository: i64, digest: &Digest, now: i64) -> rusqlite::Result<()> {
    const LINK: &str = "INSERT INTO link (repository, digest, last_use) VALUES (?1, ?2, ?3)
        ON CONFLICT (repository, digest) DO UPDATE SET last_use = max(last_use, excluded.last_use)";
    sql::run(connection, LINK, (repository, digest.to_string(), now)).map(|_| ())
}

/// Records a use of the blob if the repository links it; returns whether it does. The time of the last use never moves
/// back.
pub(crate) fn touch(
    connection: &Connection,
    repository: i64,
    digest: &Digest,
    now: i64,
) -> rusqlite::Result<bool> {
    const TOUCH: &str = "UPDATE link SET last_use = max(last_use, ?3) WHERE repository = ?1 AND digest = ?2";
    sql::run(connection, TOUCH, (repository, digest.to_string(), now)).map(|changed| changed > 0)
}

/// Keeps the invariant that every blob has at least one link: deletes the row of a blob without links, and dooms its
/// file.
pub(crate) fn bury_if_unlinked(
    connection: &Connection,
    digest: &Digest,
) -> rusqlite::Result<Option<BlobFile>> {
    const BURY: &str = "DELETE FROM blob WHERE digest = ?1
        AND NOT EXISTS (SELECT 1 FROM link WHERE digest = ?1) RETURNING generation, size";
    let file = sql::first(connection, BURY, [digest.to_string()], |row| {
        Ok(BlobFile { digest: *digest, generation: sql::parsed(row, 0)?, size: sql::unsigned(row, 1)? })
    })?;
    if let Some(file) = &file {
        doom(connection, file)?;
    }
    Ok(file)
}

fn doom(connection: &Connection, file: &BlobFile) -> rusqlite::Result<()> {
    const DOOM: &str =
        "INSERT INTO doomed (digest, generation, size) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let params = (file.digest.to_string(), file.generation.to_string(), sql::signed(file.size));
    sql::run(connection, DOOM, params).map(|_| ())
}
