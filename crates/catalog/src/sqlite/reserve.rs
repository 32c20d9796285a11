//! Runs the writes that free room, on a full disk in the room of the reserve.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;

use super::Catalog;
use super::writer::Durability;
use crate::{Error, Reserve, Result};

/// The reserve's room while a write uses it. The drop returns the room however the write ends, also if the caller goes
/// away.
pub(crate) struct Lent {
    reserve: Arc<dyn Reserve>,
    /// One write at a time has the room, so that no write returns the room that another is about to use.
    _alone: Option<OwnedMutexGuard<()>>,
}

impl Lent {
    /// `None` if the reserve has no room to lend. Blocking, and so is the drop.
    pub(crate) fn from(reserve: &Arc<dyn Reserve>, alone: Option<OwnedMutexGuard<()>>) -> Option<Self> {
        reserve.give_up().then(|| Self { reserve: Arc::clone(reserve), _alone: alone })
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.reserve.returned();
    }
}

impl Catalog {
    /// Checks that a write may add content. Returns [`Error::NoSpace`] until the reserve is whole again, because such a
    /// write would take the reserve's room.
    pub(crate) async fn check_room(&self) -> Result<()> {
        match &self.inner.reserve {
            Some(reserve) if !reserve.is_whole() => {
                let reserve = Arc::clone(reserve);
                let is_whole = spawn_blocking(move || reserve.take_back()).await;
                if is_whole.unwrap_or(false) { Ok(()) } else { Err(Error::NoSpace) }
            }
            _ => Ok(()),
        }
    }

    /// Runs a write that frees room. If the disk is full, runs the write once more in the reserve's room: the log grows
    /// before the write frees anything.
    pub(crate) async fn free<T, W>(&self, durability: Durability, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: Fn(&Connection) -> rusqlite::Result<T> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        let written = self.inner.writer.run(durability, &work).await;
        let (Err(Error::NoSpace), Some(reserve)) = (&written, &self.inner.reserve) else { return written };
        let (reserve, alone) = (Arc::clone(reserve), Arc::clone(&self.inner.freeing).lock_owned().await);
        // If the caller goes away during this, the room is returned on the blocking thread.
        let lent = spawn_blocking(move || Lent::from(&reserve, Some(alone))).await;
        let Ok(Some(lent)) = lent else { return written };
        let written = self.inner.writer.run(durability, &work).await;
        let _ = spawn_blocking(move || drop(lent)).await;
        written
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::sync::mpsc;

    use parking_lot::Mutex;
    use rusqlite::ffi::SQLITE_FULL;

    use super::*;
    use crate::Expect;

    #[derive(Debug, Default)]
    struct Kept(AtomicBool);

    impl Kept {
        fn is_lent(&self) -> bool {
            self.0.load(Ordering::Acquire)
        }
    }

    impl Reserve for Kept {
        fn is_whole(&self) -> bool {
            !self.is_lent()
        }

        fn give_up(&self) -> bool {
            self.0.store(true, Ordering::Release);
            true
        }

        fn take_back(&self) -> bool {
            !self.is_lent()
        }

        fn returned(&self) {
            self.0.store(false, Ordering::Release);
        }
    }

    fn full() -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(SQLITE_FULL), None)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_room_is_returned_however_the_write_ends() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Arc::new(Kept::default());
        let given: Arc<dyn Reserve> = Arc::<Kept>::clone(&reserve);
        let path = folder.path().join("catalog.db");
        let catalog = Catalog::open_with(&path, Expect::Anything, Some(given)).unwrap();

        let uses = Arc::new(AtomicU32::new(0));
        let using = (Arc::clone(&uses), Arc::clone(&reserve));
        let failed = catalog.free(Durability::Durable, move |_| {
            using.0.fetch_add(u32::from(using.1.is_lent()), Ordering::Relaxed);
            Err::<(), _>(full())
        });
        assert_eq!(failed.await, Err(Error::NoSpace));
        assert!(uses.load(Ordering::Relaxed) > 0 && !reserve.is_lent());

        // A caller that goes away while its write runs in that room.
        let (go_on, goes_on) = mpsc::channel::<()>();
        let goes_on = Mutex::new(goes_on);
        let using = Arc::clone(&reserve);
        let caller = tokio::spawn(async move {
            let work = move |_: &Connection| {
                if using.is_lent() {
                    let _ = goes_on.lock().recv();
                }
                Err::<(), _>(full())
            };
            catalog.free(Durability::Durable, work).await
        });
        while !reserve.is_lent() {
            tokio::task::yield_now().await;
        }
        caller.abort();
        drop(go_on);
        let _ = caller.await;
        assert!(!reserve.is_lent());
    }
}
