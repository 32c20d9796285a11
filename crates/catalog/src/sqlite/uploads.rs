//! Upload sessions: the offset of each, and which request may continue it.

use hythe_oci::{Digest, RepositoryName, UploadId};
use rusqlite::{Connection, Row};

use super::writer::Durability;
use super::{Catalog, sql};
use crate::{Error, Result, StaleUpload, Upload, UploadSave, UploadStart};

impl Catalog {
    /// The session, if this repository has it.
    pub async fn upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<Option<Upload>> {
        const FIND: &str =
            "SELECT id, algorithm, byte_offset, state, epoch, started, updated, digest FROM upload
            WHERE id = ?1 AND repository = ?2 AND expired = 0";
        let params = (id.to_string(), repository.as_str());
        self.read(|connection| sql::first(connection, FIND, params, upload))
    }

    /// The unfinished session by which the registry fetches this blob for this repository, if there is such a session.
    pub async fn fetch(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<Upload>> {
        const FIND: &str =
            "SELECT id, algorithm, byte_offset, state, epoch, started, updated, digest FROM upload
            WHERE repository = ?1 AND digest = ?2 AND fetch = 1 AND expired = 0 ORDER BY started DESC LIMIT 1";
        let params = (repository.as_str(), digest.to_string());
        self.read(|connection| sql::first(connection, FIND, params, upload))
    }

    /// Whether any repository has the session, expired or not. If not, the session's file may be removed.
    pub async fn upload_exists(&self, id: &UploadId) -> Result<bool> {
        self.read(|connection| {
            sql::first(connection, "SELECT 1 FROM upload WHERE id = ?1", [id.to_string()], |_| Ok(()))
                .map(|found| found.is_some())
        })
    }

    /// Sessions that have not changed since `before`, the oldest first. The caller must [expire](Self::expire_upload) a
    /// session before it removes its files, and [delete](Self::delete_upload) it afterwards.
    pub async fn stale_uploads(&self, before: i64, limit: usize) -> Result<Vec<StaleUpload>> {
        const STALE: &str = "SELECT id, digest FROM upload WHERE updated < ?1 ORDER BY updated LIMIT ?2";
        self.read(|connection| {
            sql::all(connection, STALE, (before, sql::limit(limit)), |row| {
                Ok(StaleUpload { id: sql::parsed(row, 0)?, digest: sql::parsed_option(row, 1)? })
            })
        })
    }

    /// Begins a session. Relaxed.
    pub async fn start_upload(&self, start: UploadStart) -> Result<()> {
        self.write(Durability::Relaxed, move |connection| {
            const START: &str =
                "INSERT INTO upload (id, repository, algorithm, digest, fetch, started, updated)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT DO NOTHING";
            let UploadStart { id, repository, algorithm, digest, fetch, now } = &start;
            let digest = digest.map(|digest| digest.to_string());
            let params = (id.to_string(), repository.as_str(), algorithm.as_str(), digest, fetch, now);
            sql::run(connection, START, params).map(|_| ())
        })
        .await
    }

    /// Takes a session over: its previous owner can no longer save. `digest` is the name that the session's file is
    /// about to get. It is recorded before the file gets it, so that a file which a crash leaves under that name can be
    /// found. Durable with a digest, otherwise relaxed.
    pub async fn claim_upload(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        digest: Option<Digest>,
        now: i64,
    ) -> Result<Option<Upload>> {
        let (repository, id) = (repository.clone(), *id);
        let durability = if digest.is_some() { Durability::Durable } else { Durability::Relaxed };
        self.write(durability, move |connection| {
            const CLAIM: &str =
                "UPDATE upload SET epoch = epoch + 1, digest = coalesce(?3, digest), updated = ?4
                WHERE id = ?1 AND repository = ?2 AND expired = 0
                RETURNING id, algorithm, byte_offset, state, epoch, started, updated, digest";
            let digest = digest.map(|digest| digest.to_string());
            sql::first(connection, CLAIM, (id.to_string(), repository.as_str(), digest, now), upload)
        })
        .await
    }

    /// Saves the progress of a session. False if another request claimed the session meanwhile, or if it no longer
    /// exists. Relaxed: after a power loss the session may be where it was before.
    pub async fn save_upload(&self, save: UploadSave) -> Result<bool> {
        self.write(Durability::Relaxed, move |connection| {
            const SAVE: &str = "UPDATE upload SET byte_offset = ?3, algorithm = ?4, updated = ?6,
                    state = coalesce(?5, CASE WHEN algorithm = ?4 THEN state END)
                WHERE id = ?1 AND epoch = ?2 AND expired = 0";
            let UploadSave { id, epoch, offset, algorithm, state, now } = &save;
            let params = (id.to_string(), epoch, sql::signed(*offset), algorithm.as_str(), state, now);
            sql::run(connection, SAVE, params).map(|saved| saved > 0)
        })
        .await
    }

    /// Ends a session that has not changed since `before`, and keeps its row until its files are removed. False if the
    /// session changed or no longer exists. No request can find or claim an expired session, so its files can be
    /// removed. Durable: after a power loss a session without files must not exist again.
    pub async fn expire_upload(&self, id: &UploadId, before: i64) -> Result<bool> {
        let id = *id;
        self.free(Durability::Durable, move |connection| {
            const EXPIRE: &str = "UPDATE upload SET expired = 1 WHERE id = ?1 AND updated < ?2";
            sql::run(connection, EXPIRE, (id.to_string(), before)).map(|expired| expired > 0)
        })
        .await
    }

    /// Deletes a session whose files are removed; false if it did not exist. Relaxed.
    pub async fn delete_upload(&self, id: &UploadId) -> Result<bool> {
        let id = *id;
        self.free(Durability::Relaxed, move |connection| {
            let deleted = sql::run(connection, "DELETE FROM upload WHERE id = ?1", [id.to_string()])?;
            Ok(deleted > 0)
        })
        .await
    }
}

/// Ends the session that becomes a blob. False if the session expired meanwhile: its file may already be removed.
pub(crate) fn finish(connection: &Connection, id: &UploadId) -> rusqlite::Result<bool> {
    sql::run(connection, "DELETE FROM upload WHERE id = ?1 AND expired = 0", [id.to_string()])?;
    sql::first(connection, "SELECT 1 FROM upload WHERE id = ?1", [id.to_string()], |_| Ok(()))
        .map(|left| left.is_none())
}

/// The error of an upload that expired before it was finished.
pub(crate) fn expired(id: &UploadId) -> Error {
    Error::Unavailable(format!("upload {id} expired before it was finished"))
}

fn upload(row: &Row<'_>) -> rusqlite::Result<Upload> {
    Ok(Upload {
        id: sql::parsed(row, 0)?,
        algorithm: sql::parsed(row, 1)?,
        offset: sql::unsigned(row, 2)?,
        state: row.get(3)?,
        epoch: row.get(4)?,
        started: row.get(5)?,
        updated: row.get(6)?,
        digest: sql::parsed_option(row, 7)?,
    })
}
