//! A blob that is being fetched, for those who read it meanwhile.
//!
//! A few readers who keep up are given what came as it came, from memory; many, and those who come later, read the file
//! as far as it is written. The last byte of each answer is held back until the digest holds and the blob is stored: a
//! reader that knows the length never takes wrong bytes for what it asked for.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hythe_storage::Upload;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

/// How much of what came last is kept in memory for readers.
const TAIL: usize = 2 << 20;

/// So many readers are served from memory. For more, one page of the file's in the page cache serves all of them, and
/// each needs no copy.
const FEW: usize = 4;

/// So far behind what came last a reader may be before it is waited for.
const LAG: u64 = TAIL as u64 / 2;

/// How long it is waited for: one that keeps up in general gets there sooner.
const PATIENCE: Duration = Duration::from_millis(5);

/// What is before this is given to everybody from memory: nobody's first byte waits for the disk.
const FIRST: u64 = 64 << 10;

/// How far a fetch has come.
#[derive(Clone, Debug, Default)]
struct Progress {
    received: u64,
    written: u64,
    end: Option<End>,
}

/// How it ended.
#[derive(Clone, Debug)]
enum End {
    Whole,
    Failed(Arc<str>),
}

/// What came last, piece by piece.
#[derive(Debug, Default)]
struct Tail {
    pieces: VecDeque<Bytes>,
    /// Where the first of them starts.
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

    /// What there is from `offset` on, up to the end of the piece that it is in.
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
    /// The end of what any reader was given.
    furthest: AtomicU64,
    /// Told when a reader goes on.
    moved: Notify,
    /// Whether readers kept up when they were last waited for.
    keep_up: AtomicBool,
}

impl Shared {
    fn tail(&self) -> MutexGuard<'_, Tail> {
        // Nothing in there panics halfway through a change.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
    /// How far it has come, as far as readers were told.
    pub(crate) fn told(&self) -> u64 {
        self.progress.borrow().received
    }

    /// All up to `end` has come; `bytes` are those from [where readers were told](Self::told) on.
    pub(crate) fn tell(&self, end: u64, bytes: impl FnOnce() -> Bytes) {
        let told = self.told();
        let from_memory = match self.shared.readers.load(Ordering::Relaxed) {
            // Whoever began it is about to read it.
            0 => told < TAIL as u64,
            1..=FEW => true,
            _ => told < FIRST,
        };
        {
            let mut tail = self.shared.tail();
            if from_memory { tail.push(told, bytes()) } else { *tail = Tail::default() }
        }
        self.progress.send_if_modified(|progress| {
            progress.received = end;
            // Else nobody has more to read before it is written.
            from_memory
        });
    }

    /// Whether the first bytes are yet to be told: nobody waits for those. Each further piece would wake everybody
    /// again.
    pub(crate) fn is_urgent(&self) -> bool {
        self.told() == 0
    }

    /// Waits a moment for a reader that is about to fall behind what is in memory, where all up to `offset` has come:
    /// for one that has, what was just written is read from the disk again. Who is slow is not waited for again until
    /// it has caught up.
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

    /// All bytes up to `offset` are in the file.
    pub(crate) fn up_to(&self, offset: u64) {
        self.progress.send_if_modified(|progress| {
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
        *self.shared.tail() = Tail::default();
        self.progress.send_if_modified(|progress| {
            let first = progress.end.is_none();
            progress.end.get_or_insert(end);
            first
        });
    }

    /// Returns when somebody waits for the file: all that was handed on, up to `offset`, is written, and what has come
    /// since is wanted by more readers than are served from memory, or is not there.
    pub(crate) async fn wanted(&self, offset: u64) {
        let from_memory = match self.shared.readers.load(Ordering::Relaxed) {
            0 => true,
            1..=FEW => self.told() <= offset || self.shared.tail().at(offset).is_some(),
            _ => false,
        };
        if from_memory {
            return std::future::pending().await;
        }
        // An error is a sender that is gone, and this is one.
        let _ = self.progress.subscribe().wait_for(|progress| progress.written >= offset).await;
    }
}

/// A blob that is being fetched; a clone is the same one.
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

/// What can be read next.
#[derive(Clone, Debug)]
pub enum Ready {
    /// These bytes.
    Bytes(Bytes),
    /// So many bytes of a file.
    File(Arc<File>, u64),
}

/// One who reads a blob that is being fetched.
#[derive(Debug)]
pub struct Reader(Growing);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.shared.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Growing {
    /// Of a blob of so many bytes, which `upload` has up to `offset`.
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

    /// How many bytes it will have.
    pub fn size(&self) -> u64 {
        self.shared.size
    }

    /// Whether it has come to nothing.
    pub fn has_failed(&self) -> bool {
        matches!(self.progress.borrow().end, Some(End::Failed(_)))
    }

    /// Whether all of it has come, and its digest holds.
    pub fn is_whole(&self) -> bool {
        matches!(self.progress.borrow().end, Some(End::Whole))
    }

    /// One more who reads it.
    pub fn reader(&self) -> Reader {
        self.shared.readers.fetch_add(1, Ordering::Relaxed);
        Reader(self.clone())
    }
}

impl Reader {
    /// Waits until there is something to read at `offset`, of the `left` bytes that an answer still has, and answers
    /// what. The answer's last byte, like the blob's, is held back until the digest holds. An error when there never
    /// will be more.
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
                && let Some(bytes) = shared.tail().at(offset)
            {
                let length = (received - offset).min(bytes.len() as u64);
                return Ok(Ready::Bytes(bytes.slice(..length as usize)));
            }
            if offset < written {
                let length = written - offset;
                if let Some(file) = &shared.file {
                    return Ok(Ready::File(Arc::clone(file), length));
                }
                let bytes = shared.upload.read(offset, length.min(TAIL as u64) as usize).await;
                return bytes.map(Ready::Bytes).map_err(io::Error::other);
            }
            progress.changed().await.map_err(|_| io::Error::other("the fetch ended without a reason"))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use hythe_storage::Storage as _;

    use super::*;

    #[test]
    fn the_tail_has_what_came_last_and_no_more_than_it_may() {
        let mut tail = Tail::default();
        for number in 0..100_u64 {
            tail.push(number * 50_000, Bytes::from(vec![number as u8; 50_000]));
        }
        assert!(tail.length <= TAIL && tail.length > TAIL - 50_000);
        assert_eq!(tail.at(0), None, "it is gone");
        assert_eq!(tail.at(99 * 50_000 + 10).map(|bytes| (bytes.len(), bytes[0])), Some((49_990, 99)));
        assert_eq!(tail.at(100 * 50_000), None, "it has not come");
        tail.push(7, Bytes::from_static(b"elsewhere"));
        assert_eq!((tail.start, tail.at(8)), (7, Some(Bytes::from_static(b"lsewhere"))));
    }

    /// The next piece comes, and `reader` takes it; where it ends.
    async fn read_on(written: &Written, reader: &Reader, offset: u64) -> u64 {
        written.tell(offset + LAG, || Bytes::from(vec![1; LAG as usize]));
        match reader.next(offset, u64::MAX / 2).await.unwrap() {
            Ready::Bytes(bytes) => offset + bytes.len() as u64,
            Ready::File(..) => panic!("it is in memory"),
        }
    }

    /// A blob of a gigabyte, of which nothing is there.
    async fn growing() -> (Written, Growing) {
        let storage = hythe_storage::MemoryStorage::default();
        let upload = storage.open_upload(hythe_oci::UploadId::random(), 0).await.unwrap();
        Growing::new(1 << 30, 0, upload, None)
    }

    #[tokio::test]
    async fn what_was_told_to_many_and_is_not_in_memory_is_written_for_the_few_who_are_left() {
        let (written, growing) = growing().await;
        let is_wanted = async |offset| timeout_at(Instant::now(), written.wanted(offset)).await.is_ok();
        let mut readers: Vec<Reader> = (0..=FEW).map(|_| growing.reader()).collect();
        written.up_to(FIRST);
        written.tell(FIRST, || Bytes::from(vec![1; FIRST as usize]));
        assert!(is_wanted(FIRST).await, "there are many");
        written.tell(FIRST + 10, || panic!("it is not kept for many"));
        readers.pop();
        written.tell(FIRST + 20, || Bytes::from_static(&[1; 10]));
        assert!(is_wanted(FIRST).await, "ten bytes are neither in memory nor written");
        written.up_to(FIRST + 10);
        assert!(!is_wanted(FIRST + 10).await, "the rest is in memory");
        readers.clear();
        assert!(!is_wanted(FIRST).await, "nobody reads");
    }

    #[tokio::test]
    async fn a_reader_that_falls_behind_is_waited_for_a_moment() {
        let (written, growing) = growing().await;
        let keeps_up = async |offset: u64| {
            written.pace(offset).await;
            written.shared.keep_up.load(Ordering::Relaxed)
        };
        assert!(keeps_up(1 << 29).await, "nobody reads");
        let reader = growing.reader();
        assert!(keeps_up(LAG).await, "it has time yet");
        assert!(!keeps_up(LAG + 1).await, "it did not go on in time");
        let at = read_on(&written, &reader, 0).await;
        read_on(&written, &reader, at).await;
        assert!(keeps_up(at + 1).await, "it has caught up, and counts again");
        // Going on ends the wait.
        written.tell(2 * at + 4, || Bytes::from_static(b"more"));
        let (kept_up, _) = tokio::join!(keeps_up(2 * at + LAG), reader.next(2 * at, 10));
        assert!(kept_up);
    }
}
