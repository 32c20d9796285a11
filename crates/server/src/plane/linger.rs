//! How a connection ends: it reads and drops the client's bytes until the client closes. If a socket is closed with
//! unread bytes, the kernel resets the connection, and the client loses the part of the response that it has not read.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};

use super::deadline::Deadline;

/// How long a connection that ends early waits for the client to read the response.
const LINGER: Duration = Duration::from_secs(5);

/// Reads per turn before the connection yields to others of its worker.
const TURN: u32 = 32;

/// The end of one connection.
#[derive(Debug)]
pub(super) struct Linger(Deadline);

impl Linger {
    pub(super) const fn new() -> Self {
        Self(Deadline::unset())
    }

    /// Polled once the writing end is closed. Ready when the client has closed, or when it has taken too long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, mut reader: impl AsyncRead + Unpin) -> Poll<()> {
        self.0.start(LINGER);
        let mut scratch = [0; 16 << 10];
        for _ in 0..TURN {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut reader).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    ready!(self.0.poll(cx));
                    return Poll::Ready(());
                }
            }
        }
        if self.0.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
