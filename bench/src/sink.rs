//! A contender that only receives, hashes and writes: the least work of a push.
//!
//! It answers the requests of a push (POST, PATCH, PUT) without storing a name, checking a digest or syncing a file. It
//! has two variants, because neither is faster on every machine: the thread that writes also hashes, or another thread
//! does.

use std::fs::{self, File};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use hythe_oci::{Algorithm, Digest, HashState};

use crate::error::{Context as _, Result};
use crate::head::{Head, Length, head_end};

/// Most bytes of one read.
const BUFFER: usize = 256 << 10;

/// Buffers between the writing and the hashing thread.
const DEPTH: usize = 4;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Which thread hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hashing {
    /// The thread that writes.
    Inline,
    /// Another thread, at the same time.
    Beside,
}

/// Serves on `port` of loopback until killed, and writes files to `dir`.
pub(crate) fn serve(port: u16, dir: &Path, hashing: Hashing) -> Result<()> {
    fs::create_dir_all(dir).context(|| format!("creating {}", dir.display()))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .context(|| format!("listening on 127.0.0.1:{port}"))?;
    loop {
        let (stream, _) = listener.accept().context(|| "accepting a connection".to_owned())?;
        let dir = dir.to_owned();
        thread::spawn(move || {
            // A client that disconnects ends only its own connection, so the error is dropped.
            let _ = Connection { stream, dir, hashing, unread: Vec::new() }.serve();
        });
    }
}

struct Connection {
    stream: TcpStream,
    dir: PathBuf,
    hashing: Hashing,
    /// Bytes received after the head or after the body.
    unread: Vec<u8>,
}

/// A buffer, and the ranges of content in it between the lengths of chunks.
struct Filled {
    buffer: Vec<u8>,
    content: Vec<Range<usize>>,
}

impl Filled {
    fn new() -> Self {
        Self { buffer: vec![0; BUFFER], content: Vec::new() }
    }

    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.content.iter().map(|range| &self.buffer[range.clone()])
    }
}

impl Connection {
    fn serve(mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        while let Some(head) = self.head()? {
            if head.expects {
                self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            if head.length != Length::Known(0) {
                std::hint::black_box(self.take(head.length)?);
            }
            let answer: &[u8] = match head.request() {
                Some(("POST", _)) => b"202 Accepted\r\nLocation: /v2/uploads/1",
                Some(("PATCH", _)) => b"202 Accepted\r\nLocation: /v2/uploads/1?patched",
                Some(("PUT", _)) => b"201 Created",
                _ => b"200 OK",
            };
            self.stream.write_all(&[b"HTTP/1.1 ", answer, b"\r\nContent-Length: 0\r\n\r\n"].concat())?;
        }
        Ok(())
    }

    fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = head_end(&self.unread) {
                let head = Head::parse(&self.unread[..end]).ok_or(io::ErrorKind::InvalidData)?;
                self.unread.drain(..end);
                return Ok(Some(head));
            }
            let mut buffer = [0; 4096];
            let got = self.stream.read(&mut buffer)?;
            if got == 0 {
                return Ok(None);
            }
            self.unread.extend_from_slice(&buffer[..got]);
        }
    }

    fn take(&mut self, length: Length) -> io::Result<Digest> {
        let path = self.dir.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
        let file = File::create(path)?;
        let mut body = Body::new(length);
        match self.hashing {
            Hashing::Inline => {
                let mut hash = HashState::new(Algorithm::Sha256);
                let mut filled = Filled::new();
                while body.fill(&mut self.stream, &mut self.unread, &mut filled)? {
                    filled.parts().for_each(|part| hash.update(part));
                    write(&file, &filled)?;
                }
                Ok(hash.finish())
            }
            Hashing::Beside => thread::scope(|scope| {
                let (full, hashed) = sync_channel::<Arc<Filled>>(DEPTH);
                let (done, free) = sync_channel::<Arc<Filled>>(DEPTH);
                let beside = scope.spawn(move || hash_all(&hashed, &done));
                for _ in 0..DEPTH {
                    // All buffers are free at first, and the channel has room for all of them.
                    let filled = Filled::new();
                    if !self.step(&mut body, &file, filled, &full)? {
                        break;
                    }
                }
                while !body.ended() {
                    let filled = free.recv().map_err(io::Error::other)?;
                    // The writer dropped its own reference before it asked for the next buffer.
                    let filled = Arc::into_inner(filled).unwrap_or_else(Filled::new);
                    if !self.step(&mut body, &file, filled, &full)? {
                        break;
                    }
                }
                drop(full);
                drop(free);
                beside.join().map_err(|_| io::Error::other("the hashing thread panicked"))
            }),
        }
    }

    /// Fills one buffer, hands it to the hashing thread, and writes it meanwhile. Returns whether the body had more
    /// bytes.
    fn step(
        &mut self,
        body: &mut Body,
        file: &File,
        mut filled: Filled,
        full: &SyncSender<Arc<Filled>>,
    ) -> io::Result<bool> {
        if !body.fill(&mut self.stream, &mut self.unread, &mut filled)? {
            return Ok(false);
        }
        let filled = Arc::new(filled);
        full.send(Arc::clone(&filled)).map_err(io::Error::other)?;
        write(file, &filled)?;
        Ok(true)
    }
}

fn hash_all(full: &Receiver<Arc<Filled>>, done: &SyncSender<Arc<Filled>>) -> Digest {
    let mut hash = HashState::new(Algorithm::Sha256);
    for filled in full {
        filled.parts().for_each(|part| hash.update(part));
        // Fails after the writer has received the whole body: it needs no more buffers then.
        let _ = done.send(filled);
    }
    hash.finish()
}

fn write(mut file: &File, filled: &Filled) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = filled.parts().map(IoSlice::new).collect();
    let mut left = &mut slices[..];
    while !left.is_empty() {
        match file.write_vectored(left)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut left, written),
        }
    }
    Ok(())
}

/// The progress of reading a body.
struct Body {
    chunked: bool,
    /// Content bytes left in the body, or in the chunk.
    left: u64,
    ended: bool,
    /// Whether a chunk has been read, so that a line end comes before the next length.
    between: bool,
}

impl Body {
    fn new(length: Length) -> Self {
        match length {
            Length::Known(left) => Self { chunked: false, left, ended: left == 0, between: false },
            Length::Chunked => Self { chunked: true, left: 0, ended: false, between: false },
        }
    }

    fn ended(&self) -> bool {
        self.ended
    }

    /// Reads once into `filled`. Returns false at the body's end. Bytes after the content go to `unread`.
    fn fill(
        &mut self,
        stream: &mut impl Read,
        unread: &mut Vec<u8>,
        filled: &mut Filled,
    ) -> io::Result<bool> {
        filled.content.clear();
        while !self.ended && filled.content.is_empty() {
            let mut end = unread.len().min(filled.buffer.len());
            filled.buffer[..end].copy_from_slice(&unread[..end]);
            unread.drain(..end);
            let mut used = self.scan(&filled.buffer[..end], &mut filled.content)?;
            if used == 0 && !self.ended {
                let got = stream.read(&mut filled.buffer[end..])?;
                if got == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                end += got;
                used = self.scan(&filled.buffer[..end], &mut filled.content)?;
            }
            unread.splice(..0, filled.buffer[used..end].iter().copied());
        }
        Ok(!filled.content.is_empty())
    }

    /// Finds the content in `bytes`. Returns the number of bytes that are used.
    fn scan(&mut self, bytes: &[u8], content: &mut Vec<Range<usize>>) -> io::Result<usize> {
        let mut at = 0;
        while !self.ended {
            if self.left > 0 {
                let taken = self.left.min((bytes.len() - at) as u64) as usize;
                if taken == 0 {
                    break;
                }
                content.push(at..at + taken);
                at += taken;
                self.left -= taken as u64;
                self.between = true;
                self.ended = !self.chunked && self.left == 0;
                continue;
            }
            let rest = &bytes[at..];
            let skipped = if self.between { 2 } else { 0 };
            let Some(line) = rest.get(skipped..) else { break };
            let Some(end) = line.windows(2).take(18).position(|window| window == b"\r\n") else { break };
            let digits = std::str::from_utf8(&line[..end]).map_err(io::Error::other)?;
            let length = u64::from_str_radix(digits, 16).map_err(io::Error::other)?;
            if length == 0 && line.len() < end + 4 {
                break;
            }
            at += skipped + end + 2;
            if length == 0 {
                // The empty line after the last chunk: the bench's clients send no trailers.
                at += 2;
                self.ended = true;
            }
            self.left = length;
            self.between = false;
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(length: Length, wire: &[u8], step: usize) -> (Vec<u8>, Vec<u8>) {
        struct Dribble<'a>(&'a [u8], usize);
        impl Read for Dribble<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let taken = self.1.min(self.0.len()).min(buffer.len());
                buffer[..taken].copy_from_slice(&self.0[..taken]);
                self.0 = &self.0[taken..];
                Ok(taken)
            }
        }
        let (mut body, mut unread, mut content) = (Body::new(length), Vec::new(), Vec::new());
        let (mut stream, mut filled) = (Dribble(wire, step), Filled::new());
        while body.fill(&mut stream, &mut unread, &mut filled).unwrap() {
            filled.parts().for_each(|part| content.extend_from_slice(part));
        }
        (content, unread)
    }

    #[test]
    fn a_chunked_body_is_the_same_in_pieces_of_any_size() {
        let wire = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        for step in 1..=wire.len() {
            assert_eq!(
                read(Length::Chunked, wire, step),
                (b"hello world".to_vec(), Vec::new()),
                "step {step}"
            );
        }
    }

    #[test]
    fn a_sized_body_leaves_the_bytes_after_it_unread() {
        for step in 1..=9 {
            let (content, mut unread) = read(Length::Known(5), b"helloNEXT", step);
            assert_eq!(content, b"hello");
            unread.truncate(4);
            assert!(b"NEXT".starts_with(&unread), "step {step}");
        }
    }

    #[test]
    fn both_variants_write_what_they_receive() {
        for hashing in [Hashing::Inline, Hashing::Beside] {
            let dir = tempfile::tempdir().unwrap();
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().unwrap();
            let mut connection =
                Connection { stream, dir: dir.path().to_owned(), hashing, unread: Vec::new() };
            let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
            let sent = content.clone();
            let sender = thread::spawn(move || client.write_all(&sent));
            let digest = connection.take(Length::Known(content.len() as u64)).unwrap();
            sender.join().unwrap().unwrap();
            assert_eq!(digest, Digest::of(Algorithm::Sha256, &content));
            let file = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap();
            assert_eq!(fs::read(file.path()).unwrap(), content);
        }
    }
}
