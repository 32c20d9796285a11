//! Room on a full disk for what makes room.

use std::fmt;
use std::sync::Arc;

use rusqlite::Connection;

use crate::writer::Durability;
use crate::{Catalog, Error, Result};

/// Room on the disk that is kept for writes which free some.
pub trait Reserve: fmt::Debug + Send + Sync {
    /// Gives the room up until it is [returned](Self::returned); false where there is none.
    fn give_up(&self) -> bool;

    /// Takes the room back where it was given up; false where it cannot be had yet.
    fn take_back(&self) -> bool;

    /// The write that the room was given up for has ended: the room may be taken back, which is tried at once.
    fn returned(&self);
}

/// The room while a write uses it. It goes back however that ends, also when the caller goes away.
pub(crate) struct Lent<'a>(&'a dyn Reserve);

impl<'a> Lent<'a> {
    /// `None` where there is no room to lend.
    pub(crate) fn from(reserve: &'a dyn Reserve) -> Option<Self> {
        reserve.give_up().then_some(Self(reserve))
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.0.returned();
    }
}

impl Catalog {
    /// Refuses a write that adds content ([`Error::NoSpace`]) until the reserve is whole again: that write would take the
    /// reserve's room.
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
        let Some(_lent) = Lent::from(&**reserve) else { return written };
        self.inner.writer.run(durability, &work).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::sync::{Mutex, mpsc};

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
    async fn the_room_goes_back_however_the_write_ends() {
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

        // A caller that goes away while its write is done in that room.
        let (go_on, goes_on) = mpsc::channel::<()>();
        let goes_on = Mutex::new(goes_on);
        let using = Arc::clone(&reserve);
        let caller = tokio::spawn(async move {
            let work = move |_: &Connection| {
                if using.is_lent() {
                    let _ = goes_on.lock().unwrap().recv();
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
