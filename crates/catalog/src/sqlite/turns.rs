//! Manifests with very many references: they are stored and removed in turns, so that no other write waits long for
//! one.
//!
//! Between the turns the manifest's row is in a hidden repository, which no name selects, so no request finds it. The
//! manifest's references belong to the real repository: they are stored before the manifest and removed after it, and
//! the collector removes nothing that they reference.

use std::sync::Arc;

use hythe_oci::Digest;
use rusqlite::Connection;

use super::collection::{self, BATCH, Unlink};
use super::writer::{Durability, TURN};
use super::{Catalog, blobs, freed, manifest_rows, origin, protected, repositories, sql, times};
use crate::{Collected, Error, LinkCursor, ManifestPush, ManifestPushed, Result};

/// The id of the hidden repository, which has the manifests that are being stored or removed.
pub(crate) const HIDDEN: i64 = 0;

/// The time of push that marks a manifest as being removed: before every real time.
const OUT: i64 = -1;

/// Marks a manifest as being removed. This removes the bytes at once, and gives the row a digest that no other row has.
const HIDE: &str = "UPDATE manifest SET repository = ?2, digest = '-' || id, pushed = ?3, subject = NULL,
    annotations = NULL, bytes = x'' WHERE id = ?1";

/// What one write did to remove a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retired {
    pub(crate) how: How,
    /// How many tags the write removed.
    pub(crate) tags: u64,
}

/// The progress of the removal of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The manifest still exists, with fewer tags.
    Begun,
    /// The manifest is removed, with its tags and references.
    Whole,
    /// No request finds the manifest any more; [`Catalog::clear_hidden`] removes its references.
    Hidden,
}

/// A manifest that is being stored, or one turn of it.
#[derive(Clone, Debug, Default)]
struct Coming {
    /// The id of the manifest's row; `None` before the first turn.
    manifest: Option<i64>,
    /// The blobs that the repository lacks.
    unknown: Vec<Digest>,
    /// The referenced blobs and manifests that garbage collection removed although a client may rely on them.
    freed: Vec<Digest>,
}

impl Catalog {
    /// Removes what interrupted pushes and removals in turns left behind: the rest of each manifest that is being
    /// removed, and of each manifest that began to be stored before `before`.
    pub async fn clear_hidden(&self, before: i64) -> Result<()> {
        let step = move |connection: &Connection| clear_some(connection, before, None).map(|(more, _)| more);
        while self.free(Durability::Relaxed, step).await? {}
        Ok(())
    }

    /// Finishes the removal of retired manifests, and removes the blobs that they were the last to reference. Durable: the
    /// caller may remove the files.
    pub(crate) async fn clear_retired_with(&self, unlink: Unlink) -> Result<Collected> {
        let mut removed = Collected::default();
        loop {
            let step = move |connection: &Connection| clear_some(connection, OUT + 1, Some(unlink));
            let (more, some) = self.free(Durability::Durable, step).await?;
            removed.links += some.links;
            removed.blobs += some.blobs;
            removed.bytes += some.bytes;
            if !more {
                return Ok(removed);
            }
        }
    }

    /// Finishes the removal of [retired](retire) manifests. If this fails, the next garbage collection finishes it.
    pub(crate) async fn clear_retired(&self) {
        let _ = self.clear_hidden(OUT + 1).await;
    }

    /// Stores a manifest that has more references than one write may handle.
    pub(crate) async fn push_in_turns(&self, push: ManifestPush) -> Result<ManifestPushed> {
        // One such push runs at a time: however many come at once, another write waits for one turn of one push.
        let alone = Arc::clone(&self.inner.turns).lock_owned().await;
        let this = self.clone();
        // The push runs in a task of its own, so that a client that goes away between two turns leaves nothing half
        // done. At most one such task runs, so clients that come and go cannot accumulate manifests in memory.
        let pushing = tokio::spawn(async move {
            let result = this.bring_or_leave(&Arc::new(push)).await;
            drop(alone);
            result
        });
        pushing.await.unwrap_or_else(|_| Err(Error::closed()))
    }

    /// Stores the manifest. If that fails, removes what is hidden of it.
    async fn bring_or_leave(&self, push: &Arc<ManifestPush>) -> Result<ManifestPushed> {
        let mut coming = Coming::default();
        let result = self.bring(push, &mut coming).await;
        if let (Err(_), Some(manifest)) = (&result, coming.manifest) {
            // If even this fails, garbage collection removes the rest later.
            let _ = self.free(Durability::Relaxed, move |connection| leave(connection, manifest)).await;
        }
        self.clear_retired().await;
        result
    }

    async fn bring(&self, push: &Arc<ManifestPush>, coming: &mut Coming) -> Result<ManifestPushed> {
        let named = push.named();
        for turn in named.chunks(TURN) {
            let (push, turn, manifest) = (Arc::clone(push), turn.to_vec(), coming.manifest);
            // These turns are relaxed: the last turn is durable, and the earlier ones reach the disk with it.
            let staged = self.write(Durability::Relaxed, move |connection| {
                if let Err(refused) = origin::check(connection, &push.repository, &push.origin)? {
                    return Ok(Err(refused));
                }
                stage(connection, &push, &turn, manifest).map(Ok)
            });
            let staged = staged.await??;
            coming.manifest = staged.manifest;
            coming.unknown.extend(staged.unknown);
            coming.freed.extend(staged.freed);
        }
        let (push, coming) = (Arc::clone(push), coming.clone());
        self.write(Durability::Durable, move |connection| {
            if let Err(refused) = origin::check(connection, &push.repository, &push.origin)? {
                return Ok(Err(refused));
            }
            settle(connection, &push, &coming)
        })
        .await?
    }
}

/// Removes a part of one hidden manifest, and with `unlink` the blobs that nothing references any more. Returns whether
/// more may be left.
fn clear_some(
    connection: &Connection,
    before: i64,
    unlink: Option<Unlink>,
) -> rusqlite::Result<(bool, Collected)> {
    // The digests of deleted manifests, which can be restored, begin with `~`.
    const FIND: &str =
        "SELECT id FROM manifest WHERE repository = ?1 AND digest < '~' AND pushed < ?2 LIMIT 1";
    const NAMED: &str = "SELECT repository, digest FROM reference WHERE manifest = ?1 LIMIT ?2";
    const FORGET: &str = "DELETE FROM reference WHERE repository = ?1 AND digest = ?2 AND manifest = ?3";
    let found = sql::first(connection, FIND, (HIDDEN, before), |row| row.get::<_, i64>(0))?;
    let mut removed = Collected::default();
    let Some(manifest) = found else { return Ok((false, removed)) };
    let limit = if unlink.is_some() { BATCH } else { TURN };
    let named: Vec<(i64, Digest)> = sql::all(connection, NAMED, (manifest, sql::limit(limit)), |row| {
        Ok((row.get(0)?, sql::parsed(row, 1)?))
    })?;
    for (repository, digest) in &named {
        sql::run(connection, FORGET, (repository, digest.to_string(), manifest))?;
    }
    if let Some(unlink) = unlink {
        let link = |(repository, digest)| LinkCursor { repository, digest };
        let links: Vec<_> = named.iter().copied().map(link).collect();
        collection::remove(connection, &links, unlink, &mut removed)?;
    }
    if named.len() < limit {
        sql::run(connection, "DELETE FROM manifest WHERE id = ?1", [manifest])?;
    }
    if let Some((repository, _)) = named.first() {
        repositories::forget_if_empty(connection, *repository)?;
    }
    Ok((true, removed))
}

/// Makes a deleted manifest one that is being removed.
pub(crate) fn leave_out(connection: &Connection, manifest: i64) -> rusqlite::Result<()> {
    sql::run(connection, HIDE, (manifest, HIDDEN, OUT)).map(|_| ())
}

/// Removes an existing manifest, or begins to. If the removal has [only begun](How::Begun), the caller calls again in
/// another write.
pub(crate) fn retire(connection: &Connection, repository: i64, manifest: i64) -> rusqlite::Result<Retired> {
    let tags = untag_some(connection, repository, manifest)?;
    let retired = |how| Ok(Retired { how, tags: tags as u64 });
    if tags == TURN {
        return retired(How::Begun);
    }
    if rows(connection, manifest)? > TURN {
        sql::run(connection, HIDE, (manifest, HIDDEN, OUT))?;
        manifest_rows::count(connection, repository, -1)?;
        return retired(How::Hidden);
    }
    manifest_rows::delete(connection, repository, manifest)?;
    retired(How::Whole)
}

/// Removes tags of a manifest; returns how many. There may be more if these are as many as fit into a turn.
pub(crate) fn untag_some(connection: &Connection, repository: i64, manifest: i64) -> rusqlite::Result<usize> {
    const TAGS: &str = "SELECT name FROM tag WHERE manifest = ?1 LIMIT ?2";
    const UNTAG: &str = "DELETE FROM tag WHERE repository = ?1 AND name = ?2";
    let tags: Vec<String> = sql::all(connection, TAGS, (manifest, sql::limit(TURN)), |row| row.get(0))?;
    for tag in &tags {
        sql::run(connection, UNTAG, (repository, tag))?;
    }
    Ok(tags.len())
}

/// How many references the removal of a manifest removes. Counts at most one more than fit into a turn.
pub(crate) fn rows(connection: &Connection, manifest: i64) -> rusqlite::Result<usize> {
    const NAMED: &str = "SELECT count(*) FROM (SELECT 1 FROM reference WHERE manifest = ?1 LIMIT ?2)";
    let named = sql::first(connection, NAMED, (manifest, sql::limit(TURN + 1)), |row| sql::unsigned(row, 0))?;
    Ok(named.unwrap_or_default() as usize)
}

/// Stores one turn of a manifest: the blobs that it references count as used, and are safe from garbage collection from
/// now on.
fn stage(
    connection: &Connection,
    push: &ManifestPush,
    turn: &[(Digest, bool)],
    manifest: Option<i64>,
) -> rusqlite::Result<Coming> {
    const HIDE: &str = "INSERT INTO manifest (repository, digest, media_type, size, pushed, bytes)
        VALUES (?1, '+' || hex(randomblob(16)), '', 0, ?2, x'')";
    let repository = repositories::find_or_create(connection, &push.repository, &push.origin, push.private)?;
    let manifest = if let Some(manifest) = manifest {
        manifest
    } else {
        sql::run(connection, HIDE, (HIDDEN, push.now.max(0)))?;
        connection.last_insert_rowid()
    };
    let mut coming = Coming { manifest: Some(manifest), ..Coming::default() };
    let freed = freed::Freed::of(connection, &push.repository)?;
    for (digest, is_blob) in turn {
        let known = *is_blob && blobs::touch(connection, repository, digest, push.now)?;
        if *is_blob && !known {
            coming.unknown.push(*digest);
        }
        if !known && freed.lacks(connection, repository, digest)? {
            coming.freed.push(*digest);
        }
        manifest_rows::refer(connection, repository, digest, manifest)?;
    }
    Ok(coming)
}

/// Marks a manifest that was stored in turns, whole or in part, as being removed.
fn leave(connection: &Connection, manifest: i64) -> rusqlite::Result<()> {
    const LEAVE: &str = "UPDATE manifest SET pushed = ?3 WHERE id = ?1 AND repository = ?2";
    sql::run(connection, LEAVE, (manifest, HIDDEN, OUT)).map(|_| ())
}

/// The last turn: shows the manifest under its name, or marks it as being removed if the push is refused.
fn settle(
    connection: &Connection,
    push: &ManifestPush,
    coming: &Coming,
) -> rusqlite::Result<Result<ManifestPushed>> {
    const SHOW: &str =
        "UPDATE manifest SET repository = ?3, digest = ?4, media_type = ?5, size = ?6, pushed = ?7,
        subject = ?8, artifact_type = ?9, annotations = ?10, bytes = ?11 WHERE id = ?1 AND repository = ?2";
    let Coming { manifest, unknown, freed } = coming;
    // A manifest without references had no turn before, so it has no row. No row has the id 0.
    let manifest = manifest.unwrap_or_default();
    if let Some(tag) = protected::moved(connection, push)? {
        leave(connection, manifest)?;
        return Ok(Ok(ManifestPushed::TagProtected(tag)));
    }
    if let Some(lacking) = push.lacking(unknown, freed) {
        leave(connection, manifest)?;
        return Ok(Ok(ManifestPushed::BlobsUnknown(lacking)));
    }
    let repository = repositories::find_or_create(connection, &push.repository, &push.origin, push.private)?;
    let stored = if let Some(stored) = manifest_rows::update(connection, repository, push)? {
        leave(connection, manifest)?;
        stored
    } else {
        let digest = push.digest.to_string();
        let subject = push.subject.map(|subject| subject.to_string());
        let params = rusqlite::params![
            manifest,
            HIDDEN,
            repository,
            digest,
            push.media_type,
            sql::signed(push.bytes.len() as u64),
            push.now,
            subject,
            push.artifact_type,
            push.annotations,
            &push.bytes[..],
        ];
        if sql::run(connection, SHOW, params)? == 0 {
            let why = "the manifest was removed while it was being stored; push it again";
            return Ok(Err(Error::Unavailable(why.to_owned())));
        }
        times::begin(connection, manifest, push.now)?;
        manifest_rows::count(connection, repository, 1)?;
        manifest
    };
    manifest_rows::set_tags(connection, repository, stored, push)?;
    Ok(Ok(ManifestPushed::Stored { missing: unknown.clone() }))
}
