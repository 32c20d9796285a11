//! A TLS connection. It ends after the same deadlines as a plain one, and lingers before it closes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::awaiting::Awaiting;
use super::linger::Linger;
use super::link::Link;
use super::paced::Paced;
use super::patience::Patience;

/// The most plaintext that waits in the session until the socket takes it, in bytes.
const PENDING: usize = 256 << 10;

/// A TLS session, wrapped for hyper.
#[derive(Debug)]
pub(crate) struct Secure {
    stream: TlsStream<Paced>,
    link: Arc<Link>,
    /// The deadlines for requests; `None` on HTTP/2, whose frames are not a request's alone.
    awaiting: Option<Awaiting>,
    linger: Linger,
}

impl Secure {
    /// The connection of a session whose handshake is done.
    pub(crate) fn new(mut stream: TlsStream<Paced>, link: Arc<Link>, patience: Patience) -> Self {
        stream.get_mut().1.set_buffer_limit(Some(PENDING));
        let awaiting = (!link.is_shared()).then(|| Awaiting::new(patience));
        Self { stream, link, awaiting, linger: Linger::new() }
    }
}

impl AsyncRead for Secure {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(awaiting) = &mut this.awaiting else {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        };
        awaiting.follow(&this.link);
        if let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(cx, buffer) {
            awaiting.came(&this.link);
            return Poll::Ready(result);
        }
        awaiting.poll_silence(cx, &this.link)
    }
}

impl AsyncWrite for Secure {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        if let Some(awaiting) = &mut this.awaiting {
            awaiting.flushed(cx, &this.link);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        this.linger.poll(cx, this.stream.get_mut().0.socket()).map(Ok)
    }
}
