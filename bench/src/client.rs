//! A blocking HTTP/1.1 client that uses as little CPU as the kernel allows.
//!
//! The client shares the machine with the servers that it measures. So it sends bodies with `sendfile` and receives
//! them with `MSG_TRUNC`, which drops them in the kernel. It copies bodies to this process only to verify a digest.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use hythe_oci::{Algorithm, Digest, HashState};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::error::{Context as _, Error, Result};
use crate::head::{Head, Length, head_end};
use crate::random_file::Payload;

/// How long a server may be silent before it counts as failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// Bytes that one `recv` may drop, and the length of the buffer that `recv` requires for this.
const DROP: usize = 1 << 20;

/// Bytes at the start of the buffer that the client writes to.
const FILL: usize = 64 << 10;

/// Bytes of a chunk. Docker's engine sends layers in such chunks, because Go copies through a buffer of 32 KiB.
const CHUNK: u64 = 32 << 10;

/// How the request states the length of a pushed body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `Content-Length`.
    Sized,
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    port: u16,
    /// The answer's first bytes, then the space that `MSG_TRUNC` requires.
    buffer: Vec<u8>,
    /// The part of `buffer` that was received and not yet used.
    unread: Range<usize>,
}

/// The error for an unexpected answer to a request.
fn unexpected(request: &str, expected: &str, got: impl Into<String>) -> Error {
    Error::Answer { request: request.to_owned(), expected: expected.to_owned(), got: got.into() }
}

impl Client {
    /// Connects to the server on `port` of loopback.
    pub(crate) fn connect(port: u16) -> Result<Self> {
        let what = || format!("connecting to 127.0.0.1:{port}");
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context(what)?;
        Self::over(stream, port)
    }

    /// Connects with a receive buffer of about `bytes`, as a reader behind a slow link has.
    pub(crate) fn connect_narrow(port: u16, bytes: usize) -> Result<Self> {
        let what = || format!("connecting to 127.0.0.1:{port}");
        let socket =
            rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .context(what)?;
        // Before connecting, because the connection negotiates the window scale then.
        sockopt::set_socket_recv_buffer_size(&socket, bytes).context(what)?;
        rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).context(what)?;
        Self::over(TcpStream::from(socket), port)
    }

    fn over(stream: TcpStream, port: u16) -> Result<Self> {
        let what = || format!("setting up the connection to 127.0.0.1:{port}");
        stream.set_nodelay(true).context(what)?;
        stream.set_read_timeout(Some(PATIENCE)).context(what)?;
        stream.set_write_timeout(Some(PATIENCE)).context(what)?;
        // Allocate the whole buffer before any time is measured: fifty clients that enlarge their buffers at the first
        // byte keep both cores from the server for 20 ms. Most of the buffer is never touched, so it uses no memory.
        Ok(Self { stream, port, buffer: vec![0; DROP], unread: 0..0 })
    }

    /// The socket, for the scenarios that keep a thousand of them.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// The text of a request's head.
    pub(crate) fn request(port: u16, method: &str, target: &str, fields: &str) -> String {
        format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: hythe-bench\r\n{fields}\r\n"
        )
    }

    /// Sends a request without a body and reads the answer's head.
    pub(crate) fn ask(&mut self, method: &str, target: &str, fields: &str) -> Result<Head> {
        let request = Self::request(self.port, method, target, fields);
        self.stream.write_all(request.as_bytes()).context(|| format!("sending {method} {target}"))?;
        self.head(&format!("{method} {target}"))
    }

    /// GETs `target` and drops the body. Returns the number of bytes dropped.
    pub(crate) fn get(&mut self, target: &str, fields: &str) -> Result<u64> {
        let request = format!("GET {target}");
        let head = self.ask("GET", target, fields)?;
        self.expect(&request, &head, 200)?;
        self.drop_body(&request, head.length)
    }

    /// GETs `target` and drops the body. Returns the time until the body's first byte, and the number of bytes dropped.
    pub(crate) fn get_timed(&mut self, target: &str) -> Result<(Duration, u64)> {
        let request = format!("GET {target}");
        let asked = Instant::now();
        let head = self.ask("GET", target, "")?;
        self.expect(&request, &head, 200)?;
        if self.unread.is_empty() {
            self.fill(&request)?;
        }
        let first = asked.elapsed();
        Ok((first, self.drop_body(&request, head.length)?))
    }

    /// GETs `target` and returns the body.
    pub(crate) fn read(&mut self, target: &str, fields: &str) -> Result<Vec<u8>> {
        let request = format!("GET {target}");
        let head = self.ask("GET", target, fields)?;
        self.expect(&request, &head, 200)?;
        let mut body = Vec::new();
        self.body(&request, head.length, |part| body.extend_from_slice(part))?;
        Ok(body)
    }

    /// GETs `target` and fails if its content does not have `digest`.
    pub(crate) fn verify(&mut self, target: &str, digest: &Digest) -> Result<()> {
        let request = format!("GET {target}");
        let head = self.ask("GET", target, "")?;
        self.expect(&request, &head, 200)?;
        let mut state = HashState::new(Algorithm::Sha256);
        self.body(&request, head.length, |part| state.update(part))?;
        let got = state.finish();
        if got == *digest { Ok(()) } else { Err(unexpected(&request, &digest.to_string(), got.to_string())) }
    }

    /// Sends a request with `payload` as its body. Returns the answer's head and drops its body.
    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        media_type: &str,
        framing: Framing,
        payload: &Payload,
        status: u16,
    ) -> Result<Head> {
        let request = format!("{method} {target}");
        let length = match framing {
            Framing::Sized => format!("Content-Length: {}", payload.len()),
            Framing::Chunked => "Transfer-Encoding: chunked".to_owned(),
        };
        let fields = format!("Content-Type: {media_type}\r\n{length}\r\n");
        let head = Self::request(self.port, method, target, &fields);
        let sent = match framing {
            Framing::Sized => self.send_sized(head.as_bytes(), payload),
            Framing::Chunked => self.send_chunked(head.as_bytes(), payload),
        };
        // A server that refuses the request's head closes the connection while the client sends the body. Its answer
        // gives the reason, the broken pipe does not.
        if let Err(source) = sent
            && !matches!(source.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
        {
            return Err(Error::Io { what: format!("sending {request}"), source });
        }
        let head = self.head(&request)?;
        self.expect(&request, &head, status)?;
        self.drop_body(&request, head.length)?;
        Ok(head)
    }

    /// Starts an upload session with a POST to `target`. Returns the session's path.
    pub(crate) fn start_upload(&mut self, target: &str) -> Result<String> {
        let request = format!("POST {target}");
        let head = self.ask("POST", target, "Content-Length: 0\r\n")?;
        self.expect(&request, &head, 202)?;
        self.drop_body(&request, head.length)?;
        path_of(&request, head.location)
    }

    /// Streams `payload` by PATCH to the upload session at `location`. Returns the session's new path.
    pub(crate) fn send_patch(&mut self, location: &str, payload: &Payload) -> Result<String> {
        let media_type = "application/octet-stream";
        let head = self.send("PATCH", location, media_type, Framing::Chunked, payload, 202)?;
        path_of(&format!("PATCH {location}"), head.location)
    }

    /// Closes the upload session at `location`.
    pub(crate) fn finish_upload(&mut self, location: &str, digest: &Digest) -> Result<()> {
        let target = with_digest(location, digest);
        let request = format!("PUT {target}");
        let head = self.ask("PUT", &target, "Content-Length: 0\r\n")?;
        self.expect(&request, &head, 201)?;
        self.drop_body(&request, head.length)?;
        Ok(())
    }

    fn send_more(&self, mut bytes: &[u8], flags: SendFlags) -> io::Result<()> {
        while !bytes.is_empty() {
            bytes = &bytes[rustix::net::send(&self.stream, bytes, flags)?..];
        }
        Ok(())
    }

    fn send_file(&self, payload: &Payload, mut offset: u64, length: u64) -> io::Result<()> {
        let end = offset + length;
        while offset < end {
            let left = (end - offset) as usize;
            let sent = rustix::fs::sendfile(&self.stream, &*payload.file, Some(&mut offset), left)?;
            if sent == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn send_sized(&self, head: &[u8], payload: &Payload) -> io::Result<()> {
        self.send_more(head, SendFlags::MORE)?;
        for span in &payload.spans {
            self.send_file(payload, span.offset, span.length)?;
        }
        self.send_more(&payload.tail, SendFlags::empty())
    }

    fn send_chunked(&self, head: &[u8], payload: &Payload) -> io::Result<()> {
        let mut before = head.to_vec();
        for span in &payload.spans {
            let mut done = 0;
            while done < span.length {
                let length = CHUNK.min(span.length - done);
                before.extend_from_slice(format!("{length:x}\r\n").as_bytes());
                self.send_more(&before, SendFlags::MORE)?;
                self.send_file(payload, span.offset + done, length)?;
                before.clear();
                before.extend_from_slice(b"\r\n");
                done += length;
            }
        }
        before.extend_from_slice(format!("{:x}\r\n", payload.tail.len()).as_bytes());
        before.extend_from_slice(&payload.tail);
        before.extend_from_slice(b"\r\n0\r\n\r\n");
        self.send_more(&before, SendFlags::empty())
    }

    /// Reads an answer's head and skips `100 Continue`.
    pub(crate) fn head(&mut self, request: &str) -> Result<Head> {
        loop {
            if let Some(length) = head_end(&self.buffer[self.unread.clone()]) {
                let start = self.unread.start;
                let bytes = &self.buffer[start..start + length];
                let head = Head::parse(bytes);
                self.unread.start += length;
                match head {
                    Some(head) if head.status() == Some(100) => continue,
                    Some(head) => return Ok(head),
                    None => return Err(unexpected(request, "an HTTP/1.1 answer", "something else")),
                }
            }
            self.fill(request)?;
        }
    }

    /// Receives more into the buffer.
    fn fill(&mut self, request: &str) -> Result<()> {
        if self.unread.is_empty() {
            self.unread = 0..0;
        } else if self.unread.end == FILL {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
            if self.unread.end == FILL {
                return Err(unexpected(request, "a head of at most 64 KiB", "a longer one"));
            }
        }
        let got = self
            .stream
            .read(&mut self.buffer[self.unread.end..FILL])
            .context(|| format!("reading the answer to {request}"))?;
        if got == 0 {
            return Err(unexpected(request, "an answer", "a closed connection"));
        }
        self.unread.end += got;
        Ok(())
    }

    fn expect(&mut self, request: &str, head: &Head, status: u16) -> Result<()> {
        if head.status() == Some(status) {
            return Ok(());
        }
        let mut said = Vec::new();
        // The body only explains the status. If it cannot be read, the error has the status alone.
        let _ = self.body(request, head.length, |part| said.extend_from_slice(part));
        said.truncate(300);
        let got = format!("{} {}", head.first, String::from_utf8_lossy(&said).trim());
        Err(unexpected(request, &status.to_string(), got))
    }

    /// Drops a body without reading it. Returns its length.
    fn drop_body(&mut self, request: &str, length: Length) -> Result<u64> {
        let Length::Known(length) = length else { return self.body(request, length, |_| ()) };
        let mut left = length;
        let buffered = left.min(self.unread.len() as u64);
        self.unread.start += buffered as usize;
        left -= buffered;
        while left > 0 {
            let part = left.min(DROP as u64) as usize;
            let (_, got) = rustix::net::recv(&self.stream, &mut self.buffer[..part], RecvFlags::TRUNC)
                .context(|| format!("reading the answer to {request}"))?;
            if got == 0 {
                return Err(unexpected(
                    request,
                    &format!("{length} bytes"),
                    format!("{} bytes", length - left),
                ));
            }
            left -= got as u64;
        }
        Ok(length)
    }

    /// Gives a body to `each`, part by part. Returns its length.
    fn body(&mut self, request: &str, length: Length, mut each: impl FnMut(&[u8])) -> Result<u64> {
        match length {
            Length::Known(length) => {
                self.part(request, length, &mut each)?;
                Ok(length)
            }
            Length::Chunked => {
                let mut total = 0;
                loop {
                    let line = self.line(request)?;
                    let length = u64::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                        .map_err(|_| unexpected(request, "a chunk's length", line))?;
                    self.part(request, length, &mut each)?;
                    // The line end after the chunk, or the empty line after the last chunk: no contender sends
                    // trailers.
                    self.line(request)?;
                    total += length;
                    if length == 0 {
                        return Ok(total);
                    }
                }
            }
        }
    }

    fn part(&mut self, request: &str, length: u64, each: &mut impl FnMut(&[u8])) -> Result<()> {
        let mut left = length;
        while left > 0 {
            if self.unread.is_empty() {
                self.fill(request)?;
            }
            let taken = (self.unread.len() as u64).min(left) as usize;
            each(&self.buffer[self.unread.start..self.unread.start + taken]);
            self.unread.start += taken;
            left -= taken as u64;
        }
        Ok(())
    }

    fn line(&mut self, request: &str) -> Result<String> {
        loop {
            let unread = &self.buffer[self.unread.clone()];
            if let Some(end) = unread.windows(2).position(|window| window == b"\r\n") {
                let line = String::from_utf8_lossy(&unread[..end]).into_owned();
                self.unread.start += end + 2;
                return Ok(line);
            }
            self.fill(request)?;
        }
    }
}

/// The path and query of a `Location`, which may be absolute.
fn path_of(request: &str, location: Option<String>) -> Result<String> {
    let location = location.ok_or_else(|| unexpected(request, "a Location", "none"))?;
    match location.split_once("://") {
        None => Ok(location),
        Some((_, rest)) => match rest.find('/') {
            Some(at) => Ok(rest[at..].to_owned()),
            None => Err(unexpected(request, "a Location with a path", location)),
        },
    }
}

/// An upload's URL with the digest that closes it.
pub(crate) fn with_digest(location: &str, digest: &Digest) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_location_gives_its_path_and_query() {
        let path = path_of("POST /", Some("http://127.0.0.1:5100/v2/a/blobs/uploads/1?_state=x".to_owned()));
        assert_eq!(path.unwrap(), "/v2/a/blobs/uploads/1?_state=x");
        assert_eq!(path_of("POST /", Some("/v2/a".to_owned())).unwrap(), "/v2/a");
        assert!(path_of("POST /", None).is_err());
    }

    #[test]
    fn the_digest_is_added_to_an_existing_query() {
        let digest = Digest::of(Algorithm::Sha256, b"");
        assert!(with_digest("/u/1", &digest).starts_with("/u/1?digest=sha256:"));
        assert!(with_digest("/u/1?s=2", &digest).starts_with("/u/1?s=2&digest=sha256:"));
    }
}
