//! Reads a blob to its end: a read that breaks continues where it broke.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hythe_oci::Descriptor;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::sleep;

use crate::error::Result;
use crate::store::{Bytestream, Moved, Source};

/// How many failures in a row end a read. A failure after new bytes starts the count again.
const FAILURES: u32 = 5;

/// The wait after the second failure in a row; each further one waits longer by as much. The first is followed by another
/// attempt at once: the connection broke, and the source may be well.
const PAUSE: Duration = Duration::from_millis(200);

type Opening = Pin<Box<dyn Future<Output = Result<Bytestream>> + Send>>;

enum State {
    Opening(Opening),
    Reading(Bytestream),
    Ended,
}

/// The bytes of a blob from an offset to its end. A read that breaks, or ends early, is opened again at that byte.
pub(crate) struct Resuming {
    source: Arc<dyn Source>,
    blob: Descriptor,
    /// The offset of the next byte.
    at: u64,
    failures: u32,
    state: State,
    moved: Moved,
}

impl Resuming {
    pub(crate) fn new(source: Arc<dyn Source>, blob: Descriptor, from: u64, moved: Moved) -> Self {
        let mut reading = Self { source, blob, at: from, failures: 0, state: State::Ended, moved };
        if from < reading.blob.size {
            reading.state = State::Opening(reading.open(Duration::ZERO));
        }
        reading
    }

    fn open(&self, after: Duration) -> Opening {
        let (source, blob, from) = (Arc::clone(&self.source), self.blob.clone(), self.at);
        Box::pin(async move {
            if !after.is_zero() {
                sleep(after).await;
            }
            source.open(&blob, from).await
        })
    }

    /// Opens the blob again after a failure, unless it failed too often or for good.
    fn again(&mut self, error: io::Error, is_temporary: bool) -> io::Result<()> {
        self.failures += 1;
        if !is_temporary || self.failures == FAILURES {
            self.state = State::Ended;
            return Err(error);
        }
        self.state = State::Opening(self.open(PAUSE * (self.failures - 1)));
        Ok(())
    }
}

impl AsyncRead for Resuming {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Ended => return Poll::Ready(Ok(())),
                State::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(stream) => this.state = State::Reading(stream),
                    Err(error) => {
                        let is_temporary = error.is_temporary();
                        this.again(io::Error::other(error.to_string()), is_temporary)?;
                    }
                },
                State::Reading(stream) => {
                    let before = buffer.filled().len();
                    let error = match ready!(stream.as_mut().poll_read(cx, buffer)) {
                        Ok(()) if buffer.filled().len() > before => {
                            let came = (buffer.filled().len() - before) as u64;
                            if came > this.blob.size - this.at {
                                this.state = State::Ended;
                                let reason = format!("more than its {} bytes arrived", this.blob.size);
                                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, reason)));
                            }
                            this.at += came;
                            this.failures = 0;
                            (this.moved)(came);
                            if this.at == this.blob.size {
                                this.state = State::Ended;
                            }
                            return Poll::Ready(Ok(()));
                        }
                        Ok(()) if buffer.remaining() == 0 => return Poll::Ready(Ok(())),
                        Ok(()) => {
                            let missing = this.blob.size - this.at;
                            let reason = format!("it ended {missing} bytes too early");
                            io::Error::new(io::ErrorKind::UnexpectedEof, reason)
                        }
                        Err(error) => error,
                    };
                    this.again(error, true)?;
                }
            }
        }
    }
}
