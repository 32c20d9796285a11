//! A small HTTP/1.1 client: one connection for each request, without retries, redirects or other hidden steps.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;

use hythe_oci::{Algorithm, Digest, encode};

use crate::{Answer, ClientTls, Connection, LogLines};

/// A check of every answer; it gets the request's method and target, and the answer.
type Check = fn(&str, &str, &Answer);

/// A client of one registry.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    check: Option<Check>,
    log: Option<LogLines>,
    tls: Option<ClientTls>,
}

/// A request that is not sent yet.
#[derive(Clone, Debug)]
pub struct Request {
    client: Client,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Payload,
}

#[derive(Clone, Debug)]
enum Payload {
    None,
    Whole(Vec<u8>),
    Chunked(Vec<u8>),
}

impl Client {
    /// A client of the registry at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, check: None, log: None, tls: None }
    }

    /// Checks every answer with `check`.
    #[must_use]
    pub fn checked(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// Checks for every 5xx answer that the registry's log gives the reason.
    #[must_use]
    pub fn logged(mut self, log: LogLines) -> Self {
        self.log = Some(log);
        self
    }

    /// Speaks TLS.
    #[must_use]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Where the registry listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens a connection on which the test sends bytes of its own.
    pub fn connect(&self) -> Connection {
        let connection = Connection::open(self.address);
        match &self.tls {
            None => connection,
            Some(tls) => connection.secure(tls),
        }
    }

    /// Creates a request. `target` is a path, with or without a query, exactly as the request contains it.
    pub fn request(&self, method: &str, target: impl Into<String>) -> Request {
        Request {
            client: self.clone(),
            method: method.to_owned(),
            target: target.into(),
            headers: Vec::new(),
            body: Payload::None,
        }
    }

    /// `GET`
    pub fn get(&self, target: impl Into<String>) -> Request {
        self.request("GET", target)
    }

    /// `HEAD`
    pub fn head(&self, target: impl Into<String>) -> Request {
        self.request("HEAD", target)
    }

    /// `POST`
    pub fn post(&self, target: impl Into<String>) -> Request {
        self.request("POST", target)
    }

    /// `PATCH`
    pub fn patch(&self, target: impl Into<String>) -> Request {
        self.request("PATCH", target)
    }

    /// `PUT`
    pub fn put(&self, target: impl Into<String>) -> Request {
        self.request("PUT", target)
    }

    /// `DELETE`
    pub fn delete(&self, target: impl Into<String>) -> Request {
        self.request("DELETE", target)
    }

    /// Starts an upload; returns its `Location`.
    #[track_caller]
    pub fn start_upload(&self, repository: &str) -> String {
        self.post(format!("/v2/{repository}/blobs/uploads/")).send().expect(202).location()
    }

    /// Pushes a blob with `POST`, then `PUT`; returns its SHA-256 digest.
    #[track_caller]
    pub fn push_blob(&self, repository: &str, content: &[u8]) -> Digest {
        self.push_blob_by(Algorithm::Sha256, repository, content)
    }

    /// As [`Client::push_blob`], with a digest of another algorithm.
    #[track_caller]
    pub fn push_blob_by(&self, algorithm: Algorithm, repository: &str, content: &[u8]) -> Digest {
        let digest = Digest::of(algorithm, content);
        let location = self.start_upload(repository);
        self.put(location).query("digest", digest).body(content).send().expect(201);
        digest
    }
}

impl Request {
    /// Adds a header, or replaces one that the client sends by default (`Host`, `Content-Length`, `Connection`).
    #[must_use]
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_string()));
        self
    }

    /// Adds a parameter, escaped as needed.
    #[must_use]
    pub fn query(mut self, key: &str, value: impl ToString) -> Self {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        write!(self.target, "{key}={}", encode(&value.to_string())).expect("a string takes text");
        self
    }

    /// Sends a body with its length.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Payload::Whole(body.as_ref().to_vec());
        self
    }

    /// Sends a body in chunks, without its length.
    #[must_use]
    pub fn stream(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Payload::Chunked(body.as_ref().to_vec());
        self
    }

    /// The bytes of the request.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut headers = self.headers.clone();
        let mut default = |name: &str, value: String| {
            if !headers.iter().any(|(known, _)| known == name) {
                headers.push((name.to_owned(), value));
            }
        };
        default("host", format!("localhost:{}", self.client.address.port()));
        default("connection", "close".to_owned());
        match &self.body {
            Payload::Whole(body) => default("content-length", body.len().to_string()),
            Payload::Chunked(_) => default("transfer-encoding", "chunked".to_owned()),
            Payload::None if matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") => {
                default("content-length", "0".to_owned());
            }
            Payload::None => {}
        }
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &headers {
            bytes.extend(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend(b"\r\n");
        match &self.body {
            Payload::None => {}
            Payload::Whole(body) => bytes.extend(body),
            Payload::Chunked(body) => {
                // An odd size, so that no code can depend on chunks that match blocks.
                for chunk in body.chunks(30_011) {
                    write!(bytes, "{:x}\r\n", chunk.len()).expect("a vector takes bytes");
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            }
        }
        bytes
    }

    /// Sends it and reads the answer.
    #[track_caller]
    pub fn send(self) -> Answer {
        let (method, target) = (self.method.clone(), self.target.clone());
        self.try_send().unwrap_or_else(|error| panic!("{method} {target}: no answer: {error}"))
    }

    /// As [`Request::send`], for an answer that may break off.
    pub fn try_send(self) -> io::Result<Answer> {
        let mut connection = self.client.connect();
        // A registry may answer and close before it has read the body: then writing fails, and the answer tells why.
        let _ = connection.send(self.to_bytes());
        let answer = loop {
            match connection.answer(&self.method)? {
                answer if answer.status < 200 => {}
                answer => break answer,
            }
        };
        if let Some(check) = self.client.check {
            check(&self.method, &self.target, &answer);
        }
        if let Some(log) = self.client.log.as_ref().filter(|_| answer.status >= 500) {
            log.expect_reason(&answer);
        }
        Ok(answer)
    }
}
