//! The deadlines for the requests that a connection of HTTP/1.1 awaits.

use std::io;
use std::task::{Context, Poll, ready};

use super::deadline::{Deadline, timed_out};
use super::link::Link;
use super::patience::Patience;

/// What the connection awaits from its client: a request, or the rest of a head.
#[derive(Debug)]
pub(super) struct Awaiting {
    patience: Patience,
    /// The deadline for the client to send a head; set while one is awaited.
    by: Deadline,
    /// Whether a byte of a head has arrived since the last request began.
    in_head: bool,
    /// The number of requests that had begun when `in_head` was last updated.
    begun: u64,
}

impl Awaiting {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, by: Deadline::unset(), in_head: false, begun: 0 }
    }

    /// Follows the requests on `link`, before each read. Returns how many have begun.
    pub(super) fn follow(&mut self, link: &Link) -> u64 {
        let begun = link.begun();
        if self.begun != begun {
            // A request has begun, so its head was whole. The next byte begins another head.
            self.begun = begun;
            self.in_head = false;
            self.by.clear();
        }
        begun
    }

    /// Records that bytes have arrived, or the connection's end.
    pub(super) fn came(&mut self, link: &Link) {
        if link.is_busy() {
            self.in_head = false;
            self.by.clear();
        } else if !self.in_head {
            self.in_head = true;
            self.by.clear();
            self.by.start(self.patience.head);
        }
    }

    /// Polled while no bytes have arrived. Ready when the client has been silent for too long: an idle connection then
    /// ends as if the client had closed it, and one within a head ends with an error.
    pub(super) fn poll_silence(&mut self, cx: &mut Context<'_>, link: &Link) -> Poll<io::Result<()>> {
        if link.is_busy() {
            // The body's reader has its own deadline.
            self.in_head = false;
            self.by.clear();
            return Poll::Pending;
        }
        self.by.start(if self.in_head { self.patience.head } else { self.patience.idle });
        ready!(self.by.poll(cx));
        Poll::Ready(if self.in_head {
            Err(timed_out("the client did not send a whole request head in time (http.header-timeout)"))
        } else {
            Ok(())
        })
    }

    /// Called after a response was flushed. If its end had to wait for the client, hyper has looked for the next request
    /// before it was sent, so the idle deadline was not set then.
    pub(super) fn flushed(&mut self, cx: &mut Context<'_>, link: &Link) {
        if !self.in_head && !link.is_busy() {
            self.by.start(self.patience.idle);
            // Registers the waker. The next read reports a deadline that has passed.
            let _ = self.by.poll(cx);
        }
    }
}
