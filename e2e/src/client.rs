//! A plain HTTP/1.1 client on one kept connection. It sends exactly what a test asks for: no redirects, no login.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::content::{Content, Hashing};

/// Time without a byte after which a test counts the server as stuck.
const PATIENCE: Duration = Duration::from_mins(2);

/// A request's body.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// No body.
    Empty,
    /// These bytes.
    Bytes(&'a [u8]),
    /// The bytes of a content from the first offset to the second.
    Range(&'a Content, u64, u64),
}

impl Body<'_> {
    fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Range(_, from, to) => to - from,
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Empty => Ok(()),
            Self::Bytes(bytes) => out.write_all(bytes),
            Self::Range(content, from, to) => content.write(*from, *to, out),
        }
    }
}

/// A response with its body.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers: names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body. Empty for a download, whose bytes go to a sink.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header called `name`, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The path of the `Location` header, with or without an origin before it.
    pub fn location(&self) -> String {
        let location = self.header("location").unwrap_or_else(|| panic!("no Location in {self:?}"));
        match location.split_once("://") {
            Some((_, rest)) => rest[rest.find('/').expect("an origin is followed by a path")..].to_owned(),
            None => location.to_owned(),
        }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// Asserts that this response has `status`, and returns it.
    pub fn expect(self, status: u16, what: &str) -> Self {
        assert!(self.status == status, "{what}: expected {status}, got {}: {}", self.status, self.text());
        self
    }
}

/// A client of one server.
pub struct Client {
    address: SocketAddr,
    patience: Duration,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// A client that connects at its first request.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, patience: PATIENCE, connection: None }
    }

    /// Lets the server be silent for `patience`, for a request whose answer takes long.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// A new connection to the server, for tests that write bytes themselves.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(10))?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// The head of a request as it is sent.
    pub fn head(&self, method: &str, path: &str, headers: &[(&str, &str)], length: u64) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if !matches!(method, "GET" | "HEAD" | "DELETE") {
            head.extend(["Content-Length: ", &length.to_string(), "\r\n"]);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// Sends a request and keeps the whole response.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Body<'_>,
    ) -> io::Result<Response> {
        let mut kept = Vec::new();
        let mut response = self.exchange(method, path, headers, body, &mut kept)?;
        response.body = kept;
        Ok(response)
    }

    /// GETs `path`.
    pub fn get(&mut self, path: &str) -> io::Result<Response> {
        self.send("GET", path, &[], Body::Empty)
    }

    /// GETs `path` and keeps only the digest of its body.
    pub fn digest(&mut self, path: &str) -> io::Result<(Response, hythe_oci::Digest)> {
        let mut hash = Hashing::new();
        let response = self.exchange("GET", path, &[], Body::Empty, &mut hash)?;
        Ok((response, hash.finish()))
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Body<'_>,
        sink: &mut impl Write,
    ) -> io::Result<Response> {
        let mut connection = match self.connection.take() {
            Some(connection) if !is_closed(connection.get_ref()) => connection,
            _ => BufReader::with_capacity(256 << 10, self.connect()?),
        };
        let head = self.head(method, path, headers, body.len());
        let stream = connection.get_mut();
        let sent = stream.write_all(&head).and_then(|()| body.write(stream));
        // A server that refuses a body answers before it has read the whole body. Then the answer counts, not the
        // broken pipe.
        let mut response = match (read_head(&mut connection), sent) {
            (Ok(response), _) => response,
            (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(error),
        };
        while response.status < 200 {
            response = read_head(&mut connection)?;
        }
        let reusable = read_body(&mut connection, method, &response, sink)?;
        if reusable && response.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close"))
        {
            self.connection = Some(connection);
        }
        Ok(response)
    }
}

/// Whether the server closed an idle connection. A request on it would fail without being at fault.
fn is_closed(stream: &TcpStream) -> bool {
    let readable = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    let closed = !matches!(readable, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
    closed || stream.set_nonblocking(false).is_err()
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, what.to_owned())
}

fn read_line(connection: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(broken("the connection ended within the response's head")),
    }
}

/// Reads a response up to its body.
pub fn read_head(connection: &mut impl BufRead) -> io::Result<Response> {
    let line = read_line(connection)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| broken(&format!("`{line}` is not a status line")))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(connection)?;
        if line.is_empty() {
            return Ok(Response { status, headers, body: Vec::new() });
        }
        let (name, value) =
            line.split_once(':').ok_or_else(|| broken(&format!("`{line}` is not a header")))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// Reads a response's body into `sink`. Returns whether the connection can be used again.
fn read_body(
    connection: &mut impl BufRead,
    method: &str,
    response: &Response,
    sink: &mut impl Write,
) -> io::Result<bool> {
    if method == "HEAD" || matches!(response.status, 204 | 304) {
        return Ok(true);
    }
    if response.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        loop {
            let line = read_line(connection)?;
            let size = line.split(';').next().and_then(|size| u64::from_str_radix(size.trim(), 16).ok());
            let size = size.ok_or_else(|| broken(&format!("`{line}` is not the size of a chunk")))?;
            copy(connection, size, sink)?;
            read_line(connection)?;
            if size == 0 {
                return Ok(true);
            }
        }
    }
    match response.header("content-length").map(str::parse) {
        Some(Ok(length)) => copy(connection, length, sink).map(|()| true),
        Some(Err(_)) => Err(broken("Content-Length is not a number")),
        None => io::copy(connection, sink).map(|_| false),
    }
}

fn copy(connection: &mut impl BufRead, length: u64, sink: &mut impl Write) -> io::Result<()> {
    let copied = io::copy(&mut connection.take(length), sink)?;
    if copied == length {
        Ok(())
    } else {
        Err(broken(&format!("the body ended after {copied} of {length} bytes")))
    }
}
