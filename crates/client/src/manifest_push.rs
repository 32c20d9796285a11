//! Pushes manifests (distribution-spec, Pushing Manifests).

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use hythe_oci::{Digest, Reference, RepositoryName, Tag, header, path};

use crate::answer::{Answer, text};
use crate::client::{Client, Inner};
use crate::error::Error;

/// The most tags in one request: the number that every registry with this feature must accept.
const TAGS: usize = 10;

/// A manifest as the registry stored it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedManifest {
    /// The manifest's digest: the one that the registry answered, which matches the pushed bytes; if it answered none, the
    /// digest of the pushed bytes.
    pub digest: Digest,
    /// The subject that the registry read in it (`OCI-Subject`). `None` if it has no subject, or if the registry has no
    /// referrers API; the client must then keep the list in a tag (distribution-spec, Pushing Manifests with Subject).
    pub subject: Option<Digest>,
}

impl Client {
    /// Pushes a manifest under a tag or its digest (end-7a), and sets `tags` to it. With a digest, one request sets up
    /// to ten tags (end-7b); tags that the registry does not confirm are pushed one by one.
    pub async fn push_manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
        media_type: &str,
        bytes: &Bytes,
        tags: &[Tag],
    ) -> Result<PushedManifest, Error> {
        let at_once = match reference {
            Reference::Digest(_) => &tags[..tags.len().min(TAGS)],
            Reference::Tag(_) => &[],
        };
        let answer = self.0.put_manifest(name, reference, media_type, bytes, at_once).await?;
        let pushed = PushedManifest {
            digest: stored(&answer, reference, bytes)?,
            subject: text(answer.headers(), header::OCI_SUBJECT).and_then(|subject| subject.parse().ok()),
        };
        let confirmed = answer.headers().get_all(header::OCI_TAG).into_iter();
        let confirmed: Vec<String> =
            confirmed.filter_map(|tag| tag.to_str().ok()).map(|tag| tag.trim().to_owned()).collect();
        // Frees the connection for the next request.
        drop(answer);
        for tag in tags.iter().filter(|tag| !confirmed.iter().any(|known| known == tag.as_str())) {
            let reference = Reference::Tag(tag.clone());
            let answer = self.0.put_manifest(name, &reference, media_type, bytes, &[]).await?;
            stored(&answer, &reference, bytes)?;
        }
        Ok(pushed)
    }
}

impl Inner {
    async fn put_manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
        media_type: &str,
        bytes: &Bytes,
        tags: &[Tag],
    ) -> Result<Answer, Error> {
        let asked = match reference {
            Reference::Tag(tag) => format!("the push of tag `{tag}` of `{name}`"),
            Reference::Digest(digest) => format!("the push of manifest `{digest}` of `{name}`"),
        };
        let mut ask = self.push(Method::PUT, &path::manifest(name, reference), name, asked);
        ask.expected = &[StatusCode::CREATED, StatusCode::OK];
        ask.body = bytes.clone();
        // The registry itself refuses a manifest whose media type no header can hold.
        ask.headers.extend(HeaderValue::try_from(media_type).map(|value| (CONTENT_TYPE, value)));
        for tag in tags {
            ask.url.query_pairs_mut().append_pair("tag", tag.as_str());
        }
        self.ask(ask).await
    }
}

/// The digest of the stored manifest. A registry that stored other bytes than the pushed ones gives another digest.
fn stored(answer: &Answer, reference: &Reference, bytes: &Bytes) -> Result<Digest, Error> {
    if let Some(digest) = answer.digest() {
        let pushed = Digest::of(digest.algorithm(), bytes);
        if digest != pushed {
            let reason = format!("it stored `{digest}` where `{pushed}` was pushed");
            return Err(answer.subject.protocol(reason));
        }
        return Ok(digest);
    }
    let algorithm = match reference {
        Reference::Digest(digest) => digest.algorithm(),
        Reference::Tag(_) => hythe_oci::Algorithm::default(),
    };
    Ok(Digest::of(algorithm, bytes))
}
