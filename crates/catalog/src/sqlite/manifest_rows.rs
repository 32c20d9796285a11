//! The rows of manifests, of their references and of their tags: the statements that change them.

use hythe_oci::Digest;
use rusqlite::Connection;

use super::history::{self, Change};
use super::{sql, times};
use crate::ManifestPush;

pub(crate) fn refer(
    connection: &Connection,
    repository: i64,
    digest: &Digest,
    manifest: i64,
) -> rusqlite::Result<()> {
    const REFER: &str = "INSERT INTO reference (repository, digest, manifest) VALUES (?1, ?2, ?3)
        ON CONFLICT DO NOTHING";
    sql::run(connection, REFER, (repository, digest.to_string(), manifest)).map(|_| ())
}

pub(crate) fn set_tags(
    connection: &Connection,
    repository: i64,
    manifest: i64,
    push: &ManifestPush,
) -> rusqlite::Result<()> {
    for tag in &push.tags {
        history::record(connection, repository, tag.as_str(), Change::Set(manifest), push.now)?;
        self::tag(connection, repository, tag.as_str(), manifest, (push.now, push.tagged))?;
    }
    Ok(())
}

/// Sets one tag at the time `now`, as if it was pushed at the time `tagged`.
pub(crate) fn tag(
    connection: &Connection,
    repository: i64,
    name: &str,
    manifest: i64,
    (now, tagged): (i64, i64),
) -> rusqlite::Result<()> {
    const TAG: &str = "INSERT INTO tag (repository, name, manifest, updated) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (repository, name)
        DO UPDATE SET manifest = excluded.manifest, updated = excluded.updated";
    // Before the manifest that the tag named until now is forgotten.
    const LEAVE: &str = "UPDATE manifest_use SET untagged = max(coalesce(untagged, 0), ?4)
        WHERE manifest = (SELECT manifest FROM tag WHERE repository = ?1 AND name = ?2) AND manifest <> ?3";
    sql::run(connection, LEAVE, (repository, name, manifest, now))?;
    sql::run(connection, TAG, (repository, name, manifest, tagged)).map(|_| ())
}

pub(crate) fn find(
    connection: &Connection,
    repository: i64,
    digest: &Digest,
) -> rusqlite::Result<Option<i64>> {
    const FIND: &str = "SELECT id FROM manifest WHERE repository = ?1 AND digest = ?2";
    sql::first(connection, FIND, (repository, digest.to_string()), |row| row.get(0))
}

/// Shows a deleted manifest in its repository again, without its tags. Returns the id of its row, and when it was deleted.
pub(crate) fn show(
    connection: &Connection,
    repository: i64,
    digest: &Digest,
) -> rusqlite::Result<Option<(i64, i64)>> {
    const TAKE: &str = "DELETE FROM deleted WHERE repository = ?1 AND digest = ?2 RETURNING manifest, at";
    const SHOW: &str = "UPDATE manifest SET repository = ?2, digest = ?3 WHERE id = ?1";
    let digest = digest.to_string();
    let taken =
        sql::first(connection, TAKE, (repository, &digest), |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
    if let Some((manifest, _)) = taken {
        sql::run(connection, SHOW, (manifest, repository, &digest))?;
        count(connection, repository, 1)?;
    }
    Ok(taken)
}

/// Updates the columns that do not follow from the bytes, if the manifest's row already exists. Returns the row's id. A
/// manifest that was deleted and can be restored is shown again: its push is the same as a new one.
pub(crate) fn update(
    connection: &Connection,
    repository: i64,
    push: &ManifestPush,
) -> rusqlite::Result<Option<i64>> {
    const UPDATE: &str = "UPDATE manifest SET media_type = ?2, artifact_type = ?3, pushed = ?4 WHERE id = ?1";
    const HEAL: &str = "UPDATE manifest SET bytes = ?2 WHERE id = ?1 AND bytes <> ?2";
    let found = match find(connection, repository, &push.digest)? {
        None => show(connection, repository, &push.digest)?.map(|(id, _)| id),
        found => found,
    };
    if let Some(id) = found {
        sql::run(connection, UPDATE, (id, &push.media_type, &push.artifact_type, push.now))?;
        // Other bytes under the digest are damaged: the disk changed them.
        sql::run(connection, HEAL, (id, &push.bytes[..]))?;
        times::begin(connection, id, push.now)?;
    }
    Ok(found)
}

/// Stores the manifest's row; returns its id.
pub(crate) fn store(connection: &Connection, repository: i64, push: &ManifestPush) -> rusqlite::Result<i64> {
    const INSERT: &str = "INSERT INTO manifest
        (repository, digest, media_type, size, pushed, subject, artifact_type, annotations, bytes)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    if let Some(id) = update(connection, repository, push)? {
        return Ok(id);
    }
    let params = (
        repository,
        push.digest.to_string(),
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
    times::begin(connection, id, push.now)?;
    count(connection, repository, 1)?;
    Ok(id)
}

/// Removes an existing manifest. The schema's cascade removes its tags and references.
pub(crate) fn delete(connection: &Connection, repository: i64, manifest: i64) -> rusqlite::Result<()> {
    sql::run(connection, "DELETE FROM manifest WHERE id = ?1", [manifest])?;
    count(connection, repository, -1)
}

pub(crate) fn count(connection: &Connection, repository: i64, change: i64) -> rusqlite::Result<()> {
    const COUNT: &str = "UPDATE repository SET manifests = manifests + ?2 WHERE id = ?1";
    sql::run(connection, COUNT, (repository, change)).map(|_| ())
}
