//! A running estimate of the bytes that the registry stores, which is never too low.
//!
//! A count of the catalog's rows is exact, but reads every blob. So the registry counts now and then, and adds what comes
//! in between. When the estimate passes a mark, it wakes the task that evicts, which counts again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hythe_oci::{Digest, UploadId};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::Full;

/// The longest wait of a request for a round of eviction.
const PATIENCE: Duration = Duration::from_secs(10);

/// The estimate, and the requests for a round of eviction.
#[derive(Debug)]
pub(crate) struct Usage {
    /// The last count.
    counted: AtomicU64,
    /// Bytes that came since.
    grown: AtomicU64,
    /// The bytes of the uploads that are open in this process. Their rows do not have them all.
    open: Mutex<HashMap<u64, Open>>,
    next: AtomicU64,
    /// The estimate above which a round of eviction begins.
    mark: AtomicU64,
    wake: Notify,
    /// Whether a task runs rounds of eviction.
    is_attended: AtomicBool,
    /// How many rounds were requested.
    wanted: AtomicU64,
    /// The value of `wanted` at the beginning of the last round that has ended.
    done: watch::Sender<u64>,
    /// Why pushes are refused now.
    full: ArcSwapOption<Full>,
}

#[derive(Debug)]
struct Open {
    upload: UploadId,
    /// The blob, if the registry fetches it.
    fetched: Option<Digest>,
    bytes: Arc<AtomicU64>,
    /// How many of these bytes have come.
    came: Arc<AtomicU64>,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            // Not counted yet, and never too low.
            counted: AtomicU64::new(u64::MAX),
            grown: AtomicU64::new(0),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            mark: AtomicU64::new(u64::MAX),
            wake: Notify::new(),
            is_attended: AtomicBool::new(false),
            wanted: AtomicU64::new(0),
            done: watch::Sender::new(0),
            full: ArcSwapOption::empty(),
        }
    }
}

/// The beginning of a count.
pub(crate) struct Count {
    grown: u64,
    /// The uploads that are open: their rows are left out.
    pub(crate) open: Vec<UploadId>,
    bytes: u64,
}

/// The most bytes of a fetch that count before they have come: an upstream that announces more than it sends must not
/// push other content out.
const AHEAD: u64 = 1 << 30;

impl Usage {
    /// An upload is open that has this many bytes.
    pub(crate) fn open(self: &Arc<Self>, upload: UploadId, bytes: u64) -> Held {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (bytes, came) = (Arc::new(AtomicU64::new(bytes)), Arc::new(AtomicU64::new(bytes)));
        let open = Open { upload, fetched: None, bytes: Arc::clone(&bytes), came: Arc::clone(&came) };
        self.open.lock().insert(number, open);
        Held { usage: Arc::clone(self), number, bytes, came }
    }

    /// How many bytes of running fetches count, but have not come yet.
    pub(crate) fn coming(&self) -> u64 {
        let ahead = |open: &Open| {
            let came = open.came.load(Ordering::Relaxed);
            open.bytes.load(Ordering::Relaxed).saturating_sub(came)
        };
        self.open.lock().values().map(ahead).sum()
    }

    /// The estimate.
    pub(crate) fn bytes(&self) -> u64 {
        self.counted.load(Ordering::Acquire).saturating_add(self.grown.load(Ordering::Acquire))
    }

    /// Whether the registry fetches this blob now.
    pub(crate) fn is_fetched(&self, digests: &[Digest]) -> bool {
        let open = self.open.lock();
        open.values().any(|open| open.fetched.is_some_and(|fetched| digests.contains(&fetched)))
    }

    /// Begins a count. In this order what comes meanwhile counts twice, never not at all.
    pub(crate) fn begin_count(&self) -> Count {
        let grown = self.grown.load(Ordering::Acquire);
        let open = self.open.lock();
        let bytes = open.values().map(|open| open.bytes.load(Ordering::Relaxed)).sum();
        Count { grown, open: open.values().map(|open| open.upload).collect(), bytes }
    }

    /// Ends a count: `rows` is what the catalog's rows have. Returns the sum.
    pub(crate) fn end_count(&self, count: &Count, rows: u64) -> u64 {
        let counted = rows.saturating_add(count.bytes);
        self.counted.store(counted, Ordering::Release);
        // Another count may have ended meanwhile.
        let _ = self.grown.fetch_update(Ordering::AcqRel, Ordering::Acquire, |grown| {
            Some(grown.saturating_sub(count.grown))
        });
        counted
    }

    fn grew(&self, bytes: u64) {
        self.grown.fetch_add(bytes, Ordering::AcqRel);
        if self.bytes() > self.mark.load(Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }

    /// Files of this many bytes were removed. While pushes are refused, that asks for a round.
    pub(crate) fn shrank(&self, bytes: u64) {
        let shrink = |counted: u64| Some(counted.saturating_sub(bytes));
        let _ = self.counted.fetch_update(Ordering::AcqRel, Ordering::Acquire, shrink);
        if self.full.load().is_some() {
            self.wake.notify_one();
        }
    }

    /// Returns when the estimate passes the mark, when a request waits for a round, or after `patience`.
    pub(crate) async fn wanted(&self, patience: Duration) {
        self.is_attended.store(true, Ordering::Release);
        let _ = timeout(patience, self.wake.notified()).await;
    }

    /// Begins a round; returns its number.
    pub(crate) fn begin_round(&self) -> u64 {
        self.wanted.load(Ordering::Acquire)
    }

    /// Ends a round. `full` is why pushes are refused from now on; the next round begins above `mark`.
    pub(crate) fn end_round(&self, number: u64, full: Option<Full>, mark: u64) {
        self.full.store(full.map(Arc::new));
        self.mark.store(mark, Ordering::Relaxed);
        self.done.send_replace(number);
    }

    /// Why pushes are refused now.
    pub(crate) fn full(&self) -> Option<Full> {
        self.full.load().as_deref().copied()
    }

    /// Waits until a round of eviction that begins now has ended. Returns at once if no task runs rounds.
    pub(crate) async fn round(&self) {
        if !self.is_attended.load(Ordering::Acquire) {
            return;
        }
        let number = self.wanted.fetch_add(1, Ordering::AcqRel) + 1;
        let mut done = self.done.subscribe();
        self.wake.notify_one();
        // A round that takes longer goes on; the request goes on too, and meets a full disk at worst.
        let _ = timeout(PATIENCE, done.wait_for(|done| *done >= number)).await;
    }
}

/// The bytes of an upload while it is open.
#[derive(Debug)]
pub(crate) struct Held {
    usage: Arc<Usage>,
    number: u64,
    bytes: Arc<AtomicU64>,
    came: Arc<AtomicU64>,
}

impl Held {
    /// Further bytes came.
    pub(crate) fn add(&self, bytes: u64) {
        let came = self.came.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let before = self.bytes.fetch_max(came, Ordering::Relaxed);
        self.usage.grew(came.saturating_sub(before));
    }

    /// The upload is that of a fetch, and will have `size` bytes: they count from now on, so that room is made for them
    /// while they come.
    pub(crate) fn fetches(&self, digest: Digest, size: u64) {
        if let Some(open) = self.usage.open.lock().get_mut(&self.number) {
            open.fetched = Some(digest);
        }
        let size = size.min(self.came.load(Ordering::Relaxed).saturating_add(AHEAD));
        let before = self.bytes.fetch_max(size, Ordering::Relaxed);
        self.usage.grew(size.saturating_sub(before));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.usage.open.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A usage that has counted nothing.
    fn counted() -> Arc<Usage> {
        let usage = Arc::new(Usage::default());
        usage.end_count(&usage.begin_count(), 0);
        usage
    }

    #[test]
    fn the_estimate_is_never_below_what_is_stored() {
        let usage = Arc::new(Usage::default());
        assert_eq!(usage.bytes(), u64::MAX);
        let held = usage.open(UploadId::random(), 0);
        held.add(100);
        let count = usage.begin_count();
        // These come while the rows are read.
        held.add(10);
        assert_eq!((usage.end_count(&count, 1000), usage.bytes()), (1100, 1110));
        usage.shrank(50);
        assert_eq!(usage.bytes(), 1060);
        let count = usage.begin_count();
        assert_eq!((usage.end_count(&count, 1000), usage.bytes()), (1110, 1110));
        drop(held);
        let count = usage.begin_count();
        assert_eq!(usage.end_count(&count, 1000), 1000);
    }

    #[test]
    fn a_fetch_counts_as_a_whole_from_its_beginning() {
        let usage = counted();
        let digest = Digest::of(hythe_oci::Algorithm::Sha256, b"fetched");
        let held = usage.open(UploadId::random(), 30);
        held.fetches(digest, 100);
        assert_eq!((usage.bytes(), usage.coming(), usage.is_fetched(&[digest])), (70, 70, true));
        held.add(70);
        assert_eq!((usage.bytes(), usage.coming()), (70, 0));
        drop(held);
        assert!(!usage.is_fetched(&[digest]));
    }

    #[test]
    fn an_announced_size_counts_at_most_a_gibibyte_ahead() {
        let usage = counted();
        let held = usage.open(UploadId::random(), 0);
        held.fetches(Digest::of(hythe_oci::Algorithm::Sha256, b"huge"), u64::MAX);
        assert_eq!(usage.bytes(), AHEAD);
        held.add(AHEAD + 5);
        assert_eq!((usage.bytes(), usage.coming()), (AHEAD + 5, 0));
    }

    #[tokio::test]
    async fn growth_above_the_mark_wakes_and_a_request_waits_for_a_round_that_begins_after_it() {
        let usage = Arc::new(Usage::default());
        usage.end_round(0, None, 100);
        let held = usage.open(UploadId::random(), 0);
        held.add(101);
        usage.wanted(Duration::MAX).await;
        let asking = tokio::spawn({
            let usage = Arc::clone(&usage);
            async move { usage.round().await }
        });
        usage.wanted(Duration::MAX).await;
        usage.end_round(0, None, 200);
        assert!(!asking.is_finished());
        let number = usage.begin_round();
        usage.end_round(number, None, 200);
        asking.await.unwrap();
    }

    #[tokio::test]
    async fn without_a_task_that_evicts_no_request_waits() {
        Arc::new(Usage::default()).round().await;
    }
}
