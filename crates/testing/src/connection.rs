//! One connection to a registry, plain or with TLS, on which a test sends any bytes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::{Answer, ClientTls};

/// The longest time that a read or a write may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection; several requests may be sent before their answers are read.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// Bytes that arrived after the last answer.
    rest: Vec<u8>,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the registry takes connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("the duration is not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("the duration is not zero");
        stream.set_nodelay(true).expect("a connected socket takes the option");
        Self { stream: Stream::Plain(stream), rest: Vec::new() }
    }

    /// Speaks TLS from now on. The handshake happens with the first bytes that are sent or read.
    #[must_use]
    pub fn secure(self, tls: &ClientTls) -> Self {
        let Stream::Plain(stream) = self.stream else { return self };
        let name = ServerName::try_from("localhost").expect("it is a name");
        let session = ClientConnection::new(Arc::clone(tls.config()), name).expect("the name is valid");
        Self { stream: Stream::Tls(Box::new(StreamOwned::new(session, stream))), rest: self.rest }
    }

    /// The TLS session, if there is one.
    pub fn session(&self) -> Option<&ClientConnection> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => Some(&stream.conn),
        }
    }

    /// The socket, for deadlines, half-closing and the like.
    pub fn stream(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// Reads one answer to a request of `method`; an interim answer (100) counts as one.
    pub fn answer(&mut self, method: &str) -> io::Result<Answer> {
        let head = self.read_head()?;
        let mut answer =
            Answer::parse_head(&head).ok_or_else(|| broken("the answer's head is not HTTP/1.1"))?;
        let empty = method == "HEAD" || matches!(answer.status, 100..200 | 204 | 304);
        answer.body = if empty {
            Vec::new()
        } else if answer.header("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            self.read_chunks()?
        } else if let Some(length) = answer.header("content-length") {
            let length = length.parse().map_err(|_| broken("Content-Length is not a number"))?;
            self.read_exactly(length)?
        } else {
            self.read_to_end()?
        };
        Ok(answer)
    }

    /// Reads until the registry closes the connection.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.rest);
        self.stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads `length` bytes.
    pub fn read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.rest.len() < length {
            self.fill()?;
        }
        let rest = self.rest.split_off(length);
        Ok(std::mem::replace(&mut self.rest, rest))
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        let length = self.stream.read(&mut buffer)?;
        if length == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection closed within an answer",
            ));
        }
        self.rest.extend_from_slice(&buffer[..length]);
        Ok(())
    }

    fn read_until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.rest.windows(end.len()).position(|window| window == end) {
                let line = self.read_exactly(at + end.len())?;
                return Ok(line[..at].to_vec());
            }
            self.fill()?;
        }
    }

    fn read_head(&mut self) -> io::Result<String> {
        let head = self.read_until(b"\r\n\r\n")?;
        String::from_utf8(head).map_err(|_| broken("the answer's head is not text"))
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = String::from_utf8(self.read_until(b"\r\n")?)
                .map_err(|_| broken("a chunk's size is not text"))?;
            let size =
                usize::from_str_radix(size.trim(), 16).map_err(|_| broken("a chunk's size is not hex"))?;
            body.extend(self.read_exactly(size)?);
            if self.read_exactly(2)? != b"\r\n" {
                return Err(broken("a chunk does not end where it should"));
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }
}
