//! The catalog in an SQLite database. Only this folder knows SQLite.

// A short read awaits nothing here; in a database over the network it would.
#![allow(clippy::unused_async)]

mod accounts;
mod blobs;
mod collection;
mod copies;
mod deleted;
mod error;
mod evict;
mod freed;
mod glob;
mod heads;
mod history;
mod home;
mod imports;
mod journal;
mod leases;
mod manifest_rows;
mod manifests;
mod origin;
mod outbox;
mod protected;
mod purge;
mod readers;
mod rebuild;
mod records;
mod referrers;
mod removal;
mod repositories;
mod reserve;
mod restore;
mod retention;
mod running;
mod schema;
mod sql;
mod tags;
mod times;
mod turns;
mod unused;
mod uploads;
mod verify;
mod writer;

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::task::spawn_blocking;

use crate::{Error, Expect, Journal, OpenError, Reserve, Result};
use home::Home;
use outbox::Outbox;
use readers::Readers;
pub use rebuild::Rebuild;
use writer::{Durability, Writer};

/// The catalog; a clone is another handle on the same catalog.
#[derive(Clone, Debug)]
pub struct Catalog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    readers: Arc<Readers>,
    heads: heads::Heads,
    writer: Writer,
    outbox: Option<Outbox>,
    reserve: Option<Arc<dyn Reserve>>,
    /// Locked by the write that may use the reserve.
    freeing: Arc<tokio::sync::Mutex<()>>,
    /// Locked by the manifest push that is stored in turns.
    turns: Arc<tokio::sync::Mutex<()>>,
}

impl Inner {
    fn new(
        readers: Arc<Readers>,
        writer: Writer,
        outbox: Option<Outbox>,
        reserve: Option<Arc<dyn Reserve>>,
    ) -> Self {
        let (freeing, turns) = (Arc::default(), Arc::default());
        Self { readers, heads: heads::Heads::default(), writer, outbox, reserve, freeing, turns }
    }

    /// Closes the readers first: then the writer's connection is the last one, and SQLite removes the log with it.
    fn close(&self) {
        self.readers.close();
        self.writer.stop();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Catalog {
    /// Opens the catalog in the file at `path`. Creates the file, or upgrades its schema to this version, if needed.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, Expect::Anything, None)
    }

    /// Like [`open`](Self::open), but writes that free room may use the room of `reserve` on a full disk.
    pub fn open_with(
        path: &Path,
        expect: Expect,
        reserve: Option<Arc<dyn Reserve>>,
    ) -> Result<Self, OpenError> {
        Self::open_journaled(path, expect, reserve, None)
    }

    /// Like [`open_with`](Self::open_with), and tells `journal` of each change.
    pub fn open_journaled(
        path: &Path,
        expect: Expect,
        reserve: Option<Arc<dyn Reserve>>,
        journal: Option<Arc<dyn Journal>>,
    ) -> Result<Self, OpenError> {
        let opened = schema::open_file(path, expect);
        let lent = match (&opened, &reserve) {
            (Err(OpenError::NoSpace { .. }), Some(reserve)) => reserve::Lent::from(reserve, None),
            _ => None,
        };
        let is_full = lent.is_some();
        let connection = if is_full { schema::open_file(path, expect) } else { opened }?;
        drop(lent);
        let outbox = journal.map(|journal| Outbox::begin(&connection, journal)).transpose();
        let outbox = outbox.map_err(|error| error::not_opened(path.to_owned(), &error))?;
        let readers = Arc::new(Readers::pool(path));
        let writer = Writer::start(
            Arc::new(Mutex::new(connection)),
            Arc::clone(&readers),
            Some(Home::of(path)),
            outbox.clone(),
            is_full,
        )
        .map_err(|error| OpenError::Other { path: path.to_owned(), reason: error.to_string() })?;
        Ok(Self { inner: Arc::new(Inner::new(readers, writer, outbox, reserve)) })
    }

    /// Checks every page of the catalog at `path`, and changes nothing in it. No process may have the catalog open.
    /// Blocking: reads the whole file.
    pub fn examine(path: &Path) -> Result<(), OpenError> {
        schema::examine(path)
    }

    /// An empty catalog that lives as long as its handles.
    pub fn in_memory() -> Result<Self, OpenError> {
        let connection = Arc::new(Mutex::new(schema::open_memory()?));
        let readers = Arc::new(Readers::shared(Arc::clone(&connection)));
        let writer = Writer::start(connection, Arc::clone(&readers), None, None, false)
            .map_err(|error| OpenError::Other { path: schema::MEMORY.into(), reason: error.to_string() })?;
        Ok(Self { inner: Arc::new(Inner::new(readers, writer, None, None)) })
    }

    /// Finishes the waiting writes, copies the log into the file, and refuses later reads and writes. Dropping the last
    /// handle does the same.
    pub fn close(&self) {
        self.inner.close();
    }

    /// Checks with a small read that the catalog answers, and that it still accepts writes.
    pub async fn ping(&self) -> Result<()> {
        self.inner.writer.check()?;
        self.read(|connection| {
            sql::first(connection, "SELECT 1 FROM repository LIMIT 1", [], |_| Ok(())).map(|_| ())
        })
    }

    /// Runs a short read on the caller's thread.
    fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.inner.readers.read(query)
    }

    /// Like [`read`](Self::read), for rows that other processes change too.
    fn read_fresh<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.inner.readers.read_fresh(query)
    }

    /// Runs a read that may visit many rows, on a blocking thread.
    async fn read_aside<T, Q>(&self, query: Q) -> Result<T>
    where
        T: Send + 'static,
        Q: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let readers = Arc::clone(&self.inner.readers);
        match spawn_blocking(move || readers.read(query)).await {
            Ok(read) => read,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is shutting down.
            Err(_) => Err(Error::closed()),
        }
    }

    async fn write<T, W>(&self, durability: Durability, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: Fn(&Connection) -> rusqlite::Result<T> + Send + Sync + 'static,
    {
        self.inner.writer.run(durability, &Arc::new(work)).await
    }
}
