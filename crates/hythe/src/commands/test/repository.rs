//! A repository at the registry under test: the requests that checks consist of.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{HeaderName, Method};
use hythe_client::{Access, Place, RawAnswer, RawBody, RawRequest};
use hythe_oci::{Algorithm, Digest, RepositoryName, media_type};

use super::ledger::Made;
use super::verdict::{Stop, expect};
use super::wire::Wire;

/// A repository at the registry under test.
#[derive(Clone, Copy)]
pub(super) struct Repository<'a> {
    wire: &'a Wire,
    pub(super) name: &'a RepositoryName,
}

/// An upload session.
pub(super) struct Session<'a> {
    repository: Repository<'a>,
    id: u64,
    place: Place,
}

const OCTETS: &str = "application/octet-stream";

impl<'a> Repository<'a> {
    pub(super) fn new(wire: &'a Wire, name: &'a RepositoryName) -> Self {
        Self { wire, name }
    }

    /// The address of a path below the repository's name.
    pub(super) fn place(&self, rest: &str) -> Place {
        Place::path(format!("/v2/{}/{rest}", self.name))
    }

    fn request(&self, method: Method, place: Place, access: Access) -> RawRequest {
        let mut request = RawRequest::new(method, place);
        request.scopes.push((self.name.clone(), access));
        request
    }

    /// Reads an address below the repository's name.
    pub(super) async fn get(&self, place: Place) -> Result<RawAnswer, Stop> {
        self.read(Method::GET, place, &[]).await
    }

    /// Reads an address with these headers.
    pub(super) async fn read(
        &self,
        method: Method,
        place: Place,
        headers: &[(HeaderName, &str)],
    ) -> Result<RawAnswer, Stop> {
        let mut request = self.request(method, place, Access::Pull);
        request.limit = 64 << 20;
        for (name, value) in headers {
            request = request.header(name.clone(), value);
        }
        self.wire.send(request).await
    }

    pub(super) async fn blob(
        &self,
        method: Method,
        digest: &Digest,
        headers: &[(HeaderName, &str)],
    ) -> Result<RawAnswer, Stop> {
        self.read(method, self.place(&format!("blobs/{digest}")), headers).await
    }

    /// Reads a manifest; clients accept all types.
    pub(super) async fn manifest(
        &self,
        method: Method,
        reference: &str,
        headers: &[(HeaderName, &str)],
    ) -> Result<RawAnswer, Stop> {
        let accept = media_type::MANIFESTS.join(", ");
        let headers = [&[(ACCEPT, accept.as_str())], headers].concat();
        self.read(method, self.place(&format!("manifests/{reference}")), &headers).await
    }

    /// POST for an upload, with the parameters of the query. Returns the session too, if the registry started one.
    pub(super) async fn post(
        &self,
        query: &[(&str, &str)],
        body: Bytes,
        from: Option<&RepositoryName>,
    ) -> Result<(RawAnswer, Option<Session<'a>>), Stop> {
        let mut place = self.place("blobs/uploads/");
        for (name, value) in query {
            place = place.with(name, value);
            if let ("digest" | "mount", Ok(digest)) = (*name, value.parse()) {
                self.wire.ledger.add(self.made_blob(digest));
            }
        }
        let mut request = self.request(Method::POST, place, Access::Push).header(CONTENT_TYPE, OCTETS);
        request.scopes.extend(from.map(|from| (from.clone(), Access::Pull)));
        request.body = RawBody::Whole(body);
        let answer = self.wire.send(request).await?;
        let location = answer.location.clone().filter(|_| answer.status.as_u16() == 202);
        let session = location.map(|place| {
            let session = Session { repository: *self, id: self.wire.ledger.session(), place };
            session.record();
            session
        });
        Ok((answer, session))
    }

    /// Starts an upload session.
    pub(super) async fn start(&self) -> Result<Session<'a>, Stop> {
        let (answer, session) = self.post(&[], Bytes::new(), None).await?;
        expect(&answer, "POST for an upload", &[202], "the login may lack the right to push")?;
        session.ok_or_else(|| {
            Stop::failed("202 with the `Location` of an upload session", "no usable `Location`", "")
        })
    }

    /// Pushes a blob by POST and PUT, and returns its digest.
    pub(super) async fn push_blob(&self, content: &Bytes) -> Result<Digest, Stop> {
        let digest = Digest::of(Algorithm::Sha256, content);
        let mut session = self.start().await?;
        let answer = session.put(&digest, content.clone()).await?;
        expect(&answer, "PUT with a blob", &[201], "see the registry's log")?;
        Ok(digest)
    }

    /// Sends a manifest.
    pub(super) async fn put_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<RawAnswer, Stop> {
        let repository = self.name.clone();
        let digest = Digest::of(Algorithm::Sha256, bytes);
        self.wire.ledger.add(Made::Manifest { repository: repository.clone(), digest });
        match reference.parse::<Digest>() {
            Ok(digest) => self.wire.ledger.add(Made::Manifest { repository, digest }),
            Err(_) => self.wire.ledger.add(Made::Tag { repository, tag: reference.to_owned() }),
        }
        let place = self.place(&format!("manifests/{reference}"));
        let mut request = self.request(Method::PUT, place, Access::Push).header(CONTENT_TYPE, media_type);
        request.body = RawBody::Whole(bytes.clone());
        self.wire.send(request).await
    }

    /// Pushes a manifest, and returns its digest.
    pub(super) async fn push_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<Digest, Stop> {
        let answer = self.put_manifest(reference, media_type, bytes).await?;
        expect(&answer, "PUT of a manifest", &[201], "see the registry's log")?;
        Ok(Digest::of(Algorithm::Sha256, bytes))
    }

    /// Deletes a tag, or a manifest by its digest.
    pub(super) async fn delete_manifest(&self, reference: &str) -> Result<RawAnswer, Stop> {
        self.delete(&format!("manifests/{reference}")).await
    }

    pub(super) async fn delete_blob(&self, digest: &Digest) -> Result<RawAnswer, Stop> {
        self.delete(&format!("blobs/{digest}")).await
    }

    async fn delete(&self, rest: &str) -> Result<RawAnswer, Stop> {
        self.wire.send(self.deletion(rest)).await
    }

    /// The request that deletes something below the repository's name.
    pub(super) fn deletion(&self, rest: &str) -> RawRequest {
        self.request(Method::DELETE, self.place(rest), Access::Delete)
    }

    fn made_blob(&self, digest: Digest) -> Made {
        Made::Blob { repository: self.name.clone(), digest }
    }
}

impl Session<'_> {
    fn made(&self) -> Made {
        Made::Session { repository: self.repository.name.clone(), id: self.id, place: self.place.clone() }
    }

    fn record(&self) {
        self.repository.wire.ledger.add(self.made());
    }

    /// Notes the session's new address. A session that is finished or gone needs no cleanup.
    fn moved(&mut self, answer: &RawAnswer) {
        match (answer.status.as_u16(), &answer.location) {
            (201 | 404, _) => self.repository.wire.ledger.remove(&self.made()),
            (202 | 204, Some(place)) => {
                self.place = place.clone();
                self.record();
            }
            _ => {}
        }
    }

    async fn send(
        &mut self,
        method: Method,
        place: Place,
        headers: HeaderMap,
        body: RawBody,
    ) -> Result<RawAnswer, Stop> {
        let mut request = self.repository.request(method, place, Access::Push);
        (request.headers, request.body) = (headers, body);
        let answer = self.repository.wire.send(request).await?;
        self.moved(&answer);
        Ok(answer)
    }

    /// Sends a chunk with PATCH; `range` is its `Content-Range`.
    pub(super) async fn patch(
        &mut self,
        body: RawBody,
        range: Option<(usize, usize)>,
    ) -> Result<RawAnswer, Stop> {
        let mut headers = octets();
        let range = range.and_then(|(first, last)| HeaderValue::try_from(format!("{first}-{last}")).ok());
        if let Some(range) = range {
            headers.insert(CONTENT_RANGE, range);
        }
        self.send(Method::PATCH, self.place.clone(), headers, body).await
    }

    /// Finishes the session with PUT, with the rest of the blob.
    pub(super) async fn put(&mut self, digest: &Digest, rest: Bytes) -> Result<RawAnswer, Stop> {
        self.repository.wire.ledger.add(self.repository.made_blob(*digest));
        let place = self.place.clone().with_query(&format!("digest={digest}"));
        self.send(Method::PUT, place, octets(), RawBody::Whole(rest)).await
    }

    /// Asks how much the registry has.
    pub(super) async fn status(&mut self) -> Result<RawAnswer, Stop> {
        self.send(Method::GET, self.place.clone(), HeaderMap::new(), RawBody::Whole(Bytes::new())).await
    }

    /// Cancels the session.
    pub(super) async fn cancel(&mut self) -> Result<RawAnswer, Stop> {
        let nothing = RawBody::Whole(Bytes::new());
        let answer = self.send(Method::DELETE, self.place.clone(), HeaderMap::new(), nothing).await?;
        if answer.status.is_success() {
            self.repository.wire.ledger.remove(&self.made());
        }
        Ok(answer)
    }
}

fn octets() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(OCTETS))])
}
