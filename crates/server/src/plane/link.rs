//! The state that a connection shares with the exchanges on it.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::{Mutex, MutexGuard};

use super::counters::PlaneCounters;
use super::framing::Length;
use super::intake::Intake;
use super::streams::Flow;

/// The first byte of a TLS handshake: the type of its record (RFC 8446, 5.1).
pub(crate) const TLS_HANDSHAKE: u8 = 0x16;

/// A stretch of a file to send.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
    pub(super) left: u64,
}

/// The state that one connection and the requests on it share.
#[derive(Debug)]
pub(crate) struct Link {
    /// Whether the connection can send files itself.
    pub(super) sendfile: bool,
    /// Whether several requests share the connection at the same time, as on HTTP/2.
    is_shared: bool,
    /// Whether the client began with a TLS handshake, which a plain connection cannot answer.
    speaks_tls: AtomicBool,
    /// The counters of the server.
    counters: Arc<PlaneCounters>,
    /// The number of requests being answered. A count, not a flag, so that the end of one request never hides the next.
    open: AtomicUsize,
    /// The number of requests that have begun. The connection compares it to notice a request that begins and ends
    /// between two of its polls.
    begun: AtomicU64,
    /// Whether hyper reads little at once, because the body's bytes wait for memory.
    reads_little: AtomicBool,
    /// The number of the last request whose body of chunks was seen to end with CRLF.
    whole: AtomicU64,
    /// The stretches of files, in the order in which their chunks were queued.
    segments: Mutex<VecDeque<Segment>>,
    handover: Mutex<Handover>,
}

/// Passes the connection's reading end between hyper's side and a request's body that reads the socket directly.
#[derive(Default)]
struct Handover {
    /// The length of the present request's body.
    length: Option<Length>,
    /// Whether the present request's body is one of chunks whose end has not been seen.
    is_open: bool,
    /// Whether a body wants to read directly.
    is_wanted: bool,
    /// The reading end on its way to the body.
    there: Option<Intake>,
    /// The reading end on its way back to hyper's side.
    back: Option<Intake>,
    /// The number of bytes that a body read directly and hyper still has to count.
    owed: u64,
    /// The waker of hyper's side.
    connection: Option<Waker>,
    /// The waker of the body.
    body: Option<Waker>,
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").field("length", &self.length).finish_non_exhaustive()
    }
}

/// What hyper's side gets from a body that reads directly.
pub(super) enum Back {
    /// A number of zeros, for bytes that the body read.
    Zeros(usize),
    /// The reading end.
    Reader(Intake),
}

/// Stores the waker of `cx`.
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
    /// The link of a connection of HTTP/1.1.
    pub(crate) fn new(sendfile: bool, counters: Arc<PlaneCounters>) -> Self {
        Self {
            sendfile,
            is_shared: false,
            speaks_tls: AtomicBool::new(false),
            counters,
            open: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
            reads_little: AtomicBool::new(false),
            whole: AtomicU64::new(0),
            segments: Mutex::default(),
            handover: Mutex::default(),
        }
    }

    /// The link of a connection of HTTP/2. No body reads its socket directly, so the state of the handover has no effect.
    pub(crate) fn shared(counters: Arc<PlaneCounters>) -> Self {
        Self { is_shared: true, ..Self::new(false, counters) }
    }

    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    pub(super) fn counters(&self) -> &PlaneCounters {
        &self.counters
    }

    /// Records the connection's first byte.
    pub(super) fn begins_with(&self, byte: Option<u8>) {
        self.speaks_tls.store(byte == Some(TLS_HANDSHAKE), Ordering::Relaxed);
    }

    /// Whether the client of a plain connection began with a TLS handshake.
    pub(crate) fn speaks_tls(&self) -> bool {
        self.speaks_tls.load(Ordering::Relaxed)
    }

    /// Records that a request begins, and the length of its body.
    pub(super) fn request_begins(&self, length: Length) {
        let mut handover = self.handover.lock();
        (handover.length, handover.is_open) = (Some(length), length == Length::Chunked);
    }

    /// Records that the body of chunks of this request was seen to end with CRLF.
    pub(super) fn chunks_are_whole(&self, number: u64) {
        self.whole.store(number, Ordering::Relaxed);
    }

    /// Records that hyper has reached the end of the present request's body. With trailers, hyper may have taken other
    /// bytes for the end; then it counts only if the framing has seen the same end.
    pub(super) fn body_is_read(&self, has_trailers: bool) {
        if !has_trailers || self.whole.load(Ordering::Relaxed) == self.begun() {
            self.handover.lock().is_open = false;
        }
    }

    /// Whether the end of the present request's body is unknown. Then no further request may be read on this
    /// connection: a proxy in front may see a request where hyper sees a part of the body, or the other way round
    /// (request smuggling). The frames of HTTP/2 leave no doubt.
    pub(crate) fn end_is_unknown(&self) -> bool {
        !self.is_shared && self.handover.lock().is_open
    }

    /// The length of the body of the request that began last.
    pub(super) fn body_length(&self) -> Option<Length> {
        self.handover.lock().length
    }

    /// The length of the body that wants to read directly, if any.
    pub(super) fn wanted_intake(&self) -> Option<Length> {
        let handover = self.handover.lock();
        handover.length.filter(|_| handover.is_wanted)
    }

    /// Hands the reading end to the body that wants it, or back if no body does any more.
    pub(super) fn hand_over(&self, intake: Intake) {
        let mut handover = self.handover.lock();
        if !handover.is_wanted {
            handover.back = Some(intake);
            return;
        }
        handover.there = Some(intake);
        let body = handover.body.take();
        drop(handover);
        wake(body);
    }

    /// Polled by hyper's side while the reading end is away: gives zeros, at most `most` of them, and finally the
    /// reading end.
    pub(super) fn poll_back(&self, cx: &Context<'_>, most: usize) -> Poll<Back> {
        let mut handover = self.handover.lock();
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

    /// Records that the body read `bytes` that hyper has to count.
    pub(super) fn owe(&self, bytes: usize) {
        let mut handover = self.handover.lock();
        handover.owed += bytes as u64;
        let connection = handover.connection.take();
        drop(handover);
        wake(connection);
    }

    /// Polled by the body: gives the reading end once it is handed over and the body has received `content` bytes, as
    /// many as hyper had read, so that hyper holds none of them. Wakes the body when the reading end is handed over.
    pub(super) fn poll_intake(&self, cx: &Context<'_>, content: u64) -> Poll<Intake> {
        let mut handover = self.handover.lock();
        handover.is_wanted = true;
        let there = handover.there.take_if(|intake| intake.content == content);
        if there.is_none() {
            remember(&mut handover.body, cx);
        }
        there.map_or(Poll::Pending, Poll::Ready)
    }

    /// Gives the reading end back.
    pub(super) fn give_back(&self, intake: Intake) {
        let mut handover = self.handover.lock();
        handover.back = Some(intake);
        let connection = handover.connection.take();
        drop(handover);
        wake(connection);
    }

    /// Has hyper read the present request's body a little at a time.
    pub(super) fn read_little(&self) {
        self.reads_little.store(true, Ordering::Relaxed);
    }

    pub(super) fn reads_little(&self) -> bool {
        self.reads_little.load(Ordering::Relaxed)
    }

    /// Records that the body does not read directly any more, and returns the reading end if it was on its way.
    pub(super) fn body_ended(&self) {
        self.reads_little.store(false, Ordering::Relaxed);
        let mut handover = self.handover.lock();
        (handover.is_wanted, handover.body) = (false, None);
        if let Some(intake) = handover.there.take() {
            drop(handover);
            self.give_back(intake);
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    pub(super) fn segments(&self) -> MutexGuard<'_, VecDeque<Segment>> {
        // The lock is held for a push or for an update of the front segment, which cannot panic.
        self.segments.lock()
    }
}

/// One request and its response, from the head to the last byte sent. Calls `finished` at its end, also if the response
/// was not sent whole.
pub(crate) struct Exchange {
    link: Arc<Link>,
    sent: AtomicU64,
    /// The flow of the response, if it is a stream of HTTP/2.
    flow: Option<Arc<Flow>>,
    finished: Box<dyn Fn(u64) + Send + Sync>,
}

impl Exchange {
    /// Begins an exchange, when the head has arrived. `finished` gets the number of body bytes sent.
    pub(crate) fn begin(link: Arc<Link>, finished: impl Fn(u64) + Send + Sync + 'static) -> Arc<Self> {
        link.open.fetch_add(1, Ordering::Relaxed);
        link.begun.fetch_add(1, Ordering::Relaxed);
        let flow = Flow::present();
        Arc::new(Self { link, sent: AtomicU64::new(0), flow, finished: Box::new(finished) })
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Records that the body hands bytes to hyper.
    pub(super) fn hand(&self, bytes: usize) {
        if let Some(flow) = &self.flow {
            flow.hand(bytes);
        }
    }

    pub(super) fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        if let Some(flow) = &self.flow {
            flow.write(bytes);
        }
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
