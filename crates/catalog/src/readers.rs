//! Connections that read, beside the writer and beside one another.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::schema;

/// Where reads run.
#[derive(Debug)]
pub(crate) enum Readers {
    /// On read-only connections to a file, opened when all others are busy.
    Pool {
        path: PathBuf,
        /// Those that nobody uses; `None` once closed.
        idle: Mutex<Option<Vec<Connection>>>,
        /// How many to keep: reads run to their end on their thread, so more than cores are seldom of use.
        keep: usize,
    },
    /// On the writer's connection, between its groups: a database in memory has only one.
    Shared(Arc<Mutex<Connection>>),
}

impl Readers {
    pub(crate) fn pool(path: &Path) -> Self {
        let keep = thread::available_parallelism().map_or(1, usize::from);
        Self::Pool { path: path.to_owned(), idle: Mutex::new(Some(Vec::new())), keep }
    }

    pub(crate) fn shared(connection: Arc<Mutex<Connection>>) -> Self {
        Self::Shared(connection)
    }

    pub(crate) fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let answer = match self {
            Self::Shared(connection) => query(&lock(connection)),
            Self::Pool { path, idle, keep } => {
                let free = lock(idle).as_mut().ok_or_else(Error::closed)?.pop();
                let connection = match free {
                    Some(connection) => connection,
                    None => schema::open_reader(path).map_err(|error| Error::from_sqlite(&error))?,
                };
                let answer = query(&connection);
                // A connection that failed is not trusted with another read.
                if answer.is_ok()
                    && let Some(idle) = lock(idle).as_mut()
                    && idle.len() < *keep
                {
                    idle.push(connection);
                }
                answer
            }
        };
        answer.map_err(|error| Error::from_sqlite(&error))
    }

    pub(crate) fn close(&self) {
        if let Self::Pool { idle, .. } = self {
            drop(lock(idle).take());
        }
    }
}

/// A panic elsewhere leaves a connection whole: SQLite's state is its own.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
