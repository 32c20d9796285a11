//! Leases, which keep local blobs from being removed.

use rusqlite::{Connection, Row};

use super::writer::Durability;
use super::{Catalog, sql};
use crate::{Lease, Result};

impl Catalog {
    /// Takes a lease; `None` if [`Lease::MOST`] leases live. Durable: after a power loss the collector still sees it.
    pub async fn take_lease(&self, purpose: &str, holder: &str, now: i64) -> Result<Option<Lease>> {
        let (purpose, holder) = (purpose.to_owned(), holder.to_owned());
        self.write(Durability::Durable, move |connection| {
            const TAKE: &str = "INSERT INTO lease (purpose, holder, until, ends) VALUES (?1, ?2, ?3, ?4)
                RETURNING id, purpose, holder, until, ends";
            settle(connection, now)?;
            if living(connection, now)?.len() >= Lease::MOST {
                return Ok(None);
            }
            let params =
                (&purpose, &holder, now.saturating_add(Lease::LIFE), now.saturating_add(Lease::LONGEST));
            sql::first(connection, TAKE, params, lease)
        })
        .await
    }

    /// Renews a lease; `None` if it has ended, so that garbage collection may have removed blobs since. Durable.
    pub async fn renew_lease(&self, id: &str, now: i64) -> Result<Option<Lease>> {
        let id = id.to_owned();
        self.write(Durability::Durable, move |connection| {
            const RENEW: &str = "UPDATE lease SET until = min(?2, ends) WHERE id = ?1
                RETURNING id, purpose, holder, until, ends";
            settle(connection, now)?;
            sql::first(connection, RENEW, (&id, now.saturating_add(Lease::LIFE)), lease)
        })
        .await
    }

    /// Ends a lease. False if it had already ended. Relaxed: a lease that comes back after a power loss ends by itself.
    pub async fn release_lease(&self, id: &str, now: i64) -> Result<bool> {
        let id = id.to_owned();
        self.free(Durability::Relaxed, move |connection| {
            settle(connection, now)?;
            Ok(sql::run(connection, "DELETE FROM lease WHERE id = ?1", [&id])? > 0)
        })
        .await
    }

    /// The leases that live, the one that ends last first.
    pub async fn leases(&self, now: i64) -> Result<Vec<Lease>> {
        self.read(|connection| living(connection, now))
    }
}

/// The lease that holds local blobs now, if any: the one that ends last. For a transaction that is about to remove a
/// blob: a lease that is taken after it is not seen, and its holder has not read anything yet.
/// Without the time, a lease that has ended and is not deleted yet counts too.
pub(crate) fn holds(connection: &Connection, now: Option<i64>) -> rusqlite::Result<Option<Lease>> {
    if let Some(now) = now {
        settle(connection, now)?;
    }
    Ok(living(connection, now.unwrap_or(i64::MIN))?.into_iter().next())
}

/// Removes the leases that have ended, for good: a clock that is set back later does not bring them back, and a renewal
/// says that they have ended. If the clock was set back since a lease was renewed, the lease is shortened to what a
/// lease that is taken now would get. Otherwise it would live for as long as the clock was set back.
fn settle(connection: &Connection, now: i64) -> rusqlite::Result<()> {
    const SHORTEN: &str = "UPDATE lease SET until = min(until, ?1), ends = min(ends, ?2)
        WHERE until > ?1 OR ends > ?2";
    const END: &str = "DELETE FROM lease WHERE until <= ?1";
    if sql::first(connection, "SELECT 1 FROM lease LIMIT 1", [], |_| Ok(()))?.is_none() {
        return Ok(());
    }
    sql::run(connection, END, [now])?;
    let longest = (now.saturating_add(Lease::LIFE), now.saturating_add(Lease::LONGEST));
    sql::run(connection, SHORTEN, longest).map(|_| ())
}

fn living(connection: &Connection, now: i64) -> rusqlite::Result<Vec<Lease>> {
    const LIVING: &str =
        "SELECT id, purpose, holder, until, ends FROM lease WHERE until > ?1 ORDER BY until DESC, id";
    sql::all(connection, LIVING, [now], lease)
}

fn lease(row: &Row<'_>) -> rusqlite::Result<Lease> {
    Ok(Lease {
        id: row.get(0)?,
        purpose: row.get(1)?,
        holder: row.get(2)?,
        until: row.get(3)?,
        ends: row.get(4)?,
    })
}
