//! Reads a body from the socket, past hyper, into the memory where its bytes are needed.

use std::io::{self, IoSliceMut};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::net::tcp::OwnedReadHalf;

use super::framing::{Boundary, Next};

/// The most body bytes of one read.
const READ: usize = 256 << 10;

/// The most bytes between the contents of two chunks: CRLF, eight digits of the size, and CRLF.
const BETWEEN: usize = 12;

/// The reading end of a connection, inside of a body.
///
/// A client that streams copies its data through a buffer, so all of its chunks but the last have the same size. So the
/// framing of the next chunks is known before they arrive: one call reads the contents of several chunks into the
/// memory where they are needed, and the bytes between the contents into another buffer. At the first chunk of another
/// size hyper goes on: it sees a body with fewer chunks.
///
/// If the request has a `Content-Length`, hyper counts every byte of the body, so it gets zeros for the bytes read
/// here.
pub(super) struct Intake {
    pub(super) reader: OwnedReadHalf,
    /// The number of content bytes of the body that have arrived.
    pub(super) content: u64,
    /// Bytes that were read here and are for hyper.
    pub(super) rest: Bytes,
    /// Whether hyper counts the bytes that are read here: the body has a known length.
    pub(super) is_counted: bool,
    /// The expected bytes before each chunk's content; empty if the body has a known length.
    between: Vec<u8>,
    /// The size of each chunk's content, or of the rest of a body of a known length, in bytes.
    size: usize,
    /// The position in `between` and the content after it, in bytes.
    at: usize,
    /// Whether hyper has to go on.
    ended: bool,
}

impl Intake {
    /// An intake at `boundary`, which the reader has reached.
    pub(super) fn new(reader: OwnedReadHalf, boundary: &Boundary) -> Self {
        // The reader has passed the last chunk's CRLF, which is the beginning of `between`.
        let (between, size, at) = match boundary.next {
            Next::Chunks(size) => ([b"\r\n", size.text(), b"\r\n"].concat(), size.value().into(), 2),
            Next::Bytes(left) => (Vec::new(), left, 0),
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let is_counted = between.is_empty();
        let (content, rest) = (boundary.content, Bytes::new());
        Self { reader, content, rest, is_counted, between, size, at, ended: false }
    }

    /// Whether hyper can go on here. Elsewhere nothing can read the connection any more.
    pub(super) fn is_at_boundary(&self) -> bool {
        self.ended || self.at == if self.is_counted { 0 } else { 2 }
    }

    /// Ready when the socket may have bytes, or hyper has to go on.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ended { Poll::Ready(Ok(())) } else { self.reader.as_ref().poll_read_ready(cx) }
    }

    /// Reads to the front of `memory`, which is not empty; 0 bytes if hyper has to go on.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, memory: &mut [u8]) -> Poll<io::Result<usize>> {
        while !self.ended {
            ready!(self.poll_ready(cx))?;
            match self.read(memory) {
                Ok(0) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
        Poll::Ready(Ok(0))
    }

    fn read(&mut self, memory: &mut [u8]) -> io::Result<usize> {
        // After a body of a known length come bytes that are not the body's.
        let left = if self.is_counted { self.size - self.at } else { usize::MAX };
        let most = READ.min(memory.len()).min(left);
        let memory = &mut memory[..most];
        let mut seen = vec![0; (memory.len() / self.size + 2) * BETWEEN];
        let got = {
            let mut slices = Vec::with_capacity(2 * (memory.len() / self.size + 2));
            let (mut free, mut between, mut at) = (&mut *memory, &mut seen[..], self.at);
            while !free.is_empty() {
                let from = if at < self.between.len() { &mut between } else { &mut free };
                let part = self.part(at).min(from.len());
                let (slice, left) = std::mem::take(from).split_at_mut(part);
                *from = left;
                slices.push(IoSliceMut::new(slice));
                at = self.after(at, part);
            }
            self.reader.try_read_vectored(&mut slices)?
        };
        if got == 0 {
            return Err(closed());
        }
        self.take(memory, &seen, got)
    }

    /// The number of bytes up to the next change between framing and content.
    fn part(&self, at: usize) -> usize {
        let between = self.between.len();
        if at < between { between - at } else { between + self.size - at }
    }

    fn after(&self, at: usize, part: usize) -> usize {
        (at + part) % (self.between.len() + self.size)
    }

    /// Checks the `got` bytes that were read: contents are in `memory`, the bytes between them in `seen`. Returns the
    /// number of content bytes up to the first byte that is not as expected.
    fn take<'a>(&mut self, memory: &'a [u8], mut seen: &'a [u8], mut got: usize) -> io::Result<usize> {
        let (mut content, mut filled, mut at) = (memory, 0, self.at);
        // The bytes from the first unexpected chunk on.
        let mut rest: Option<Vec<u8>> = None;
        while got > 0 {
            let is_between = at < self.between.len();
            let from = if is_between { &mut seen } else { &mut content };
            let whole = *from;
            let (slice, left) = whole.split_at(self.part(at).min(whole.len()).min(got));
            *from = left;
            got -= slice.len();
            match &mut rest {
                Some(rest) => rest.extend_from_slice(slice),
                None if !is_between => filled += slice.len(),
                None if slice != &self.between[at..at + slice.len()] => {
                    rest = Some([&self.between[..at], slice].concat());
                }
                None => {}
            }
            at = self.after(at, slice.len());
        }
        if let Some(rest) = rest.map(Bytes::from) {
            if !rest.starts_with(b"\r\n") {
                // The unexpected bytes are where a chunk's content should end, so its end is lost and hyper must not go
                // on.
                self.at = 0;
                let message = "a chunk of the request's body does not end where its size says";
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            (self.rest, self.ended) = (rest.slice(2..), true);
        } else {
            self.at = at;
            self.ended = self.is_counted && at == 0;
        }
        self.content += filled as u64;
        Ok(filled)
    }
}

/// The error for a client that disconnected within a body.
pub(super) fn closed() -> io::Error {
    let message = "the connection closed before the whole body arrived";
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::plane::framing::{Framing, Length};

    /// What an intake read of the sent bytes.
    struct Outcome {
        content: Vec<u8>,
        rest: Vec<u8>,
        end: io::Result<()>,
        is_boundary: bool,
    }

    /// Sends `bytes` in pieces of `step` to an intake at `boundary`, which reads into memory of `room` bytes.
    async fn take(boundary: &Boundary, bytes: Vec<u8>, step: usize, room: usize) -> Outcome {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sending = tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            for piece in bytes.chunks(step) {
                stream.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let (reader, _writer) = listener.accept().await.unwrap().0.into_split();
        let mut intake = Intake::new(reader, boundary);
        let (mut content, mut memory) = (Vec::new(), vec![0; room]);
        let end = loop {
            match poll_fn(|cx| intake.poll_read(cx, &mut memory)).await {
                Ok(0) => break Ok(()),
                Ok(length) => content.extend_from_slice(&memory[..length]),
                Err(error) => break Err(error),
            }
        };
        assert_eq!(intake.content, boundary.content + content.len() as u64);
        let (mut rest, is_boundary) = (intake.rest.to_vec(), intake.is_at_boundary());
        while intake.reader.readable().await.is_ok() {
            match intake.reader.try_read(&mut memory) {
                Ok(0) => break,
                Ok(length) => rest.extend_from_slice(&memory[..length]),
                Err(_) => {}
            }
        }
        sending.await.unwrap();
        Outcome { content, rest, end, is_boundary }
    }

    fn run(boundary: &Boundary, bytes: Vec<u8>, step: usize, room: usize) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(take(boundary, bytes, step, room))
    }

    fn chunk(size: usize, seed: usize) -> Vec<u8> {
        [format!("{size:x}\r\n").into_bytes(), content(size, seed), b"\r\n".to_vec()].concat()
    }

    fn content(size: usize, seed: usize) -> Vec<u8> {
        (0..size).map(|place| (place * 31 + seed) as u8).collect()
    }

    /// The boundary after two chunks of `size` bytes.
    fn behind(size: usize) -> Boundary {
        let mut framing = Framing::start();
        framing.follow(b"PUT / HTTP/1.1\r\n\r\n");
        framing.follow(&[chunk(size, 1), chunk(size, 1)].concat());
        framing.boundary(Length::Chunked).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn chunks_of_one_size_are_read_and_other_bytes_are_left_to_hyper_unchanged(
            size in 16_384_usize..40_000,
            number in 0_usize..30,
            next in prop_oneof![
                Just(b"0\r\n\r\n".to_vec()),
                Just(b"0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec()),
                Just(b"4".to_vec()),
                (1_usize..70_000).prop_map(|size| [&chunk(size, 9)[..], b"0\r\n\r\n"].concat()),
            ],
            step in 1000_usize..200_000,
            room in 1_usize..400_000,
        ) {
            let chunks: Vec<_> = (0..number).map(|seed| chunk(size, seed)).collect();
            let contents: Vec<_> = (0..number).map(|seed| content(size, seed)).collect();
            let whole = [chunks.concat(), next.clone()].concat();
            let outcome = run(&behind(size), whole, step, room.max(step / 8));
            // `next` may be another chunk of the same size, or only the first byte of a chunk's size.
            let taken = &outcome.content[contents.concat().len()..];
            prop_assert!(outcome.content.starts_with(&contents.concat()));
            match outcome.end {
                Ok(()) if taken.is_empty() => {
                    prop_assert!(outcome.is_boundary);
                    prop_assert_eq!(outcome.rest, next);
                }
                Ok(()) => prop_assert!(next.starts_with(&chunk(taken.len(), 9)[..])),
                Err(error) => {
                    prop_assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                    prop_assert_eq!(next, b"4");
                }
            }
        }

        #[test]
        fn a_body_of_a_known_length_is_read_to_its_end_and_no_further(
            size in 1_usize..1_000_000,
            step in 1000_usize..400_000,
            room in 10_000_usize..2_000_000,
        ) {
            let boundary = Boundary { left: 0, content: 7, next: Next::Bytes(size as u64) };
            let next = b"GET / HTTP/1.1\r\n\r\n";
            let outcome = run(&boundary, [&content(size, 3)[..], next].concat(), step, room);
            outcome.end.unwrap();
            prop_assert_eq!(outcome.content, content(size, 3));
            prop_assert_eq!(outcome.rest, next);
        }
    }

    #[test]
    fn a_chunk_that_does_not_end_where_its_size_says_is_an_error_and_hyper_cannot_go_on() {
        let size = 20_000;
        for room in [size, size + 1, 1 << 20] {
            for wrong in [1, 2] {
                let mut bytes = [chunk(size, 1), chunk(size, 2)].concat();
                let end = bytes.len();
                bytes[end - wrong] = b'X';
                let outcome = run(&behind(size), [bytes, chunk(size, 3)].concat(), 1 << 20, room);
                assert_eq!(outcome.end.unwrap_err().kind(), io::ErrorKind::InvalidData);
                assert!(!outcome.is_boundary);
            }
        }
    }

    #[test]
    fn a_client_that_disconnects_within_a_chunk_is_an_error() {
        let outcome = run(&behind(20_000), chunk(20_000, 1)[..5000].to_vec(), 1 << 20, 1 << 20);
        assert_eq!(outcome.end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(outcome.content, content(20_000, 1)[..5000 - 6]);
    }
}
