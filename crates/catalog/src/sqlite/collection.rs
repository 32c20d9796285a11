//! The collector's steps: they remove unused links, and doom a blob's file when they remove the blob's last link.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::writer::Durability;
use super::{Catalog, blobs, freed, leases, repositories, sql};
use crate::{Collected, LinkCursor, Promise, Result};

/// The most links that one write removes, so that pushes never wait long for the collector.
pub(crate) const BATCH: usize = 64;

/// Which links are due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unlink {
    /// Links whose blob was last used before this time.
    pub(crate) before: i64,
    /// What clients may rely on, if some of it is due.
    pub(crate) promise: Option<Promise>,
    /// The current time, at which a lease lives or has ended. Without it, every lease counts as living.
    pub(crate) now: Option<i64>,
}

impl Catalog {
    /// One step of the collector: examines at most `limit` links past `after`, and removes those that were last used
    /// before `before` and that no manifest of their repository references. The search takes no lock; the transaction
    /// that removes a link checks it again, so a push or a touch in between keeps the link. Durable: the caller may
    /// remove a file only if no power loss can bring its row back.
    pub async fn collect(&self, before: i64, after: Option<LinkCursor>, limit: usize) -> Result<Collected> {
        self.collect_early(before, None, before, after, limit).await
    }

    /// Like [`collect`](Self::collect), but `before` may be so late that clients rely on some of the removed blobs, as
    /// `promise` says. Each such removal is noted, and a manifest that references the blob is refused until the blob is
    /// pushed again.
    ///
    /// While a [lease](crate::Lease) lives at `now`, local repositories keep their links, and so their blobs.
    pub async fn collect_early(
        &self,
        before: i64,
        promise: Option<Promise>,
        now: i64,
        after: Option<LinkCursor>,
        limit: usize,
    ) -> Result<Collected> {
        let (candidates, next) = self.read(|connection| candidates(connection, before, after, limit))?;
        let mut collected = Collected { next, ..Collected::default() };
        for batch in candidates.chunks(BATCH) {
            let batch = batch.to_vec();
            let step = move |connection: &Connection| {
                let mut removed = Collected::default();
                remove(connection, &batch, Unlink { before, promise, now: Some(now) }, &mut removed)?;
                Ok(removed)
            };
            let removed = self.free(Durability::Durable, step).await?;
            collected.links += removed.links;
            collected.blobs += removed.blobs;
            collected.bytes += removed.bytes;
            collected.held = removed.held.or(collected.held);
        }
        Ok(collected)
    }
}

fn candidates(
    connection: &Connection,
    before: i64,
    after: Option<LinkCursor>,
    limit: usize,
) -> rusqlite::Result<(Vec<LinkCursor>, Option<LinkCursor>)> {
    const LOOK: &str = "SELECT l.repository, l.digest, l.last_use < ?4 AND NOT EXISTS
            (SELECT 1 FROM reference r WHERE r.repository = l.repository AND r.digest = l.digest)
        FROM link l WHERE (l.digest, l.repository) > (?2, ?1) ORDER BY l.digest, l.repository LIMIT ?3";
    // By digest, as the tables of blobs and the folders of files are ordered: then what is removed one after the other lies
    // on few pages. By repository, each blob would lie on a page of its own.
    let (repository, digest) =
        after.map_or((0, String::new()), |after| (after.repository, after.digest.to_string()));
    let mut looked_at = sql::all(connection, LOOK, (repository, digest, sql::limit(limit), before), |row| {
        Ok((LinkCursor { repository: row.get(0)?, digest: sql::parsed(row, 1)? }, row.get::<_, bool>(2)?))
    })?;
    let next = (looked_at.len() >= limit).then(|| looked_at.last().map(|(link, _)| link.clone())).flatten();
    looked_at.retain(|(_, unused)| *unused);
    Ok((looked_at.into_iter().map(|(link, _)| link).collect(), next))
}

/// Removes those of the links that are due, whose blob no manifest of their repository references, and that no lease holds.
pub(crate) fn remove(
    connection: &Connection,
    links: &[LinkCursor],
    unlink: Unlink,
    removed: &mut Collected,
) -> rusqlite::Result<()> {
    let lease = leases::holds(connection, unlink.now)?;
    let mut touched = BTreeSet::new();
    for link in links {
        if remove_one(connection, link, unlink, lease.is_some(), removed)? {
            touched.insert(link.repository);
        } else {
            removed.held = lease.clone().or(removed.held.take());
        }
    }
    touched.into_iter().try_for_each(|id| repositories::forget_if_empty(connection, id))
}

/// Removes a link, unless it is not due; returns whether it did. The caller forgets the repository if it is empty now.
fn remove_one(
    connection: &Connection,
    link: &LinkCursor,
    unlink: Unlink,
    is_held: bool,
    removed: &mut Collected,
) -> rusqlite::Result<bool> {
    const REMOVE: &str = "DELETE FROM link WHERE repository = ?1 AND digest = ?2 AND last_use < ?3
        AND NOT EXISTS (SELECT 1 FROM reference WHERE repository = ?1 AND digest = ?2)
        AND NOT (?4 AND EXISTS (SELECT 1 FROM repository WHERE id = ?1 AND origin = 'local')) RETURNING last_use";
    let Unlink { before, promise, .. } = unlink;
    let digest = link.digest.to_string();
    let params = (link.repository, &digest, before, is_held);
    let last_use = sql::first(connection, REMOVE, params, |row| row.get::<_, i64>(0))?;
    let Some(last_use) = last_use else { return Ok(false) };
    if let Some(promise) = promise.filter(|promise| last_use >= promise.since) {
        freed::note(connection, link.repository, &digest, promise.noted(last_use))?;
    }
    removed.links += 1;
    if let Some(file) = blobs::bury_if_unlinked(connection, &link.digest)? {
        removed.blobs += 1;
        removed.bytes += file.size;
    }
    Ok(true)
}
