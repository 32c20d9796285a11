//! What a connection and the exchanges on it tell each other.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A stretch of a file that is to be sent.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
    pub(super) left: u64,
}

/// Shared by one connection and the requests on it.
#[derive(Debug)]
pub(crate) struct Link {
    /// Who asks.
    pub(crate) client: SocketAddr,
    /// Whether the connection can send files itself.
    pub(crate) sendfile: bool,
    /// Whether the listener is bound to loopback, where `Host` is checked.
    pub(crate) loopback: bool,
    /// Whether it came in over a loopback address, whatever its listener is bound to.
    pub(crate) near: bool,
    /// The upstream that its listener stands for, where it does.
    pub(crate) mirror: Option<crate::Mirror>,
    /// How many requests are being answered: a count, so that the end of one can never hide the next.
    open: AtomicUsize,
    /// How many requests have begun: tells one that came and went between two looks.
    begun: AtomicU64,
    /// File stretches in the order in which their chunks were queued.
    segments: Mutex<VecDeque<Segment>>,
}

impl Link {
    pub(crate) fn new(
        client: SocketAddr,
        loopback: bool,
        near: bool,
        mirror: Option<crate::Mirror>,
        sendfile: bool,
    ) -> Self {
        Self {
            client,
            sendfile,
            loopback,
            near,
            mirror,
            open: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
            segments: Mutex::default(),
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    pub(super) fn segments(&self) -> MutexGuard<'_, VecDeque<Segment>> {
        // Held only for a push or for one step of the front: nothing in between can panic.
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request and its answer, from its head to the last byte sent. `finished` runs when it is over, whether it
/// was sent whole or not.
pub(crate) struct Exchange {
    link: Arc<Link>,
    sent: AtomicU64,
    finished: Box<dyn Fn(u64) + Send + Sync>,
}

impl Exchange {
    /// Begins when the head has come. `finished` is given the number of body bytes sent.
    pub(crate) fn begin(link: Arc<Link>, finished: impl Fn(u64) + Send + Sync + 'static) -> Arc<Self> {
        link.open.fetch_add(1, Ordering::Relaxed);
        link.begun.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { link, sent: AtomicU64::new(0), finished: Box::new(finished) })
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    pub(super) fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.link.open.fetch_sub(1, Ordering::Relaxed);
        (self.finished)(self.sent.load(Ordering::Relaxed));
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("sent", &self.sent).finish_non_exhaustive()
    }
}
