//! Removes for good what was deleted and could have been restored.

use hythe_oci::Digest;
use rusqlite::Connection;

use super::collection::{self, BATCH, Unlink};
use super::writer::Durability;
use super::{Catalog, repositories, sql, turns};
use crate::{Collected, LinkCursor, Promise, Purged, Result};

/// What one write did.
struct Step {
    purged: Purged,
    /// Whether a manifest of many references is left to [`Catalog::clear_hidden`]'s turns.
    hidden: bool,
    /// Whether more may be left.
    more: bool,
}

impl Catalog {
    /// Removes for good at most `most` of the manifests that were deleted before `deleted_before`, the oldest deletion
    /// first. With them go the blobs that nothing else in their repository references and that were last used before
    /// `used_before`; each removal on which `promise` lets a client rely is noted. Durable: the caller may remove the
    /// files.
    pub async fn purge_deleted(
        &self,
        deleted_before: i64,
        used_before: i64,
        promise: Option<Promise>,
        most: usize,
    ) -> Result<Purged> {
        // A blob that a lease holds is left to the next step of the collector, which knows the time.
        let unlink = Unlink { before: used_before, promise, now: None };
        let mut purged = Purged::default();
        loop {
            let left = most.saturating_sub(usize::try_from(purged.manifests).unwrap_or(usize::MAX));
            if left == 0 {
                return Ok(purged);
            }
            let step = move |connection: &Connection| purge_some(connection, deleted_before, unlink, left);
            let Step { purged: some, hidden, more } = self.free(Durability::Durable, step).await?;
            purged.manifests += some.manifests;
            add(&mut purged, some.links, some.blobs, some.bytes);
            if hidden {
                let removed = self.clear_retired_with(unlink).await?;
                add(&mut purged, removed.links, removed.blobs, removed.bytes);
            }
            if !more {
                return Ok(purged);
            }
        }
    }
}

fn add(purged: &mut Purged, links: u64, blobs: u64, bytes: u64) {
    purged.links += links;
    purged.blobs += blobs;
    purged.bytes += bytes;
}

/// Purges the next manifests, as many as have about [`BATCH`] references together.
fn purge_some(
    connection: &Connection,
    deleted_before: i64,
    unlink: Unlink,
    most: usize,
) -> rusqlite::Result<Step> {
    const NEXT: &str = "SELECT manifest, repository FROM deleted WHERE at < ?1 ORDER BY at, id LIMIT ?2";
    const NAMED: &str = "SELECT digest FROM reference WHERE manifest = ?1 LIMIT ?2";
    const FORGET: &str = "DELETE FROM deleted WHERE manifest = ?1";
    let limit = most.min(BATCH);
    let next: Vec<(i64, i64)> = sql::all(connection, NEXT, (deleted_before, sql::limit(limit)), |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let (mut purged, mut removed, mut rows) = (Purged::default(), Collected::default(), 0);
    let step = |purged, removed: &Collected, hidden, more| {
        let Collected { links, blobs, bytes, .. } = removed;
        Step { purged: Purged { links: *links, blobs: *blobs, bytes: *bytes, ..purged }, hidden, more }
    };
    for (manifest, repository) in &next {
        let named: Vec<Digest> =
            sql::all(connection, NAMED, (manifest, sql::limit(BATCH + 1)), |row| sql::parsed(row, 0))?;
        if rows > 0 && rows + named.len() > BATCH {
            return Ok(step(purged, &removed, false, true));
        }
        rows += named.len() + 1;
        purged.manifests += 1;
        if named.len() > BATCH {
            sql::run(connection, FORGET, [manifest])?;
            turns::leave_out(connection, *manifest)?;
            return Ok(step(purged, &removed, true, true));
        }
        // The schema's cascade removes the rows of the deletion and of the references.
        sql::run(connection, "DELETE FROM manifest WHERE id = ?1", [manifest])?;
        let link = |digest| LinkCursor { repository: *repository, digest };
        let links: Vec<_> = named.into_iter().map(link).collect();
        collection::remove(connection, &links, unlink, &mut removed)?;
        repositories::forget_if_empty(connection, *repository)?;
    }
    let more = next.len() == limit;
    Ok(step(purged, &removed, false, more))
}
