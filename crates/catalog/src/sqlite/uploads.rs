//! Upload sessions: the offset of each, and which owner may continue it.

use hythe_oci::{Digest, RepositoryName, UploadId};
use rusqlite::{Connection, Row};

use super::writer::Durability;
use super::{Catalog, sql};
use crate::{EndedUpload, Result, Upload, UploadSave, UploadStart};

impl Catalog {
    /// The session, if this repository has it. Never from a snapshot: another process may have changed it.
    pub async fn upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<Option<Upload>> {
        const FIND: &str = "SELECT id, algorithm, byte_offset, state, epoch, started, updated,
                CASE WHEN named <> 0 THEN digest END
            FROM upload WHERE id = ?1 AND repository = ?2 AND expired = 0";
        let params = (id.to_string(), repository.as_str());
        self.read_fresh(|connection| sql::first(connection, FIND, params, upload))
    }

    /// The unfinished session by which the registry fetches this blob for this repository, if there is such a session.
    pub async fn fetch(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<Upload>> {
        const FIND: &str = "SELECT id, algorithm, byte_offset, state, epoch, started, updated,
                CASE WHEN named <> 0 THEN digest END
            FROM upload WHERE repository = ?1 AND digest = ?2 AND fetch = 1 AND expired = 0
            ORDER BY started DESC LIMIT 1";
        let params = (repository.as_str(), digest.to_string());
        self.read_fresh(|connection| sql::first(connection, FIND, params, upload))
    }

    /// Whether any repository has the session, expired or not. If not, the session's file may be removed.
    pub async fn upload_exists(&self, id: &UploadId) -> Result<bool> {
        self.read_fresh(|connection| {
            sql::first(connection, "SELECT 1 FROM upload WHERE id = ?1", [id.to_string()], |_| Ok(()))
                .map(|found| found.is_some())
        })
    }

    /// Sessions that have not changed since `before`, and ended ones whose files may be left, the oldest first. The
    /// caller must [expire](Self::expire_upload) a session before it removes its files, and
    /// [delete](Self::delete_upload) it afterwards.
    pub async fn stale_uploads(&self, before: i64, limit: usize) -> Result<Vec<UploadId>> {
        const STALE: &str = "SELECT id FROM upload WHERE updated < ?1 ORDER BY updated LIMIT ?2";
        self.read(|connection| {
            sql::all(connection, STALE, (before, sql::limit(limit)), |row| sql::parsed(row, 0))
        })
    }

    /// Begins a session, which the caller owns: its epoch is [`Upload::FIRST_EPOCH`]. Relaxed.
    pub async fn start_upload(&self, start: UploadStart) -> Result<()> {
        self.write(Durability::Relaxed, move |connection| {
            const START: &str =
                "INSERT INTO upload (id, repository, algorithm, digest, fetch, epoch, started, updated)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7) ON CONFLICT DO NOTHING";
            let UploadStart { id, repository, algorithm, digest, fetch, now } = &start;
            let digest = digest.map(|digest| digest.to_string());
            let (id, repository, epoch) = (id.to_string(), repository.as_str(), Upload::FIRST_EPOCH);
            let params = (id, repository, algorithm.as_str(), digest, fetch, epoch, now);
            sql::run(connection, START, params).map(|_| ())
        })
        .await
    }

    /// Takes a session over: its previous owner can no longer save, name, commit or end it. With an `offset`, only if
    /// the session is at that offset. `None` if nothing was claimed. Relaxed: a power loss ends the previous owner too.
    pub async fn claim_upload(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        offset: Option<u64>,
        now: i64,
    ) -> Result<Option<Upload>> {
        let (repository, id, offset) = (repository.clone(), *id, offset.map(sql::signed));
        self.write(Durability::Relaxed, move |connection| {
            const CLAIM: &str = "UPDATE upload SET epoch = epoch + 1, updated = ?4
                WHERE id = ?1 AND repository = ?2 AND expired = 0 AND (?3 IS NULL OR byte_offset = ?3)
                RETURNING id, algorithm, byte_offset, state, epoch, started, updated,
                    CASE WHEN named <> 0 THEN digest END";
            sql::first(connection, CLAIM, (id.to_string(), repository.as_str(), offset, now), upload)
        })
        .await
    }

    /// Saves the progress of a session. False if another request claimed the session meanwhile, or if it no longer
    /// exists. Relaxed: after a power loss the session may be where it was before.
    pub async fn save_upload(&self, save: UploadSave) -> Result<bool> {
        self.write(Durability::Relaxed, move |connection| {
            const SAVE: &str = "UPDATE upload SET byte_offset = ?4, algorithm = ?5, updated = ?7,
                    state = coalesce(?6, CASE WHEN algorithm = ?5 THEN state END)
                WHERE id = ?1 AND epoch = ?2 AND byte_offset = ?3 AND expired = 0";
            let UploadSave { id, epoch, from, offset, algorithm, state, now } = &save;
            let (from, offset) = (sql::signed(*from), sql::signed(*offset));
            let params = (id.to_string(), epoch, from, offset, algorithm.as_str(), state, now);
            sql::run(connection, SAVE, params).map(|saved| saved > 0)
        })
        .await
    }

    /// Records the name that the session's file is about to get, before the file gets it, so that a file which a crash
    /// leaves under that name can be found. False if another request claimed the session meanwhile, or if it no longer
    /// exists. Durable.
    pub async fn name_upload(&self, id: &UploadId, epoch: i64, digest: &Digest, now: i64) -> Result<bool> {
        let (id, digest) = (*id, *digest);
        self.write(Durability::Durable, move |connection| {
            const NAME: &str = "UPDATE upload SET named = 1, digest = ?3, updated = ?4
                WHERE id = ?1 AND epoch = ?2 AND expired = 0";
            let params = (id.to_string(), epoch, digest.to_string(), now);
            sql::run(connection, NAME, params).map(|named| named > 0)
        })
        .await
    }

    /// Ends a session, and keeps its row until its files are removed. With an `epoch`, only if no later claim came.
    /// `None` if nothing was ended. No request can find, claim, save or commit an ended session, so its files can be
    /// removed. Relaxed: a session that exists again after a power loss is one that lost its bytes.
    pub async fn end_upload(&self, id: &UploadId, epoch: Option<i64>) -> Result<Option<EndedUpload>> {
        let id = *id;
        self.free(Durability::Relaxed, move |connection| {
            const END: &str = "UPDATE upload SET expired = 1 WHERE id = ?1 AND (?2 IS NULL OR epoch = ?2)
                RETURNING id, CASE WHEN named <> 0 THEN digest END";
            sql::first(connection, END, (id.to_string(), epoch), ended)
        })
        .await
    }

    /// [Ends](Self::end_upload) a session that has not changed since `before`. `None` if it changed or no longer exists.
    /// Durable: after a power loss a session without files must not exist again.
    pub async fn expire_upload(&self, id: &UploadId, before: i64) -> Result<Option<EndedUpload>> {
        let id = *id;
        self.free(Durability::Durable, move |connection| {
            const EXPIRE: &str = "UPDATE upload SET expired = 1 WHERE id = ?1 AND updated < ?2
                RETURNING id, CASE WHEN named <> 0 THEN digest END";
            sql::first(connection, EXPIRE, (id.to_string(), before), ended)
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

/// Deletes the session that becomes a blob. False if another request claimed the session, or if it has ended: its file
/// may be removed.
pub(crate) fn finish(connection: &Connection, id: &UploadId, epoch: i64) -> rusqlite::Result<bool> {
    const FINISH: &str = "DELETE FROM upload WHERE id = ?1 AND epoch = ?2 AND expired = 0";
    sql::run(connection, FINISH, (id.to_string(), epoch)).map(|deleted| deleted > 0)
}

fn ended(row: &Row<'_>) -> rusqlite::Result<EndedUpload> {
    Ok(EndedUpload { id: sql::parsed(row, 0)?, named: sql::parsed_option(row, 1)? })
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
        named: sql::parsed_option(row, 7)?,
    })
}
