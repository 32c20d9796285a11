//! A plain TCP connection that sends files by `sendfile(2)`, ends the dead and lingers for the slow.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::JoinHandle;

use super::chunk::{STEP, is_placeholder};
use super::deadline::Deadline;
use super::input::Input;
use super::link::Link;
use super::pages;

/// How many bytes all connections have sent by `sendfile(2)`: for metrics, and to show that they do.
pub static SENDFILE_BYTES: AtomicU64 = AtomicU64::new(0);

/// A connection that is always writable gives the others of its worker a turn after so many writes: 8 MiB of a file, a
/// millisecond or two.
const TURN: u32 = 4;

/// How far a file is taken to be in memory where its first and last bytes are: pages go in stretches.
const WINDOW: u64 = 2 << 20;

/// How long a connection that ends early waits for the client to read the answer.
const LINGER: Duration = Duration::from_secs(5);

/// How patient a connection is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From the first byte of a head to its last.
    pub(crate) head: Duration,
    /// Between requests.
    pub(crate) idle: Duration,
    /// Without any progress while a body goes out.
    pub(crate) progress: Duration,
}

/// Wraps the socket for hyper.
#[derive(Debug)]
pub(crate) struct Connection {
    input: Input,
    stream: OwnedWriteHalf,
    link: Arc<Link>,
    patience: Patience,
    /// Set while the client owes us a head.
    read_by: Deadline,
    /// Whether a byte of a head has come since the last request began.
    in_head: bool,
    /// How many requests had begun when `in_head` was last looked at.
    begun: u64,
    /// Set while the client owes us room to write.
    write_by: Deadline,
    /// The front segment is known to be in memory up to this offset.
    resident: u64,
    /// Brings the stretch from `resident` on into memory, and answers where that ends.
    bringing: Option<JoinHandle<u64>>,
    /// Whether the last stretch had to be brought: then the next one is, while this one is sent.
    cold: bool,
    linger_by: Deadline,
    writes: u32,
    /// Whether the kernel holds back what does not fill a packet: saves a fifth of what long bodies cost.
    corked: bool,
}

fn timed_out(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, link: Arc<Link>, patience: Patience) -> Self {
        let (reader, stream) = stream.into_split();
        Self {
            input: Input::new(reader, Arc::clone(&link)),
            stream,
            link,
            patience,
            read_by: Deadline::unset(),
            in_head: false,
            begun: 0,
            write_by: Deadline::unset(),
            resident: 0,
            bringing: None,
            cold: false,
            linger_by: Deadline::unset(),
            writes: 0,
            corked: false,
        }
    }

    /// Says whether packets may leave before they are full.
    #[cfg(target_os = "linux")]
    fn cork(&mut self, cork: bool) {
        if self.corked != cork {
            // One that cannot be corked is slower, nothing else; one that was can be uncorked.
            let _ = rustix::net::sockopt::set_tcp_cork(self.stream.as_ref(), cork);
            self.corked = cork;
        }
    }

    /// Gives other connections a turn now and then. Pending means: woken again at once.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.writes += 1;
        if self.writes > TURN {
            self.writes = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// One write under the progress deadline.
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
                    return Poll::Ready(Err(timed_out("the client stopped reading")));
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

    /// Sends the next step of the front segment.
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
            // Published blobs never change; a disk or file system that lost the rest must not look like an end.
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the blob's file is too short",
            )));
        }
        SENDFILE_BYTES.fetch_add(sent as u64, Ordering::Relaxed);
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

    /// Ready when the next step of the file is in memory: else `sendfile` would wait for the disk on this thread.
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
                // A task that was lost brought nothing; a disk that fails shows itself in the send that follows.
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

    /// What must be sent before the first file chunk, if anything.
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
        let begun = this.link.begun();
        if this.begun != begun {
            // A head was whole: what comes after it is another one, or nothing for a while.
            this.begun = begun;
            this.in_head = false;
            this.read_by.clear();
        }
        if let Poll::Ready(result) = this.input.poll_read(cx, buffer, begun) {
            if this.link.is_busy() {
                this.in_head = false;
                this.read_by.clear();
            } else if !this.in_head {
                this.in_head = true;
                this.read_by.clear();
                this.read_by.start(this.patience.head);
            }
            return Poll::Ready(result);
        }
        if this.link.is_busy() {
            // The body has a deadline of its own, where it is consumed.
            this.in_head = false;
            this.read_by.clear();
            return Poll::Pending;
        }
        this.read_by.start(if this.in_head { this.patience.head } else { this.patience.idle });
        ready!(this.read_by.poll(cx));
        if this.in_head {
            return Poll::Ready(Err(timed_out("the client did not send a whole request head in time")));
        }
        // An idle connection ends as if the client had closed it.
        Poll::Ready(Ok(()))
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
        // hyper leaves no empty slices before the first byte, but nothing here depends on it.
        let start = slices.iter().position(|slice| !slice.is_empty()).unwrap_or(slices.len());
        let (memory, then_file) = Self::before_file(&slices[start..]);
        if memory.is_empty() && then_file {
            return this.poll_send_file(cx);
        }
        // The head waits in the kernel for the first file bytes, to leave in one packet with them.
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
        // Where the last of an answer had to wait for the client, hyper looked for the next request before it was sent.
        if !this.in_head && !this.link.is_busy() {
            this.read_by.start(this.patience.idle);
            // Whoever reads next is told that it is over.
            let _ = this.read_by.poll(cx);
        }
        Poll::Ready(Ok(()))
    }

    /// Says that nothing more comes, then reads what the client still sends until it closes: a socket closed with
    /// unread bytes is reset, and a reset takes the answer with it that the client has not read yet.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        let Some(reader) = this.input.reader(cx) else { return Poll::Ready(Ok(())) };
        this.linger_by.start(LINGER);
        let mut scratch = [0; 16 << 10];
        for _ in 0..TURN * 8 {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut *reader).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    ready!(this.linger_by.poll(cx));
                    return Poll::Ready(Ok(()));
                }
            }
        }
        if this.linger_by.poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
