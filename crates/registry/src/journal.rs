//! The journal of the catalog's changes, in the storage beside the blobs.
//!
//! The catalog reports each change before it answers ([`hythe_catalog::Journal`]), and the storage has the log. This
//! module connects the two: it makes the log durable a moment later, lets the catalog forget what is durable, and replaces a
//! log that has grown long by the records of the present state.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use hythe_catalog::{Journaled, write_line};
use hythe_storage::{Base, Log, Segment, Storage};
use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use crate::joined::joined;
use crate::{Error, Registry, Result};

/// How long changes gather before the log is synced.
const PAUSE: Duration = Duration::from_secs(1);

/// The wait after a failure.
const AGAIN: Duration = Duration::from_secs(10);

/// How large the part of the log behind its base is at least, in bytes, before a new base replaces the log.
const LONG: u64 = 16 << 20;

/// How many bytes of a base are written at once.
const PIECE: usize = 64 << 10;

/// The storage's log, in the form that the catalog expects. `None` if the storage has no log.
pub fn journal(storage: &dyn Storage) -> Option<Arc<dyn hythe_catalog::Journal>> {
    storage.log().map(|log| Arc::new(Appending(log)) as Arc<dyn hythe_catalog::Journal>)
}

#[derive(Debug)]
struct Appending(Arc<dyn Log>);

impl hythe_catalog::Journal for Appending {
    fn append(&self, lines: &[u8]) -> io::Result<()> {
        self.0.append(lines).map_err(io::Error::other)
    }
}

impl Registry {
    /// Keeps the journal until it is dropped: makes what was appended durable, and the journal short.
    pub async fn keep_journal(&self) {
        let Some(mut journaled) = self.0.catalog.journaled() else { return };
        let mut told = None;
        loop {
            let outcome = self.settle_journal().await;
            let failure = outcome.err().map(|error| error.to_string());
            if failure.is_some() && failure != told {
                let error = failure.as_deref().unwrap_or_default();
                tracing::warn!(%error, "could not write the journal of the catalog beside the blobs; \
                    the catalog keeps the changes and writes them as soon as that works again");
            }
            told = failure;
            if told.is_some() {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            // The catalog is closed when the other end is gone.
            if journaled.changed().await.is_err() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Appends what is not in the journal, makes it durable, and replaces a journal that has no base or is long.
    pub async fn settle_journal(&self) -> Result<()> {
        let catalog = &self.0.catalog;
        let (Some(log), Some(mut journaled)) = (self.0.storage.log(), catalog.journaled()) else {
            return Ok(());
        };
        catalog.flush_journal().await?;
        let Journaled { last, failure } = journaled.borrow_and_update().clone();
        if let Some(failure) = failure {
            return Err(Error::Internal(failure));
        }
        let syncing = Arc::clone(&log);
        if let Err(error) = joined(spawn_blocking(move || syncing.sync())).await? {
            // What was appended since the last sync may be lost, although a later sync would succeed. The changes are
            // still in the catalog.
            let base = self.write_base(log).await;
            catalog.rewind_journal().await?;
            base?;
            return Err(error.into());
        }
        catalog.forget_journaled(last).await?;
        let listing = Arc::clone(&log);
        let segments = joined(spawn_blocking(move || listing.segments())).await??;
        if is_long(&segments) {
            self.write_base(log).await?;
        }
        Ok(())
    }

    /// Replaces the journal by the records of the present state, if the registry has a journal.
    pub async fn replace_journal(&self) -> Result<()> {
        match self.0.storage.log() {
            Some(log) => self.write_base(log).await,
            None => Ok(()),
        }
    }

    async fn write_base(&self, log: Arc<dyn Log>) -> Result<()> {
        let beginning = Arc::clone(&log);
        let base = joined(spawn_blocking(move || beginning.begin_base())).await??;
        let writing = Arc::new(Mutex::new(Writing { base, lines: Vec::new() }));
        let sink = Arc::clone(&writing);
        let written = self.0.catalog.export(move |record| sink.lock().write(&record)).await?;
        written.map_err(|error| not_written(&error))?;
        let Some(writing) = Arc::into_inner(writing) else {
            return Err(Error::Internal("the records are still being written".to_owned()));
        };
        let finishing = move || writing.into_inner().finish();
        joined(spawn_blocking(finishing)).await?
    }
}

fn not_written(error: &io::Error) -> Error {
    Error::Internal(format!("cannot write a base of the journal: {error}"))
}

/// Whether the journal has no base yet, or a small part of what it says is still true.
fn is_long(segments: &[Segment]) -> bool {
    let (bases, appended): (Vec<&Segment>, Vec<&Segment>) =
        segments.iter().partition(|segment| segment.is_base());
    let size = |segments: &[&Segment]| segments.iter().map(|segment| segment.size).sum::<u64>();
    bases.is_empty() || size(&appended) > LONG.max(2 * size(&bases))
}

/// A base that is being written.
struct Writing {
    base: Box<dyn Base>,
    lines: Vec<u8>,
}

impl Writing {
    fn write(&mut self, record: &hythe_catalog::Record) -> io::Result<()> {
        write_line(record, &mut self.lines)?;
        if self.lines.len() >= PIECE {
            self.base.write_all(&self.lines)?;
            self.lines.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.base.write_all(&self.lines).map_err(|error| not_written(&error))?;
        Ok(self.base.finish()?)
    }
}
