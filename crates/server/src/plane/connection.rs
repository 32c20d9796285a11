//! A plain TCP connection. It sends files by `sendfile(2)`, ends after a deadline without progress, and lingers before
//! it closes, so that slow clients can read the response.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::JoinHandle;

use super::awaiting::Awaiting;
use super::chunk::{STEP, is_placeholder};
use super::deadline::{Deadline, timed_out};
use super::input::Input;
use super::linger::Linger;
use super::link::Link;
#[cfg(target_os = "linux")]
use super::pages;
use super::patience::Patience;

/// Writes per turn before an always writable connection yields to others of its worker: 8 MiB of a file, or one to two
/// milliseconds.
const TURN: u32 = 4;

/// The stretch of a file that counts as in memory if its first and last bytes are: the kernel evicts pages in
/// stretches.
const WINDOW: u64 = 2 << 20;

/// The socket, wrapped for hyper.
#[derive(Debug)]
pub(crate) struct Connection {
    input: Input,
    /// Whether anything has arrived.
    has_input: bool,
    stream: OwnedWriteHalf,
    link: Arc<Link>,
    patience: Patience,
    awaiting: Awaiting,
    /// The deadline for the client to read; set while the socket has no room to write.
    write_by: Deadline,
    /// The offset up to which the front segment is known to be in memory.
    resident: u64,
    /// The task that brings the stretch from `resident` on into memory. It returns the end of that stretch.
    bringing: Option<JoinHandle<u64>>,
    /// Whether the last stretch was not in memory: then the next one is brought in while this one is sent.
    cold: bool,
    linger: Linger,
    writes: u32,
    /// Whether the socket is corked: the kernel holds back bytes that do not fill a packet. Saves a fifth of the
    /// cost of long bodies.
    corked: bool,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, link: Arc<Link>, patience: Patience) -> Self {
        let (reader, stream) = stream.into_split();
        Self {
            input: Input::new(reader, Arc::clone(&link)),
            has_input: false,
            stream,
            link,
            patience,
            awaiting: Awaiting::new(patience),
            write_by: Deadline::unset(),
            resident: 0,
            bringing: None,
            cold: false,
            linger: Linger::new(),
            writes: 0,
            corked: false,
        }
    }

    /// Sets whether the kernel holds back packets that are not full.
    #[cfg(target_os = "linux")]
    fn cork(&mut self, cork: bool) {
        if self.corked != cork {
            // A socket that cannot be corked is only slower. A corked one can always be uncorked.
            let _ = rustix::net::sockopt::set_tcp_cork(self.stream.as_ref(), cork);
            self.corked = cork;
        }
    }

    /// Gives other connections a turn after every `TURN` writes: returns pending, and wakes this task again at once.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.writes += 1;
        if self.writes > TURN {
            self.writes = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Does one write under the progress deadline.
    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.stream.as_ref().poll_write_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.writes = 0;
                    self.write_by.start(self.patience.progress);
                    ready!(self.write_by.poll(cx));
                    return Poll::Ready(Err(timed_out("the client stopped reading the response")));
                }
            }
            let stream: &TcpStream = self.stream.as_ref();
            match stream.try_io(Interest::WRITABLE, || write(stream)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    self.write_by.clear();
                    return Poll::Ready(result);
                }
            }
        }
    }

    /// Sends the next part of the front segment, at most `STEP` bytes.
    #[cfg(target_os = "linux")]
    fn poll_send_file(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let (file, offset, left) = match self.link.segments().front() {
            Some(segment) => (Arc::clone(&segment.file), segment.offset, segment.left),
            None => return Poll::Ready(Err(io::Error::other("a file chunk without its file"))),
        };
        ready!(self.poll_resident(cx, &file, offset, left));
        let length = (STEP as u64).min(left).min(self.resident - offset) as usize;
        ready!(self.poll_turn(cx));
        if left > STEP as u64 {
            self.cork(true);
        }
        let sent = ready!(self.poll_write_with(cx, |stream| {
            let mut at = offset;
            Ok(rustix::fs::sendfile(stream, &file, Some(&mut at), length)?)
        }))?;
        if sent == 0 {
            // A stored blob never changes, so its disk or file system has lost bytes. That must not look like the
            // body's end.
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file of the blob is shorter than the blob",
            )));
        }
        self.link.counters().add_by_sendfile(sent);
        let ended = {
            let mut segments = self.link.segments();
            let Some(segment) = segments.front_mut() else { return Poll::Ready(Ok(sent)) };
            segment.offset += sent as u64;
            segment.left -= sent as u64;
            segment.left == 0 && segments.pop_front().is_some()
        };
        if ended {
            self.cork(false);
            self.resident = 0;
            self.bringing = None;
            self.cold = false;
        }
        Poll::Ready(Ok(sent))
    }

    #[cfg(not(target_os = "linux"))]
    fn poll_send_file(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Ready when the next part of the file is in memory. Otherwise `sendfile` would wait for the disk on this thread.
    #[cfg(target_os = "linux")]
    fn poll_resident(
        &mut self,
        cx: &mut Context<'_>,
        file: &Arc<std::fs::File>,
        offset: u64,
        left: u64,
    ) -> Poll<()> {
        self.resident = self.resident.max(offset);
        while self.resident == offset || (self.cold && self.bringing.is_none()) {
            if let Some(bringing) = &mut self.bringing {
                let brought = ready!(Pin::new(bringing).poll(cx));
                self.bringing = None;
                // If the task was lost, the stretch counts as in memory; the send that follows meets a failing disk.
                self.resident = brought.unwrap_or(offset + left);
                continue;
            }
            let (start, end) = (self.resident, offset + left);
            let stretch_end = end.min(start + WINDOW);
            if start == end {
                break;
            }
            self.cold = !pages::is_resident(file, start, stretch_end - start);
            if !self.cold {
                self.resident = stretch_end;
                continue;
            }
            let file = Arc::clone(file);
            self.bringing = Some(tokio::task::spawn_blocking(move || {
                pages::bring(&file, start, stretch_end - start);
                stretch_end
            }));
        }
        Poll::Ready(())
    }

    /// The slices before the first file chunk, and whether a file chunk follows.
    fn before_file<'a, 'b>(slices: &'b [IoSlice<'a>]) -> (&'b [IoSlice<'a>], bool) {
        match slices.iter().position(|slice| is_placeholder(slice)) {
            Some(at) => (&slices[..at], true),
            None => (slices, false),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let begun = this.awaiting.follow(&this.link);
        let before = buffer.filled().len();
        if let Poll::Ready(result) = this.input.poll_read(cx, buffer, begun) {
            if !this.has_input {
                this.has_input = true;
                this.link.begins_with(buffer.filled().get(before).copied());
            }
            this.awaiting.came(&this.link);
            return Poll::Ready(result);
        }
        this.awaiting.poll_silence(cx, &this.link)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

        let this = self.get_mut();
        // hyper puts no empty slices first, but this code does not depend on that.
        let start = slices.iter().position(|slice| !slice.is_empty()).unwrap_or(slices.len());
        let (memory, then_file) = Self::before_file(&slices[start..]);
        if memory.is_empty() && then_file {
            return this.poll_send_file(cx);
        }
        // With `MORE` the head waits in the kernel, so that it leaves in one packet with the first bytes of the file.
        let more = if then_file { SendFlags::MORE } else { SendFlags::empty() } | SendFlags::NOSIGNAL;
        this.poll_write_with(cx, |stream| {
            Ok(sendmsg(stream, memory, &mut SendAncillaryBuffer::default(), more)?)
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.awaiting.flushed(cx, &this.link);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        let Some(reader) = this.input.reader(cx) else { return Poll::Ready(Ok(())) };
        this.linger.poll(cx, reader).map(Ok)
    }
}
