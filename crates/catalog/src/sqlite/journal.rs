//! What callers ask of the journal: how far it is, and what need not be appended again.

use rusqlite::Connection;
use tokio::sync::watch;

use super::writer::{Durability, TURN};
use super::{Catalog, sql};
use crate::{Journaled, Result};

impl Catalog {
    /// How far the journal has come, and what it does from now on. `None` if the catalog has no journal.
    pub fn journaled(&self) -> Option<watch::Receiver<Journaled>> {
        self.inner.outbox.as_ref().map(|outbox| outbox.journaled.subscribe())
    }

    /// Appends what is not in the journal yet: what an earlier process left, or what could not be appended before.
    pub async fn flush_journal(&self) -> Result<()> {
        // The writer appends behind each group.
        self.write(Durability::Relaxed, |_| Ok(())).await
    }

    /// Deletes the rows of changes up to `last`, whose records are durable now. Relaxed: a power loss that brings rows
    /// back makes the next start append them again.
    pub async fn forget_journaled(&self, last: i64) -> Result<()> {
        // The newest row stays, so that numbers only grow.
        let step = move |connection: &Connection| {
            const FORGET: &str = "DELETE FROM journal WHERE seq IN
                (SELECT seq FROM journal WHERE seq < ?1 ORDER BY seq LIMIT ?2)";
            Ok(sql::run(connection, FORGET, (last, sql::limit(TURN)))? == TURN)
        };
        while self.free(Durability::Relaxed, step).await? {}
        Ok(())
    }

    /// Appends again every change that is not [forgotten](Self::forget_journaled): its record may be lost.
    pub async fn rewind_journal(&self) -> Result<()> {
        if let Some(outbox) = &self.inner.outbox {
            outbox.journaled.send_modify(|journaled| journaled.last = 0);
        }
        self.flush_journal().await
    }
}
