//! A blob that is being fetched, for the clients that read it meanwhile.
//!
//! A few readers that keep up get the bytes from memory as they come. If there are many, and for readers that come
//! later, the bytes are read from the file as far as it is written. The last byte of each answer is held back until the
//! digest is verified and the blob is stored, so that a reader that knows the length never accepts wrong bytes.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hythe_storage::Upload;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

/// How many of the last received bytes are kept in memory for readers.
const TAIL: usize = 2 << 20;

/// The most readers that are served from memory. More readers share the file's pages in the page cache, which needs no
/// copy for each reader.
const FEW: usize = 4;

/// How many bytes a reader may be behind the last received byte before the fetch waits for it.
const LAG: u64 = TAIL as u64 / 2;

/// How long the fetch waits for a reader that is behind. A reader that generally keeps up needs less.
const PATIENCE: Duration = Duration::from_millis(5);

/// How many bytes at the start of the blob all readers get from memory, so that no reader's first byte waits for the
/// disk.
const FIRST: u64 = 64 << 10;

/// The most bytes that a reader gets at once from a storage without files.
const PIECE: u64 = 256 << 10;

/// The progress of a fetch.
#[derive(Clone, Debug, Default)]
struct Progress {
    received: u64,
    written: u64,
    end: Option<End>,
}

/// How a fetch ended.
#[derive(Clone, Debug)]
enum End {
    Whole,
    Failed(Arc<str>),
}

/// The last received bytes, piece by piece.
#[derive(Debug, Default)]
struct Tail {
    pieces: VecDeque<Bytes>,
    /// The offset of the first piece.
    start: u64,
    length: usize,
}

impl Tail {
    fn push(&mut self, offset: u64, piece: Bytes) {
        if offset != self.start + self.length as u64 {
            *self = Self { start: offset, ..Self::default() };
        }
        self.length += piece.len();
        self.pieces.push_back(piece);
        while self.length > TAIL
            && self.pieces.len() > 1
            && let Some(first) = self.pieces.pop_front()
        {
            self.start += first.len() as u64;
            self.length -= first.len();
        }
    }

    /// The bytes from `offset` on, up to the end of the piece that contains it; `None` if they are not in memory.
    fn at(&self, offset: u64) -> Option<Bytes> {
        let mut within = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        for piece in &self.pieces {
            if within < piece.len() {
                return Some(piece.slice(within..));
            }
            within -= piece.len();
        }
        None
    }
}

struct Shared {
    size: u64,
    upload: Arc<dyn Upload>,
    file: Option<Arc<File>>,
    tail: Mutex<Tail>,
    readers: AtomicUsize,
    /// The offset to which the fastest reader has read.
    furthest: AtomicU64,
    /// Notified when a reader reads on.
    moved: Notify,
    /// Whether readers kept up when the fetch last waited for them.
    keep_up: AtomicBool,
}

impl Shared {
    fn are_few(&self) -> bool {
        self.readers.load(Ordering::Relaxed) <= FEW
    }
}

/// The writer's side.
#[derive(Clone)]
pub(crate) struct Written {
    shared: Arc<Shared>,
    progress: watch::Sender<Progress>,
}

impl Written {
    /// The number of received bytes that were announced to readers.
    pub(crate) fn told(&self) -> u64 {
        self.progress.borrow().received
    }

    /// Tells readers that all bytes up to `end` have come. `bytes` returns those behind [the last offset](Self::told)
    /// of which readers were told.
    pub(crate) fn tell(&self, end: u64, bytes: impl FnOnce() -> Bytes) {
        let told = self.told();
        let from_memory = match self.shared.readers.load(Ordering::Relaxed) {
            // The request that began the fetch is about to read it.
            0 => told < TAIL as u64,
            1..=FEW => true,
            _ => told < FIRST,
        };
        {
            let mut tail = self.shared.tail.lock();
            if from_memory { tail.push(told, bytes()) } else { *tail = Tail::default() }
        }
        self.progress.send_if_modified(|progress| {
            progress.received = end;
            // Readers of the file have nothing more to read before the bytes are written, so they are not woken.
            from_memory
        });
    }

    /// Whether readers were told of no bytes yet: the first bytes are told at once. Later bytes are collected for a
    /// moment, because each call wakes all readers.
    pub(crate) fn is_urgent(&self) -> bool {
        self.told() == 0
    }

    /// Waits a moment if the fastest reader is about to fall behind the bytes in memory, when all bytes up to `offset`
    /// have come: for a reader that has fallen behind, the bytes must be read from the disk again. After a wait that
    /// did not help, does not wait again until a reader has caught up.
    pub(crate) async fn pace(&self, offset: u64) {
        let shared = &*self.shared;
        let lags = || {
            let is_read = (1..=FEW).contains(&shared.readers.load(Ordering::Relaxed));
            is_read && offset.saturating_sub(shared.furthest.load(Ordering::Relaxed)) > LAG
        };
        if !lags() {
            return shared.keep_up.store(true, Ordering::Relaxed);
        }
        let until = Instant::now() + PATIENCE;
        while shared.keep_up.load(Ordering::Relaxed) && lags() {
            let moved = timeout_at(until, shared.moved.notified()).await.is_ok();
            shared.keep_up.store(moved, Ordering::Relaxed);
        }
    }

    /// Tells readers that all bytes up to `offset` are in the file.
    pub(crate) fn up_to(&self, offset: u64) {
        self.progress.send_if_modified(|progress| {
            let more = offset > progress.written;
            progress.written = progress.written.max(offset);
            more
        });
    }

    /// Tells readers that the digest is verified and the blob is stored.
    pub(crate) fn whole(&self) {
        self.end(End::Whole);
    }

    /// Tells readers that no more bytes will come, and why.
    pub(crate) fn failed(&self, reason: &str) {
        self.end(End::Failed(reason.into()));
    }

    /// Ends the fetch. Only the first end counts.
    fn end(&self, end: End) {
        *self.shared.tail.lock() = Tail::default();
        self.progress.send_if_modified(|progress| {
            let first = progress.end.is_none();
            progress.end.get_or_insert(end);
            first
        });
    }

    /// Returns when readers wait for the file: all bytes that were handed on, up to `offset`, are written, and the
    /// bytes that came since are either not in memory, or wanted by more readers than are served from memory.
    pub(crate) async fn wanted(&self, offset: u64) {
        let from_memory = match self.shared.readers.load(Ordering::Relaxed) {
            0 => true,
            1..=FEW => self.told() <= offset || self.shared.tail.lock().at(offset).is_some(),
            _ => false,
        };
        if from_memory {
            return std::future::pending().await;
        }
        // The only error is that all senders are gone, and `self` is one.
        let _ = self.progress.subscribe().wait_for(|progress| progress.written >= offset).await;
    }
}

/// A blob that is being fetched; a clone is another handle on the same blob.
#[derive(Clone)]
pub struct Growing {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
}

impl std::fmt::Debug for Growing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Growing").field("size", &self.shared.size).finish_non_exhaustive()
    }
}

/// The next bytes that can be read.
#[derive(Clone, Debug)]
pub enum Ready {
    /// These bytes.
    Bytes(Bytes),
    /// This many bytes of the file.
    File(Arc<File>, u64),
}

/// A reader of a blob that is being fetched.
#[derive(Debug)]
pub struct Reader(Growing);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.shared.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Growing {
    /// For a blob of `size` bytes, of which `upload` has those up to `offset`.
    pub(crate) fn new(
        size: u64,
        offset: u64,
        upload: Arc<dyn Upload>,
        file: Option<Arc<File>>,
    ) -> (Written, Self) {
        let (sender, progress) = watch::channel(Progress { received: offset, written: offset, end: None });
        let shared = Arc::new(Shared {
            size,
            upload,
            file,
            tail: Mutex::default(),
            readers: AtomicUsize::new(0),
            furthest: AtomicU64::new(0),
            moved: Notify::new(),
            keep_up: AtomicBool::new(true),
        });
        (Written { shared: Arc::clone(&shared), progress: sender }, Self { shared, progress })
    }

    /// How many bytes the blob will have.
    pub fn size(&self) -> u64 {
        self.shared.size
    }

    /// Whether this attempt to fetch the blob has ended for its readers without the whole blob. The download may still
    /// succeed: by another attempt, or after readers that were told a wrong size were cut off.
    pub fn has_failed(&self) -> bool {
        matches!(self.progress.borrow().end, Some(End::Failed(_)))
    }

    /// Whether the whole blob has come, and its digest is verified.
    pub fn is_whole(&self) -> bool {
        matches!(self.progress.borrow().end, Some(End::Whole))
    }

    /// A new reader of the blob.
    pub fn reader(&self) -> Reader {
        self.shared.readers.fetch_add(1, Ordering::Relaxed);
        Reader(self.clone())
    }
}

impl Reader {
    /// Waits for bytes at `offset`, and returns them. `left` is how many bytes the answer still has. The last byte of
    /// the answer, like that of the blob, is held back until the digest is verified. Returns an error if no more bytes
    /// will come.
    pub async fn next(&self, offset: u64, left: u64) -> io::Result<Ready> {
        let Growing { shared, progress } = &self.0;
        let mut progress = progress.clone();
        shared.furthest.fetch_max(offset, Ordering::Relaxed);
        shared.moved.notify_one();
        loop {
            let seen = progress.borrow_and_update().clone();
            let end = (offset + left).min(shared.size);
            let held_back = end.saturating_sub(1);
            let (received, written) = match &seen.end {
                None => (seen.received.min(held_back), seen.written.min(held_back)),
                Some(End::Whole) => (end, end),
                Some(End::Failed(reason)) => return Err(io::Error::other(reason.to_string())),
            };
            if offset < received
                && (shared.are_few() || offset < FIRST)
                && let Some(bytes) = shared.tail.lock().at(offset)
            {
                let length = (received - offset).min(bytes.len() as u64);
                return Ok(Ready::Bytes(bytes.slice(..length as usize)));
            }
            if offset < written {
                let length = written - offset;
                if let Some(file) = &shared.file {
                    return Ok(Ready::File(Arc::clone(file), length));
                }
                return self.read(offset, length.min(PIECE) as usize).await.map(Ready::Bytes);
            }
            progress.changed().await.map_err(|_| io::Error::other("the fetch ended without a reason"))?;
        }
    }

    /// Reads up to `length` bytes of those that are [`Ready::File`], for a caller that cannot use the file.
    pub async fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        self.0.shared.upload.read(offset, length).await.map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use hythe_storage::Storage as _;

    use super::*;

    #[test]
    fn the_tail_has_the_last_received_bytes_and_stays_below_its_limit() {
        let mut tail = Tail::default();
        for number in 0..100_u64 {
            tail.push(number * 50_000, Bytes::from(vec![number as u8; 50_000]));
        }
        assert!(tail.length <= TAIL && tail.length > TAIL - 50_000);
        assert_eq!(tail.at(0), None, "the first bytes are dropped");
        assert_eq!(tail.at(99 * 50_000 + 10).map(|bytes| (bytes.len(), bytes[0])), Some((49_990, 99)));
        assert_eq!(tail.at(100 * 50_000), None, "these bytes have not come");
        tail.push(7, Bytes::from_static(b"elsewhere"));
        assert_eq!((tail.start, tail.at(8)), (7, Some(Bytes::from_static(b"lsewhere"))));
    }

    /// Lets the next piece come and `reader` read it; returns the offset behind it.
    async fn read_on(written: &Written, reader: &Reader, offset: u64) -> u64 {
        written.tell(offset + LAG, || Bytes::from(vec![1; LAG as usize]));
        match reader.next(offset, u64::MAX / 2).await.unwrap() {
            Ready::Bytes(bytes) => offset + bytes.len() as u64,
            Ready::File(..) => panic!("the bytes are in memory"),
        }
    }

    /// A blob of a gigabyte, of which no byte has come.
    async fn growing() -> (Written, Growing) {
        let storage = hythe_storage::MemoryStorage::default();
        let owner = storage.fence(hythe_oci::UploadId::random()).owned_by(1);
        let upload = storage.open_upload(&owner, 0).await.unwrap();
        Growing::new(1 << 30, 0, upload, None)
    }

    #[tokio::test]
    async fn bytes_that_were_not_kept_for_many_readers_are_written_for_the_few_that_are_left() {
        let (written, growing) = growing().await;
        let is_wanted = async |offset| timeout_at(Instant::now(), written.wanted(offset)).await.is_ok();
        let mut readers: Vec<Reader> = (0..=FEW).map(|_| growing.reader()).collect();
        written.up_to(FIRST);
        written.tell(FIRST, || Bytes::from(vec![1; FIRST as usize]));
        assert!(is_wanted(FIRST).await, "many read");
        written.tell(FIRST + 10, || panic!("bytes are not kept for many readers"));
        readers.pop();
        written.tell(FIRST + 20, || Bytes::from_static(&[1; 10]));
        assert!(is_wanted(FIRST).await, "ten bytes are neither in memory nor written");
        written.up_to(FIRST + 10);
        assert!(!is_wanted(FIRST + 10).await, "the rest is in memory");
        readers.clear();
        assert!(!is_wanted(FIRST).await, "none reads");
    }

    #[tokio::test]
    async fn the_fetch_waits_a_moment_for_a_reader_that_falls_behind() {
        let (written, growing) = growing().await;
        let keeps_up = async |offset: u64| {
            written.pace(offset).await;
            written.shared.keep_up.load(Ordering::Relaxed)
        };
        assert!(keeps_up(1 << 29).await, "none reads");
        let reader = growing.reader();
        assert!(keeps_up(LAG).await, "the reader is not behind yet");
        assert!(!keeps_up(LAG + 1).await, "the reader did not read on in time");
        let at = read_on(&written, &reader, 0).await;
        read_on(&written, &reader, at).await;
        assert!(keeps_up(at + 1).await, "the reader has caught up, and counts again");
        // The reader's next read ends the wait.
        written.tell(2 * at + 4, || Bytes::from_static(b"more"));
        let (kept_up, _) = tokio::join!(keeps_up(2 * at + LAG), reader.next(2 * at, 10));
        assert!(kept_up);
    }
}
