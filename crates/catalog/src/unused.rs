//! What nothing needs any more: blobs that no manifest names, and manifests that nothing leads to.

use rusqlite::{Connection, Row};

use crate::collection::BATCH;
use crate::writer::Durability;
use crate::{Catalog, Result, manifests, repositories, sql};

/// The manifests `m` that were pushed here and that nothing leads to.
macro_rules! nothing_leads_to {
    () => {
        "manifest m JOIN repository r ON r.id = m.repository AND r.origin = 'local'
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
    /// Those that were pushed long ago.
    pub due: u64,
    /// Those that wait.
    pub waiting: u64,
    /// When the one that waits longest was pushed.
    pub pushed: Option<i64>,
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
            "SELECT coalesce(sum(m.pushed < ?1), 0), coalesce(sum(m.pushed >= ?1), 0),
                max(CASE WHEN m.pushed >= ?1 THEN m.pushed END) FROM ",
            nothing_leads_to!()
        );
        self.read(|connection| {
            sql::first(connection, COUNT, [before], |row| {
                let (due, waiting) = (sql::unsigned(row, 0)?, sql::unsigned(row, 1)?);
                Ok(Untagged { due, waiting, pushed: row.get(2)? })
            })
            .map(Option::unwrap_or_default)
        })
    }

    /// Removes manifests that were pushed here before `before` and that nothing leads to: no tag, no index that lists
    /// them, no subject that is there. No more than a few at once; how many, so that the caller goes on until there are
    /// none: with an index its entries are next. Durable.
    pub async fn delete_untagged(&self, before: i64) -> Result<u64> {
        self.write(Durability::Durable, move |connection| {
            let found = untagged(connection, before, BATCH)?;
            for (manifest, repository) in &found {
                manifests::delete(connection, *repository, *manifest)?;
                repositories::forget_if_empty(connection, *repository)?;
            }
            Ok(found.len() as u64)
        })
        .await
    }
}

/// Two columns, from this one on.
fn amount(row: &Row<'_>, at: usize) -> rusqlite::Result<Amount> {
    Ok(Amount { blobs: sql::unsigned(row, at)?, bytes: sql::unsigned(row, at + 1)? })
}

fn untagged(connection: &Connection, before: i64, limit: usize) -> rusqlite::Result<Vec<(i64, i64)>> {
    const FIND: &str =
        concat!("SELECT m.id, m.repository FROM ", nothing_leads_to!(), " AND m.pushed < ?1 LIMIT ?2");
    sql::all(connection, FIND, (before, sql::limit(limit)), |row| Ok((row.get(0)?, row.get(1)?)))
}
