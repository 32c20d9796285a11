//! A TCP connection below TLS: it ends when the client stops reading.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

use super::deadline::{Deadline, timed_out};
use super::linger::Linger;

/// The socket below a TLS session. The deadline is here, because a session's buffers hide progress from those above it.
#[derive(Debug)]
pub(crate) struct Paced {
    stream: TcpStream,
    /// The deadline for the client to read; set while the socket has no room to write.
    by: Deadline,
    patience: Duration,
}

impl Paced {
    /// Ends `stream` when it has had no room to write for `patience`.
    pub(crate) fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, by: Deadline::unset(), patience }
    }

    /// The socket.
    pub(super) fn socket(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Closes the writing end, and waits until the client has closed too.
    pub(crate) async fn linger(mut self) {
        // A socket that cannot be shut down is gone already.
        if self.stream.shutdown().await.is_ok() {
            let mut linger = Linger::new();
            poll_fn(|cx| linger.poll(cx, &mut self.stream)).await;
        }
    }

    fn within<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.by.clear();
            return written;
        }
        self.by.start(self.patience);
        self.by.poll(cx).map(|()| Err(timed_out("the client stopped reading the response")))
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Paced {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.within(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.within(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
