//! What a connection and the exchanges on it tell each other.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::framing::Length;
use super::intake::Intake;

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
    /// Whether little is read at once: what is read waits for memory.
    reads_little: AtomicBool,
    /// Which request was the last whose body of chunks was seen to end as it should.
    whole: AtomicU64,
    /// File stretches in the order in which their chunks were queued.
    segments: Mutex<VecDeque<Segment>>,
    handover: Mutex<Handover>,
}

/// The reading end of the connection, between hyper's side of it and the body of a request that reads by itself.
#[derive(Default)]
struct Handover {
    /// How long the present request's body is.
    length: Option<Length>,
    /// Whether the end of the present request's body has not been seen, and only its chunks can tell.
    is_open: bool,
    /// Whether a body would read by itself.
    is_wanted: bool,
    /// On its way to the body.
    there: Option<Intake>,
    /// On its way back.
    back: Option<Intake>,
    /// How many bytes were read elsewhere that hyper has to count.
    owed: u64,
    /// Who waits on hyper's side.
    connection: Option<Waker>,
    /// Who waits for the body.
    body: Option<Waker>,
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").field("length", &self.length).finish_non_exhaustive()
    }
}

/// What comes back to hyper's side.
pub(super) enum Back {
    /// So many zeros for bytes that were read elsewhere.
    Zeros(usize),
    /// The reading end.
    Reader(Intake),
}

/// Remembers whom to wake.
fn remember(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *waker = Some(cx.waker().clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
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
            reads_little: AtomicBool::new(false),
            whole: AtomicU64::new(0),
            segments: Mutex::default(),
            handover: Mutex::default(),
        }
    }

    fn handover(&self) -> MutexGuard<'_, Handover> {
        // Held for a few moves: nothing in between can panic, and nobody is woken before it is free again.
        self.handover.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how long the body is of the request that begins.
    pub(super) fn request_begins(&self, length: Length) {
        let mut handover = self.handover();
        (handover.length, handover.is_open) = (Some(length), length == Length::Chunked);
    }

    /// Says that the body of the request of this number came to its end, as chunks do.
    pub(super) fn chunks_are_whole(&self, number: u64) {
        self.whole.store(number, Ordering::Relaxed);
    }

    /// Says that hyper is at the end of the present request's body; whether it may have taken something else for that, as
    /// there were trailers.
    pub(super) fn body_is_read(&self, has_trailers: bool) {
        if !has_trailers || self.whole.load(Ordering::Relaxed) == self.begun() {
            self.handover().is_open = false;
        }
    }

    /// Whether it is not known where the present request's body ends: then no further request is to be read on this
    /// connection. What a proxy in front takes for one may be a part of the body to hyper, or the other way round.
    pub(crate) fn end_is_unknown(&self) -> bool {
        self.handover().is_open
    }

    /// How long the body is of the request that began last.
    pub(super) fn body_length(&self) -> Option<Length> {
        self.handover().length
    }

    /// How long the body is that would read by itself, where there is one.
    pub(super) fn wanted_intake(&self) -> Option<Length> {
        let handover = self.handover();
        handover.length.filter(|_| handover.is_wanted)
    }

    /// Hands the reading end to the body that wants it; back, where none does any more.
    pub(super) fn hand_over(&self, intake: Intake) {
        let mut handover = self.handover();
        if !handover.is_wanted {
            handover.back = Some(intake);
            return;
        }
        handover.there = Some(intake);
        let body = handover.body.take();
        drop(handover);
        wake(body);
    }

    /// What hyper's side gets while the reading end is away: zeros, `most` at most, and at last the reading end.
    pub(super) fn poll_back(&self, cx: &Context<'_>, most: usize) -> Poll<Back> {
        let mut handover = self.handover();
        if handover.owed > 0 {
            let zeros = handover.owed.min(most as u64);
            handover.owed -= zeros;
            return Poll::Ready(Back::Zeros(zeros as usize));
        }
        let back = handover.back.take();
        if back.is_none() {
            remember(&mut handover.connection, cx);
        }
        back.map_or(Poll::Pending, |intake| Poll::Ready(Back::Reader(intake)))
    }

    /// Says that so many bytes were read that hyper has to count.
    pub(super) fn owe(&self, bytes: usize) {
        let mut handover = self.handover();
        handover.owed += bytes as u64;
        let connection = handover.connection.take();
        drop(handover);
        wake(connection);
    }

    /// The reading end, once it is handed over and as many bytes have come to the body as hyper was given: it has none left.
    /// The body is woken when that changes.
    pub(super) fn poll_intake(&self, cx: &Context<'_>, content: u64) -> Poll<Intake> {
        let mut handover = self.handover();
        handover.is_wanted = true;
        let there = handover.there.take_if(|intake| intake.content == content);
        if there.is_none() {
            remember(&mut handover.body, cx);
        }
        there.map_or(Poll::Pending, Poll::Ready)
    }

    /// Gives the reading end back.
    pub(super) fn give_back(&self, intake: Intake) {
        let mut handover = self.handover();
        handover.back = Some(intake);
        let connection = handover.connection.take();
        drop(handover);
        wake(connection);
    }

    /// Says that the present request's body is to be read a little at a time.
    pub(super) fn read_little(&self) {
        self.reads_little.store(true, Ordering::Relaxed);
    }

    pub(super) fn reads_little(&self) -> bool {
        self.reads_little.load(Ordering::Relaxed)
    }

    /// Says that the body reads no more by itself.
    pub(super) fn body_ended(&self) {
        self.reads_little.store(false, Ordering::Relaxed);
        let mut handover = self.handover();
        (handover.is_wanted, handover.body) = (false, None);
        if let Some(intake) = handover.there.take() {
            drop(handover);
            self.give_back(intake);
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
