//! A deadline that is cheap to move, because most deadlines never pass.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline. Moving it only stores a time; its timer is reset only when it fires too early.
#[derive(Debug)]
pub(super) struct Deadline {
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(super) const fn unset() -> Self {
        Self { at: None, timer: None }
    }

    /// Sets the deadline, unless it is set.
    pub(super) fn start(&mut self, after: Duration) {
        if self.at.is_none() {
            self.at = Some(Instant::now() + after);
        }
    }

    pub(super) fn clear(&mut self) {
        self.at = None;
    }

    /// Ready when the deadline has passed; otherwise wakes `cx` when it passes.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if at <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
        Poll::Pending
    }
}

/// The error of a connection whose deadline has passed.
pub(super) fn timed_out(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}
