//! Room on a full disk for what makes room.

use std::fmt;
use std::sync::Arc;

use rusqlite::Connection;

use crate::writer::Durability;
use crate::{Catalog, Error, Result};

/// Room on the disk that is kept for writes which free some.
pub trait Reserve: fmt::Debug + Send + Sync {
    /// Gives the room up; false where there is none.
    fn give_up(&self) -> bool;

    /// Takes the room back where it was given up; false where it cannot be had yet.
    fn take_back(&self) -> bool;
}

impl Catalog {
    /// An error while room that was given up is not back: what is added now would take it.
    pub(crate) fn check_room(&self) -> Result<()> {
        match &self.inner.reserve {
            Some(reserve) if !reserve.take_back() => Err(Error::NoSpace),
            _ => Ok(()),
        }
    }

    /// A write that frees room. On a full disk it is done once more, in the room that is kept for it: the log that it
    /// is written to grows before anything is freed.
    pub(crate) async fn free<T, W>(&self, durability: Durability, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: Fn(&Connection) -> rusqlite::Result<T> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        let written = self.inner.writer.run(durability, &work).await;
        let (Err(Error::NoSpace), Some(reserve)) = (&written, &self.inner.reserve) else { return written };
        // One at a time, so that none takes back what another is about to use.
        let _alone = self.inner.freeing.lock().await;
        if !reserve.give_up() {
            return written;
        }
        let written = self.inner.writer.run(durability, &work).await;
        reserve.take_back();
        written
    }
}
