//! What refers to a manifest of an upstream.

use bytes::Bytes;
use http::StatusCode;
use hythe_oci::{Digest, RepositoryName, media_type, path};
use serde_json::Value;

use crate::answer::Answer;
use crate::ask::Ask;
use crate::client::{Client, Inner};
use crate::error::Error;
use crate::link;

/// More pages of referrers are not read: each costs a round trip while somebody waits.
const PAGES: usize = 10;

impl Client {
    /// The image index of all that refers to a manifest, of no more than `limit` bytes: the upstream's own bytes, or,
    /// where it has several pages, one made of them. `None` for an upstream without the referrers API; then there may
    /// be a tag instead (distribution-spec, Unavailable Referrers API).
    pub async fn referrers(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        limit: usize,
    ) -> Result<Option<Bytes>, Error> {
        let mut ask = self.0.referrers(name, digest);
        let mut pages: Vec<Bytes> = Vec::new();
        loop {
            let answer = match self.0.ask(ask).await {
                Ok(answer) if is_index(&answer) => answer,
                Ok(_) | Err(Error::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let next = link::next(answer.headers()).and_then(|link| answer.response.url().join(link).ok());
            let read: usize = pages.iter().map(Bytes::len).sum();
            let subject = answer.subject.clone();
            pages.push(answer.read(limit.saturating_sub(read)).await?);
            ask = match next {
                Some(_) if pages.len() == PAGES => {
                    return Err(subject.protocol(format!("it has more than {PAGES} pages")));
                }
                Some(next) if next.origin() != self.0.url.origin() => {
                    return Err(subject.protocol("its next page is said to be of another registry"));
                }
                Some(next) => Ask { url: next, ..self.0.referrers(name, digest) },
                None if pages.len() == 1 => return Ok(pages.pop()),
                None => {
                    let one =
                        joined(&pages).ok_or_else(|| subject.protocol("it is not the JSON of an index"))?;
                    return Ok(Some(one));
                }
            };
        }
    }
}

impl Inner {
    fn referrers<'a>(&self, name: &'a RepositoryName, digest: &Digest) -> Ask<'a> {
        let asked = format!("referrers of `{digest}` of `{name}`");
        let mut ask = self.get(&path::referrers(name, digest), name, media_type::OCI_INDEX, asked);
        // Upstreams without the API do not all say 404: some know no such path, method or function.
        ask.expected = &[
            StatusCode::OK,
            StatusCode::BAD_REQUEST,
            StatusCode::METHOD_NOT_ALLOWED,
            StatusCode::NOT_ACCEPTABLE,
            StatusCode::NOT_IMPLEMENTED,
        ];
        ask
    }
}

/// Whether it is an answer of the API, and not a page that is shown for any path.
fn is_index(answer: &Answer) -> bool {
    answer.status() == StatusCode::OK && answer.media_type().as_deref() == Some(media_type::OCI_INDEX)
}

/// The first page with the manifests of all.
fn joined(pages: &[Bytes]) -> Option<Bytes> {
    let mut pages = pages.iter().map(|page| serde_json::from_slice::<Value>(page).ok());
    let mut whole = pages.next()??;
    let all = whole.get_mut("manifests")?.as_array_mut()?;
    for page in pages {
        all.append(page?.get_mut("manifests")?.as_array_mut()?);
    }
    serde_json::to_vec(&whole).ok().map(Bytes::from)
}
