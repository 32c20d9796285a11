//! The client at the other end of a scripted upstream's connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::connections::Connections;
use crate::Seen;

/// How long a client may take to read the bytes before a reset.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Peer {
    stream: TcpStream,
    /// Bytes that arrived after the last request.
    rest: Vec<u8>,
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl Peer {
    pub(super) fn new(stream: TcpStream) -> Self {
        // Each write must arrive on its own: the system must not join the pieces of a drip.
        let _ = stream.set_nodelay(true);
        Self { stream, rest: Vec::new() }
    }

    /// Reads the next request; `None` once the client has closed the connection.
    pub(super) fn request(&mut self) -> io::Result<Option<Seen>> {
        let end = loop {
            if let Some(at) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            if !self.fill()? {
                return Ok(None);
            }
        };
        let head = self.take(end + 4);
        let head = str::from_utf8(&head[..end]).map_err(|_| malformed("the request's head is not text"))?;
        let mut seen = Seen::parse_head(head).ok_or_else(|| malformed("the request is not HTTP/1.1"))?;
        let length = seen.header("content-length").map_or(Ok(0), str::parse);
        let length = length.map_err(|_| malformed("Content-Length is not a number"))?;
        while self.rest.len() < length {
            if !self.fill()? {
                return Ok(None);
            }
        }
        seen.body = self.take(length);
        Ok(Some(seen))
    }

    fn fill(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 << 10];
        let length = self.stream.read(&mut buffer)?;
        self.rest.extend_from_slice(&buffer[..length]);
        Ok(length > 0)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.rest.split_off(length);
        std::mem::replace(&mut self.rest, rest)
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Waits until the client closes the connection.
    pub(super) fn hold(&mut self) {
        while self.fill().unwrap_or(false) {
            self.rest.clear();
        }
    }

    /// Makes the connection end with a reset when it is dropped.
    pub(super) fn reset(&self, connections: &Connections) {
        let end = Instant::now() + PATIENCE;
        // A reset discards the bytes that still wait here.
        while self.unsent().is_some_and(|bytes| bytes > 0) && Instant::now() < end {
            if connections.pause(Duration::from_millis(1)).is_err() {
                break;
            }
        }
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// How many bytes the client's system has not acknowledged yet, if Linux tells (`tx_queue` of `/proc/net/tcp`).
    /// Asking the socket itself, with `SIOCOUTQ`, needs unsafe code.
    fn unsent(&self) -> Option<u64> {
        let ends = [self.stream.local_addr().ok()?, self.stream.peer_addr().ok()?];
        let ends = ends.map(|end| match end {
            SocketAddr::V4(end) => as_in_proc(end),
            SocketAddr::V6(_) => String::new(),
        });
        let table = std::fs::read_to_string("/proc/self/net/tcp").ok()?;
        table.lines().find_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            (fields.next()? == ends[0] && fields.next()? == ends[1]).then_some(())?;
            let (unsent, _) = fields.nth(1)?.split_once(':')?;
            u64::from_str_radix(unsent, 16).ok()
        })
    }
}

fn as_in_proc(end: SocketAddrV4) -> String {
    format!("{:08X}:{:04X}", u32::from_ne_bytes(end.ip().octets()), end.port())
}
