//! Unused content: blobs that no manifest references, and manifests that no tag, index or subject leads to.

use rusqlite::{Connection, Row};

use super::collection::BATCH;
use super::deleted::withdraw;
use super::writer::{Durability, TURN};
use super::{Catalog, freed, sql};
use crate::{Amount, Cause, Deletion, Promise, Result, Untagged, Unused};

/// How many bytes of manifests one write moves out of sight.
const MOVED: u64 = 1 << 20;

/// The manifests `m` that were pushed here and that no tag, index or subject leads to. A deleted index leads to nothing: its
/// entries are deleted after it, and are restored with it.
macro_rules! nothing_leads_to {
    () => {
        "manifest m JOIN repository r ON r.id = m.repository AND r.origin = 'local'
            JOIN manifest_use u ON u.manifest = m.id
        WHERE NOT EXISTS (SELECT 1 FROM tag t WHERE t.manifest = m.id)
            AND NOT EXISTS (SELECT 1 FROM reference f WHERE f.repository = m.repository AND f.digest = m.digest
                AND NOT EXISTS (SELECT 1 FROM deleted d WHERE d.manifest = f.manifest))
            AND NOT EXISTS (SELECT 1 FROM manifest s WHERE s.repository = m.repository AND s.digest = m.subject)"
    };
}

impl Catalog {
    /// Counts the blobs that no manifest references; those last used before `before` are due. A manifest that was deleted
    /// before `before` does not count: it cannot be restored any more. Reads every link, which takes about 100 ms for
    /// 100,000 of them.
    pub async fn unused(&self, before: i64) -> Result<Unused> {
        const UNUSED: &str = "SELECT
                coalesce(sum(last_use < ?1), 0),
                coalesce(sum(CASE WHEN last_use < ?1 THEN size ELSE 0 END), 0),
                coalesce(sum(last_use >= ?1), 0),
                coalesce(sum(CASE WHEN last_use >= ?1 THEN size ELSE 0 END), 0),
                max(CASE WHEN last_use >= ?1 THEN last_use END)
            FROM (SELECT b.size AS size, max(l.last_use) AS last_use
                FROM link l JOIN blob b ON b.digest = l.digest
                GROUP BY l.digest
                HAVING sum(EXISTS (SELECT 1 FROM reference r
                    WHERE r.repository = l.repository AND r.digest = l.digest
                        AND NOT EXISTS (SELECT 1 FROM deleted d WHERE d.manifest = r.manifest AND d.at < ?1))) = 0)";
        let count = move |connection: &Connection| {
            sql::first(connection, UNUSED, [before], |row| {
                Ok(Unused { due: amount(row, 0)?, waiting: amount(row, 2)?, last_use: row.get(4)? })
            })
            .map(Option::unwrap_or_default)
        };
        self.read_aside(count).await
    }

    /// Counts the manifests that [`delete_untagged`](Self::delete_untagged) would remove; those pushed before `before`
    /// are due. Does not count the manifests that only those lead to. Reads every manifest.
    pub async fn untagged(&self, before: i64) -> Result<Untagged> {
        const COUNT: &str = concat!(
            "SELECT coalesce(sum(u.last_use < ?1), 0), coalesce(sum(u.last_use >= ?1), 0),
                max(CASE WHEN u.last_use >= ?1 THEN u.last_use END) FROM ",
            nothing_leads_to!()
        );
        let count = move |connection: &Connection| {
            sql::first(connection, COUNT, [before], |row| {
                let (due, waiting) = (sql::unsigned(row, 0)?, sql::unsigned(row, 1)?);
                Ok(Untagged { due, waiting, last_use: row.get(2)? })
            })
            .map(Option::unwrap_or_default)
        };
        self.read_aside(count).await
    }

    /// Deletes manifests that were pushed here, were last used before `before`, and that nothing leads to: no tag, no
    /// index that lists them, no existing subject. They can be restored. Returns how many, so that the caller repeats the
    /// call until it returns zero: after an index, its entries are next. Notes each manifest on which `promise` lets a client
    /// rely. Durable.
    ///
    /// The search takes no lock and reads a few manifests at a time; the transaction that removes a manifest checks it
    /// again.
    pub async fn delete_untagged(&self, before: i64, promise: Option<Promise>, now: i64) -> Result<u64> {
        let deletion = Deletion { at: now, cause: Cause::Untagged };
        let (mut deleted, mut after) = (0, 0);
        loop {
            let (found, next) = self.read(|connection| untagged(connection, before, after))?;
            for batch in found.chunks(BATCH) {
                let mut batch = batch.to_vec();
                while !batch.is_empty() {
                    let these = batch.clone();
                    let step = move |connection: &Connection| {
                        delete_some(connection, &these, before, promise, deletion)
                    };
                    let (done, gone) = self.free(Durability::Durable, step).await?;
                    batch.drain(..done);
                    deleted += gone;
                }
            }
            match next {
                Some(next) => after = next,
                None => break,
            }
            // Each step reads on the caller's thread: other requests of this thread run in between.
            tokio::task::yield_now().await;
        }
        Ok(deleted)
    }
}

/// The amount in two columns, from the column `at` on.
fn amount(row: &Row<'_>, at: usize) -> rusqlite::Result<Amount> {
    Ok(Amount { blobs: sql::unsigned(row, at)?, bytes: sql::unsigned(row, at + 1)? })
}

/// Examines the next manifests: returns those that are due, and the id after which to continue.
fn untagged(connection: &Connection, before: i64, after: i64) -> rusqlite::Result<(Vec<i64>, Option<i64>)> {
    const LOOK: &str = concat!(
        "SELECT l.id, EXISTS (SELECT 1 FROM ",
        nothing_leads_to!(),
        " AND m.id = l.id AND u.last_use < ?1) FROM manifest l WHERE l.id > ?2 ORDER BY l.id LIMIT ?3"
    );
    let looked_at: Vec<(i64, bool)> =
        sql::all(connection, LOOK, (before, after, sql::limit(TURN)), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let next = looked_at.last().filter(|_| looked_at.len() == TURN).map(|(id, _)| *id);
    Ok((looked_at.into_iter().filter(|(_, is_due)| *is_due).map(|(id, _)| id).collect(), next))
}

/// Deletes the manifests that are still due. Returns how many it examined and how many it deleted: the manifests after
/// [`MOVED`] bytes are left to another write.
fn delete_some(
    connection: &Connection,
    manifests: &[i64],
    before: i64,
    promise: Option<Promise>,
    deletion: Deletion,
) -> rusqlite::Result<(usize, u64)> {
    const DUE: &str = concat!(
        "SELECT m.repository, m.digest, u.last_use, m.size FROM ",
        nothing_leads_to!(),
        " AND m.id = ?1 AND u.last_use < ?2"
    );
    let (mut gone, mut moved) = (0, 0);
    for (done, manifest) in manifests.iter().enumerate() {
        if moved > MOVED {
            return Ok((done, gone));
        }
        let due = sql::first(connection, DUE, (manifest, before), |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, sql::unsigned(row, 3)?))
        })?;
        let Some((repository, digest, last_use, size)) = due else { continue };
        if let Some(promise) = promise.filter(|promise| last_use >= promise.since) {
            freed::note(connection, repository, &digest, promise.noted(last_use))?;
        }
        // Such a manifest has no tags, so that this deletes it whole.
        withdraw(connection, repository, *manifest, deletion)?;
        (gone, moved) = (gone + 1, moved + size);
    }
    Ok((manifests.len(), gone))
}
