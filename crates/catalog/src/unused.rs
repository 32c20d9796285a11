//! What nothing needs any more: blobs that no manifest names, and manifests that nothing leads to.

use rusqlite::{Connection, Row};

use crate::collection::BATCH;
use crate::freed::{self, Promise};
use crate::turns::{self, TURN};
use crate::writer::Durability;
use crate::{Catalog, Result, repositories, sql};

/// The manifests `m` that were pushed here and that nothing leads to.
macro_rules! nothing_leads_to {
    () => {
        "manifest m JOIN repository r ON r.id = m.repository AND r.origin = 'local'
            JOIN manifest_use u ON u.manifest = m.id
        WHERE NOT EXISTS (SELECT 1 FROM tag t WHERE t.manifest = m.id)
            AND NOT EXISTS (SELECT 1 FROM reference f WHERE f.repository = m.repository AND f.digest = m.digest)
            AND NOT EXISTS (SELECT 1 FROM manifest s WHERE s.repository = m.repository AND s.digest = m.subject)"
    };
}

/// How many blobs, and how large they are together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The blobs that no manifest names in any repository that has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unused {
    /// Those that were not used for long: the collector takes them.
    pub due: Amount,
    /// Those that wait.
    pub waiting: Amount,
    /// When the one that waits longest was last used.
    pub last_use: Option<i64>,
}

/// The manifests that were pushed here and that nothing leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Untagged {
    /// Those that were not used for long: the collector takes them.
    pub due: u64,
    /// Those that wait.
    pub waiting: u64,
    /// When the one that waits longest was last used.
    pub last_use: Option<i64>,
}

impl Catalog {
    /// The blobs that nothing needs, as they are due at `before`. Looks at every link, about 100 ms for 100,000 of them.
    pub fn unused(&self, before: i64) -> Result<Unused> {
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
                    WHERE r.repository = l.repository AND r.digest = l.digest)) = 0)";
        self.read(|connection| {
            sql::first(connection, UNUSED, [before], |row| {
                Ok(Unused { due: amount(row, 0)?, waiting: amount(row, 2)?, last_use: row.get(4)? })
            })
            .map(Option::unwrap_or_default)
        })
    }

    /// How many manifests [`delete_untagged`](Self::delete_untagged) would take, as they are due at `before`, without those
    /// that only they lead to. Looks at every manifest.
    pub fn untagged(&self, before: i64) -> Result<Untagged> {
        const COUNT: &str = concat!(
            "SELECT coalesce(sum(u.last_use < ?1), 0), coalesce(sum(u.last_use >= ?1), 0),
                max(CASE WHEN u.last_use >= ?1 THEN u.last_use END) FROM ",
            nothing_leads_to!()
        );
        self.read(|connection| {
            sql::first(connection, COUNT, [before], |row| {
                let (due, waiting) = (sql::unsigned(row, 0)?, sql::unsigned(row, 1)?);
                Ok(Untagged { due, waiting, last_use: row.get(2)? })
            })
            .map(Option::unwrap_or_default)
        })
    }

    /// Removes manifests that were pushed here, were not used since `before`, and that nothing leads to: no tag, no index that lists
    /// them, no subject that is there. How many, so that the caller goes on until there are none: with an index its
    /// entries are next. What somebody was promised that is taken all the same is noted. Durable.
    ///
    /// Looking takes no lock and is done a few at a time; each is checked again in the transaction that removes it.
    pub async fn delete_untagged(&self, before: i64, promise: Option<Promise>) -> Result<u64> {
        let (mut deleted, mut after) = (0, 0);
        loop {
            let (found, next) = self.read(|connection| untagged(connection, before, after))?;
            for batch in found.chunks(BATCH) {
                let mut batch = batch.to_vec();
                while !batch.is_empty() {
                    let these = batch.clone();
                    let step =
                        move |connection: &Connection| delete_some(connection, &these, before, promise);
                    let (done, gone) = self.free(Durability::Durable, step).await?;
                    batch.drain(..done);
                    deleted += gone;
                }
            }
            match next {
                Some(next) => after = next,
                None => break,
            }
            // Each step looks where it is called: other requests of this thread come between.
            tokio::task::yield_now().await;
        }
        self.clear_retired().await;
        Ok(deleted)
    }
}

/// Two columns, from this one on.
fn amount(row: &Row<'_>, at: usize) -> rusqlite::Result<Amount> {
    Ok(Amount { blobs: sql::unsigned(row, at)?, bytes: sql::unsigned(row, at + 1)? })
}

/// Of the next manifests those that are due, and where to go on.
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

/// Of how many it was seen whether they go, and how many went: those after one that goes in turns wait for another write.
fn delete_some(
    connection: &Connection,
    manifests: &[i64],
    before: i64,
    promise: Option<Promise>,
) -> rusqlite::Result<(usize, u64)> {
    const DUE: &str = concat!(
        "SELECT m.repository, m.digest, u.last_use FROM ",
        nothing_leads_to!(),
        " AND m.id = ?1 AND u.last_use < ?2"
    );
    let (mut gone, mut rows) = (0, 0);
    for (done, manifest) in manifests.iter().enumerate() {
        if rows > TURN {
            return Ok((done, gone));
        }
        let due = sql::first(connection, DUE, (manifest, before), |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
        })?;
        let Some((repository, digest, last_use)) = due else { continue };
        if let Some(promise) = promise.filter(|promise| last_use >= promise.since) {
            freed::note(connection, repository, &digest, promise.now)?;
        }
        rows += turns::rows(connection, *manifest)?;
        turns::retire(connection, repository, *manifest)?;
        gone += 1;
        repositories::forget_if_empty(connection, repository)?;
    }
    Ok((manifests.len(), gone))
}
