//! Upload sessions of a registry (distribution-spec, Pushing Blobs).

use std::fmt;

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RANGE};
use http::{Method, StatusCode};
use hythe_oci::{Algorithm, ChunkRange, Digest, RepositoryName, header, path};
use tokio::io::AsyncRead;
use url::Url;

use crate::answer::{Answer, text};
use crate::ask::Ask;
use crate::client::{Client, Inner};
use crate::error::{Error, PushError};
use crate::outgoing::Outgoing;
use crate::redirect::location;
use crate::scope::Scope;

/// An upload session of a repository. The registry keeps the bytes of a session when a connection breaks;
/// [`Upload::refresh`] asks how many it has.
pub struct Upload {
    client: Client,
    scopes: Vec<Scope>,
    subject: String,
    url: Url,
    /// Whether every address of the session was at the endpoint: another host gets no credentials, and neither does an
    /// address at the endpoint that another host gave.
    at_home: bool,
    offset: u64,
    /// Whether bytes were sent and no answer said how many of them the registry took.
    is_open: bool,
    least: u64,
}

/// The answer to a request to mount a blob.
#[derive(Debug)]
pub enum Mount {
    /// The repository has the blob now (201).
    Mounted,
    /// The registry did not mount the blob and started an upload session instead (202).
    Upload(Upload),
}

/// What a request with a body from a source came to.
pub(crate) enum Sent {
    /// The registry took this many bytes.
    Taken(u64),
    /// The registry refused the token. There is another token now: send the bytes again, from the session's offset.
    Again,
}

impl Client {
    /// Starts an upload session (distribution-spec, end-4a) for a blob whose digest has this algorithm.
    pub async fn start_upload(&self, name: &RepositoryName, algorithm: Algorithm) -> Result<Upload, Error> {
        let mut ask = self.0.push(Method::POST, &path::uploads(name), name, format!("an upload to `{name}`"));
        ask.expected = &[StatusCode::ACCEPTED];
        if algorithm != Algorithm::default() {
            ask.url.query_pairs_mut().append_pair("digest-algorithm", algorithm.as_str());
        }
        let scopes = ask.scopes.clone();
        Upload::of(self, scopes, &self.0.ask(ask).await?)
    }

    /// Asks the registry to take a blob from another of its repositories (distribution-spec, Mounting a blob from
    /// another repository, end-11). The token must allow both: pushing to `name` and pulling from `from`.
    pub async fn mount_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        from: &RepositoryName,
    ) -> Result<Mount, Error> {
        let asked = format!("blob `{digest}` of `{from}` to be mounted in `{name}`");
        let mut ask = self.0.push(Method::POST, &path::uploads(name), name, asked);
        ask.expected = &[StatusCode::CREATED, StatusCode::ACCEPTED];
        ask.scopes.push(Scope::pull(from));
        let from = self.0.name_at(from);
        ask.url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", &from);
        let answer = self.0.ask(ask).await?;
        if answer.status() == StatusCode::CREATED {
            return Ok(Mount::Mounted);
        }
        Ok(Mount::Upload(Upload::of(self, vec![Scope::push(name)], &answer)?))
    }
}

impl Upload {
    /// The session that the answer's `Location` names.
    fn of(client: &Client, scopes: Vec<Scope>, answer: &Answer) -> Result<Self, Error> {
        let subject = answer.subject.asked.clone();
        let url = client.0.url.clone();
        let mut upload = Self {
            client: client.clone(),
            scopes,
            subject,
            url,
            at_home: true,
            offset: 0,
            is_open: false,
            least: 0,
        };
        upload.moved(answer)?;
        if text(answer.headers(), "location").is_none() {
            return Err(answer.subject.protocol("an upload session without a `Location` header"));
        }
        upload.least = text(answer.headers(), header::OCI_CHUNK_MIN_LENGTH)
            .and_then(|least| least.trim().parse().ok())
            .unwrap_or(0);
        Ok(upload)
    }

    /// How many bytes the registry has.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The fewest bytes that a chunk may have, except the last (`OCI-Chunk-Min-Length`).
    pub fn least_chunk(&self) -> u64 {
        self.least
    }

    /// Notes the session's address, which each answer may change. It may be relative, or lead to another host: that
    /// host must be one that the client may connect to, and gets no credentials.
    fn moved(&mut self, answer: &Answer) -> Result<(), Error> {
        if text(answer.headers(), "location").is_some() {
            let url =
                location(answer.response.url(), &answer.response, &answer.subject, "an upload session")?;
            self.at_home &= url.origin() == self.client.0.url.origin();
            self.url = url;
        }
        Ok(())
    }

    fn ask(&self, method: Method, expected: &'static [StatusCode]) -> Ask {
        let subject = self.client.0.subject(self.subject.clone());
        let mut ask = Ask::new(method, self.url.clone(), self.scopes.clone(), subject);
        (ask.expected, ask.at_home) = (expected, self.at_home);
        ask
    }

    /// Asks how many bytes the registry has (end-13). Returns `false` if the answer does not tell.
    ///
    /// `Range` cannot say that there is no byte: `0-0` is one byte. Most registries, with distribution first, write
    /// `0-0` for no byte too, and some write no `Range` then. What this side knows decides: no byte if none was sent,
    /// one byte if an earlier answer said so. Otherwise the number is unknown. A wrong guess would move each byte
    /// that follows, and the registry would notice only at the end, by the digest.
    pub async fn refresh(&mut self) -> Result<bool, Error> {
        let answer =
            self.client.0.ask(self.ask(Method::GET, &[StatusCode::NO_CONTENT, StatusCode::OK])).await?;
        self.moved(&answer)?;
        match count(&answer).unwrap_or(0) {
            0 | 1 if self.is_open || self.offset > 1 => return Ok(false),
            0 | 1 => {}
            bytes => self.offset = bytes,
        }
        self.is_open = false;
        Ok(true)
    }

    /// Sends a chunk (end-5): `length` bytes of the source, or all that it has. The source must begin at
    /// [`Upload::offset`]. Returns how many bytes the registry took; 0 means that the registry refused the token, that
    /// the client has another, and that the chunk must be sent again after [`Upload::refresh`].
    pub async fn send(
        &mut self,
        source: impl AsyncRead + Send + 'static,
        length: Option<u64>,
    ) -> Result<u64, PushError> {
        match self.patch(Outgoing::new(source, length)).await? {
            Sent::Taken(bytes) => Ok(bytes),
            Sent::Again => Ok(0),
        }
    }

    pub(crate) async fn patch(&mut self, body: Outgoing) -> Result<Sent, PushError> {
        let mut ask = self.ask(Method::PATCH, &[StatusCode::ACCEPTED, StatusCode::NO_CONTENT]);
        describe(&mut ask, &body, Some(self.offset));
        let watch = body.watch();
        let Some(answer) = self.send_body(ask, body).await? else { return Ok(Sent::Again) };
        self.moved(&answer)?;
        let expected = self.offset + watch.sent();
        let has = count(&answer).unwrap_or(expected);
        // `0-0` also stands for no byte.
        if has != expected && !(expected == 0 && has == 1) {
            let reason = format!("it has {has} bytes of the upload after {expected} were sent");
            return Err(answer.subject.protocol(reason).into());
        }
        self.offset = expected;
        Ok(Sent::Taken(watch.sent()))
    }

    async fn send_body(&mut self, ask: Ask, body: Outgoing) -> Result<Option<Answer>, PushError> {
        self.is_open = true;
        let answer = self.client.0.send_body(ask, body).await?;
        // A registry that asks for a token takes no byte of the request.
        self.is_open = false;
        Ok(answer)
    }

    /// Finishes the session with no more bytes (end-6). The registry checks the digest of the whole blob.
    pub async fn finish(&self, digest: &Digest) -> Result<(), Error> {
        let ask = self.last(digest);
        let answer = self.client.0.ask(ask).await?;
        check(&answer, digest)
    }

    /// Finishes the session with all bytes of the blob in one request (distribution-spec, Pushing a blob
    /// monolithically, POST then PUT).
    pub(crate) async fn put(&mut self, digest: &Digest, body: Outgoing) -> Result<Sent, PushError> {
        let mut ask = self.last(digest);
        describe(&mut ask, &body, None);
        let watch = body.watch();
        let Some(answer) = self.send_body(ask, body).await? else { return Ok(Sent::Again) };
        check(&answer, digest)?;
        Ok(Sent::Taken(watch.sent()))
    }

    /// The request that finishes the session. The session's address may have a query, which it keeps.
    fn last(&self, digest: &Digest) -> Ask {
        let mut ask = self.ask(Method::PUT, &[StatusCode::CREATED]);
        ask.url.query_pairs_mut().append_pair("digest", &digest.to_string());
        ask
    }

    /// The error for a registry that accepts no token.
    pub(crate) fn refused(&self) -> Error {
        let subject = self.client.0.subject(self.subject.clone());
        subject.denied(401, "the registry does not accept the tokens that its token server gives")
    }

    /// The error for a session whose bytes the registry does not count.
    pub(crate) fn lost(&self) -> Error {
        let subject = self.client.0.subject(self.subject.clone());
        subject.unavailable("the registry does not tell how many bytes of the upload it has")
    }

    /// Cancels the session (end-14): the registry may forget its bytes.
    pub async fn cancel(self) -> Result<(), Error> {
        self.client.0.ask(self.ask(Method::DELETE, &[StatusCode::NO_CONTENT, StatusCode::OK])).await.map(drop)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address of a session may be signed, and so a secret.
        f.debug_struct("Upload").field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// How many bytes of the session the registry has, according to its answer.
fn count(answer: &Answer) -> Option<u64> {
    let range = text(answer.headers(), RANGE.as_str())?.parse::<ChunkRange>().ok()?;
    Some(range.end_inclusive() + 1)
}

/// Adds the headers that describe a body: its type, and where its length is known, length and range.
fn describe(ask: &mut Ask, body: &Outgoing, from: Option<u64>) {
    ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let Some(length) = body.length() else { return };
    ask.headers.insert(CONTENT_LENGTH, length.into());
    let range = from.and_then(|from| ChunkRange::new(from, length));
    if let Some(range) = range.and_then(|range| HeaderValue::try_from(range.to_string()).ok()) {
        ask.headers.insert(CONTENT_RANGE, range);
    }
}

/// Compares the digest that the registry gives, if it gives one, with the digest of what was pushed.
pub(crate) fn check(answer: &Answer, digest: &Digest) -> Result<(), Error> {
    match answer.digest() {
        Some(other) if other != *digest && other.algorithm() == digest.algorithm() => {
            Err(answer.subject.protocol(format!("it stored `{other}` where `{digest}` was pushed")))
        }
        _ => Ok(()),
    }
}

impl Inner {
    /// A request that pushes to a repository.
    pub(crate) fn push(
        &self,
        method: Method,
        path: &str,
        name: &RepositoryName,
        asked: impl Into<String>,
    ) -> Ask {
        Ask::new(method, self.at(path), vec![Scope::push(name)], self.subject(asked))
    }
}
