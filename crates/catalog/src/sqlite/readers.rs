//! Read-only connections, which run beside the writer and beside one another.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::{error, schema, sql};
use crate::{Error, Result};

/// Where reads run.
#[derive(Debug)]
pub(crate) enum Readers {
    /// On read-only connections to a file.
    Pool(Pool),
    /// On the writer's connection, between its groups: a database in memory has only one connection.
    Shared(Arc<Mutex<Connection>>),
}

/// Read-only connections. A read opens another one when all are busy.
///
/// To begin and end a read transaction costs SQLite more, in system calls, than the read of a row by its key. So while
/// nothing is written, a connection keeps its transaction open from one read to the next: it sees the newest commit
/// because no newer commit exists. `version` decides this: it is odd while the writer works, and grows with each group
/// of writes. Before a group begins, the writer ends the open transactions in this pool, and no connection keeps one
/// until the group is committed. So the log can always start over, as it could with short transactions.
#[derive(Debug)]
pub(crate) struct Pool {
    path: PathBuf,
    /// The connections that no read uses; `None` once the pool is closed.
    idle: Mutex<Option<Vec<Reader>>>,
    /// How many idle connections to keep: a read occupies its thread to its end, so more than the number of cores are
    /// seldom useful.
    keep: usize,
    version: AtomicU64,
}

#[derive(Debug)]
struct Reader {
    connection: Connection,
    /// The version whose transaction is open, if any.
    snapshot: Option<u64>,
}

impl Reader {
    fn end(&mut self) -> rusqlite::Result<()> {
        match self.snapshot.take() {
            Some(_) => sql::run(&self.connection, "COMMIT", []).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Reads in a transaction of `version`, or in a transaction for this read only if the writer is working.
    fn read<T>(
        &mut self,
        version: u64,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        if self.snapshot != Some(version) {
            self.end()?;
            if is_quiet(version) {
                sql::run(&self.connection, "BEGIN", [])?;
                self.snapshot = Some(version);
            }
        }
        query(&self.connection)
    }
}

/// A version for a read that shares its transaction with no other: odd, as while the writer works.
const UNSHARED: u64 = u64::MAX;

const fn is_quiet(version: u64) -> bool {
    version.is_multiple_of(2)
}

impl Readers {
    pub(crate) fn pool(path: &Path) -> Self {
        let keep = thread::available_parallelism().map_or(1, usize::from);
        let idle = Mutex::new(Some(Vec::new()));
        Self::Pool(Pool { path: path.to_owned(), idle, keep, version: AtomicU64::new(0) })
    }

    pub(crate) fn shared(connection: Arc<Mutex<Connection>>) -> Self {
        Self::Shared(connection)
    }

    pub(crate) fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let answer = match self {
            Self::Shared(connection) => query(&connection.lock()),
            Self::Pool(pool) => pool.read(|| pool.version.load(Ordering::Acquire), query)?,
        };
        answer.map_err(|error| self.failed(&error))
    }

    /// Like [`read`](Self::read), in a transaction for this read only: it also sees what another process committed since
    /// this process last wrote.
    pub(crate) fn read_fresh<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let answer = match self {
            Self::Shared(connection) => query(&connection.lock()),
            Self::Pool(pool) => pool.read(|| UNSHARED, query)?,
        };
        answer.map_err(|error| self.failed(&error))
    }

    /// Runs a long read in a transaction of its own, on a connection of its own: it holds up no write, and sees one
    /// instant. Until it ends, the log keeps what is written meanwhile.
    pub(crate) fn read_apart<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let answer = match self {
            Self::Shared(connection) => query(&connection.lock()),
            Self::Pool(pool) => {
                pool.idle.lock().as_ref().ok_or_else(Error::closed)?;
                schema::open_reader(&pool.path).and_then(|connection| {
                    sql::run(&connection, "BEGIN", [])?;
                    query(&connection)
                })
            }
        };
        answer.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &rusqlite::Error) -> Error {
        match self {
            Self::Shared(_) => error::failed(error),
            Self::Pool(pool) => error::failed(error).located(&pool.path),
        }
    }

    /// The current version: answers that are read from now on are at least as new, and are valid until the version
    /// changes. `None` while the writer works, and for a database in memory.
    pub(crate) fn version(&self) -> Option<u64> {
        match self {
            Self::Pool(pool) => {
                Some(pool.version.load(Ordering::Acquire)).filter(|version| is_quiet(*version))
            }
            Self::Shared(_) => None,
        }
    }

    /// Called when the writer is about to begin a group.
    pub(crate) fn writing(&self) {
        if let Self::Pool(pool) = self {
            pool.version.fetch_add(1, Ordering::AcqRel);
            pool.end_snapshots();
        }
    }

    /// Called when the writer has committed, before it answers any caller: so a caller that reads after its answer sees
    /// its write.
    pub(crate) fn written(&self) {
        if let Self::Pool(pool) = self {
            pool.version.fetch_add(1, Ordering::AcqRel);
        }
    }

    pub(crate) fn close(&self) {
        if let Self::Pool(pool) = self {
            drop(pool.idle.lock().take());
        }
    }
}

impl Pool {
    fn read<T>(
        &self,
        version: impl FnOnce() -> u64,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<rusqlite::Result<T>> {
        let free = self.idle.lock().as_mut().ok_or_else(Error::closed)?.pop();
        let mut reader = match free {
            Some(reader) => reader,
            None => Reader {
                connection: schema::open_reader(&self.path).map_err(|error| error::failed(&error))?,
                snapshot: None,
            },
        };
        // The version is read before the transaction begins: at worst the transaction sees newer commits than that
        // version has.
        let answer = reader.read(version(), query);
        // A connection that failed is closed, because it may fail again.
        if answer.is_ok() {
            self.put_back(reader);
        }
        Ok(answer)
    }

    fn put_back(&self, mut reader: Reader) {
        let mut idle = self.idle.lock();
        // The version is read under the lock: either the writer finds the transaction in the pool, or this sees that
        // the writer works.
        let current = self.version.load(Ordering::Acquire);
        let kept = reader.snapshot.is_none_or(|snapshot| snapshot == current) || reader.end().is_ok();
        if let Some(idle) = idle.as_mut()
            && kept
            && idle.len() < self.keep
        {
            idle.push(reader);
        }
    }

    fn end_snapshots(&self) {
        if let Some(idle) = self.idle.lock().as_mut() {
            idle.retain_mut(|reader| reader.end().is_ok());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(path: &Path) -> (Connection, Readers) {
        let writer = schema::open_file(path, crate::Expect::Anything).unwrap();
        writer.execute_batch("CREATE TABLE t (x)").unwrap();
        (writer, Readers::pool(path))
    }

    fn count(readers: &Readers) -> i64 {
        readers
            .read(|connection| connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)))
            .unwrap()
    }

    #[test]
    fn a_read_after_a_commit_sees_it() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, readers) = pool(&folder.path().join("catalog"));
        assert_eq!(count(&readers), 0);
        for round in 1..100 {
            readers.writing();
            writer.execute("INSERT INTO t VALUES (1)", []).unwrap();
            assert!(count(&readers) >= round - 1, "while the writer works");
            readers.written();
            assert_eq!(count(&readers), round);
            assert_eq!(count(&readers), round);
        }
    }

    #[test]
    fn a_fresh_read_sees_the_commit_of_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, readers) = pool(&folder.path().join("catalog"));
        for round in 1..10 {
            count(&readers);
            // The readers are not told of this commit.
            writer.execute("INSERT INTO t VALUES (1)", []).unwrap();
            let counted = readers.read_fresh(|connection| {
                connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            });
            assert_eq!(counted, Ok(round));
        }
    }

    #[test]
    fn reads_between_groups_do_not_keep_the_log_from_starting_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog");
        let (writer, readers) = pool(&path);
        writer.execute_batch("PRAGMA wal_autocheckpoint = 10").unwrap();
        for _ in 0..500 {
            readers.writing();
            writer.execute("INSERT INTO t VALUES (zeroblob(4000))", []).unwrap();
            readers.written();
            count(&readers);
        }
        let log = std::fs::metadata(folder.path().join("catalog-wal")).unwrap().len();
        assert!(log < 1 << 20, "the log has {log} bytes");
    }
}
