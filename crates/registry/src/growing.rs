//! A blob that is being fetched, for those who read it meanwhile.
//!
//! Its file only grows. Its last byte is held back until the digest holds and the blob is stored: a reader that knows the
//! size never takes wrong bytes for a whole blob.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hythe_storage::Upload;
use tokio::sync::watch;

/// How far a fetch has come.
#[derive(Clone, Debug, Default)]
struct Progress {
    written: u64,
    end: Option<End>,
}

/// How it ended.
#[derive(Clone, Debug)]
enum End {
    Whole,
    Failed(Arc<str>),
}

/// The writer's side.
#[derive(Debug, Clone)]
pub(crate) struct Written(watch::Sender<Progress>);

impl Written {
    /// All bytes up to `offset` can be read.
    pub(crate) fn up_to(&self, offset: u64) {
        self.0.send_if_modified(|progress| {
            let more = offset > progress.written;
            progress.written = progress.written.max(offset);
            more
        });
    }

    /// The digest holds, and the blob is stored.
    pub(crate) fn whole(&self) {
        self.end(End::Whole);
    }

    /// Nothing more will come.
    pub(crate) fn failed(&self, reason: &str) {
        self.end(End::Failed(reason.into()));
    }

    /// The first end counts.
    fn end(&self, end: End) {
        self.0.send_if_modified(|progress| {
            let first = progress.end.is_none();
            progress.end.get_or_insert(end);
            first
        });
    }

    /// Returns once all that was handed on, up to `offset`, is written.
    pub(crate) async fn reached(&self, offset: u64) {
        // An error is a sender that is gone, and this is one.
        let _ = self.0.subscribe().wait_for(|progress| progress.written >= offset).await;
    }
}

/// A blob that is being fetched; a clone reads the same one.
#[derive(Clone)]
pub struct Growing {
    size: u64,
    upload: Arc<dyn Upload>,
    file: Option<Arc<File>>,
    progress: watch::Receiver<Progress>,
}

impl std::fmt::Debug for Growing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Growing").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Growing {
    pub(crate) fn new(size: u64, upload: Arc<dyn Upload>, file: Option<Arc<File>>) -> (Written, Self) {
        let (sender, progress) = watch::channel(Progress::default());
        (Written(sender), Self { size, upload, file, progress })
    }

    /// How many bytes it will have.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether it has come to nothing.
    pub fn has_failed(&self) -> bool {
        matches!(self.progress.borrow().end, Some(End::Failed(_)))
    }

    /// The file that it grows in, where it is one.
    pub fn file(&self) -> Option<&Arc<File>> {
        self.file.as_ref()
    }

    /// Waits until there is more to read than `offset` bytes, and answers how many there are. An error when there never
    /// will be more.
    pub async fn more_than(&self, offset: u64) -> io::Result<u64> {
        let mut progress = self.progress.clone();
        let readable = |progress: &Progress| match &progress.end {
            Some(End::Whole) => self.size,
            _ => progress.written.min(self.size.saturating_sub(1)),
        };
        let seen = progress.wait_for(|progress| progress.end.is_some() || readable(progress) > offset).await;
        let seen = seen.map_err(|_| io::Error::other("the fetch ended without a word"))?;
        match &seen.end {
            Some(End::Failed(reason)) => Err(io::Error::other(reason.to_string())),
            _ => Ok(readable(&seen)),
        }
    }

    /// Bytes that [are there](Self::more_than), where there is no [file](Self::file).
    pub async fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        self.upload.read(offset, length).await.map_err(io::Error::other)
    }
}
