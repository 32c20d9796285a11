//! Lists: `/v2/_catalog`, `/v2/<name>/tags/list`, `/v2/<name>/referrers/<digest>`

use std::borrow::Cow;
use std::fmt::Write as _;

use http::Response;
use http::header::{self, HeaderName, HeaderValue};
use hythe_oci::header::{FILTER_ARTIFACT_TYPE, OCI_FILTERS_APPLIED};
use hythe_oci::{Digest, ErrorCode, RepositoryName, Tag, encode, media_type, path};
use hythe_registry::{Page, Referrer};
use hythe_upstream::RepositoryCopy;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{JSON, content, set};
use crate::call::Call;
use crate::plane::Body;
use crate::reject::Rejection;

/// The most referrers on one page.
const REFERRERS_PAGE: usize = 1000;

/// The size after which a page of referrers ends, in bytes, so that every client accepts the index.
const REFERRERS_BYTES: usize = 4 << 20;

/// Lists repositories, a page at a time (Docker Registry HTTP API V2, Catalog).
pub(crate) async fn catalog_list(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    let limit = page_size(call, call.options.catalog_max_page)?;
    let last = call.query.first("last");
    let visible = call.scope.listed();
    let page = call.app.registry.repositories(last.as_deref(), limit, &visible).await;
    let page = page.map_err(|error| Rejection::registry(&error, None))?;
    let next = page.items.last().filter(|_| page.more).map(ToString::to_string);
    let mut response = content(JSON, json!({ "repositories": page.items }).to_string());
    link_next(call, &mut response, &path::catalog(), next.as_deref(), Some(limit), None);
    Ok(response)
}

/// Lists the tags of a repository, a page at a time (end-8a, end-8b).
pub(crate) async fn tag_list(call: &Call<'_>, name: &RepositoryName) -> Result<Response<Body>, Rejection> {
    let limit = page_size(call, call.options.tags_max_page)?;
    let last = call.query.first("last");
    let page = call.app.registry.repository(name).tags(last.as_deref(), limit).await;
    let page = page.map_err(|error| Rejection::registry(&error, Some(name)))?;
    Ok(respond_tags(call, name, &page, limit))
}

/// Lists the tags of a copy, a page at a time.
pub(crate) async fn copy_tag_list(
    call: &Call<'_>,
    name: &RepositoryName,
    copy: &RepositoryCopy,
) -> Result<Response<Body>, Rejection> {
    let limit = page_size(call, call.options.tags_max_page)?;
    let last = call.query.first("last");
    let found = copy.tags(last.as_deref(), limit).await;
    let found = found.map_err(|error| Rejection::upstream(&error, ErrorCode::NameUnknown))?;
    let mut response = respond_tags(call, name, &found.value, limit);
    call.tell(&mut response, copy, &found.freshness);
    Ok(response)
}

fn respond_tags(call: &Call<'_>, name: &RepositoryName, page: &Page<Tag>, limit: usize) -> Response<Body> {
    let next = page.items.last().filter(|_| page.more).map(ToString::to_string);
    let mut response = content(JSON, json!({ "name": name, "tags": page.items }).to_string());
    link_next(call, &mut response, &path::tags(name), next.as_deref(), Some(limit), None);
    response
}

/// Lists the referrers of a manifest (end-12a, end-12b).
pub(crate) async fn referrer_list(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response<Body>, Rejection> {
    let filter = artifact_type(call);
    let limit = page_size(call, REFERRERS_PAGE)?;
    let last = last_digest(call)?;
    let page =
        call.app.registry.repository(name).referrers(digest, filter.as_deref(), last.as_ref(), limit).await;
    let page = page.map_err(|error| Rejection::registry(&error, Some(name)))?;
    Ok(respond_referrers(call, name, digest, page))
}

/// Lists the referrers of a manifest of a copy: the upstream's and those pushed here. A page ends at `REFERRERS_BYTES`.
pub(crate) async fn copy_referrer_list(
    call: &Call<'_>,
    name: &RepositoryName,
    copy: &RepositoryCopy,
    digest: &Digest,
) -> Result<Response<Body>, Rejection> {
    let filter = artifact_type(call);
    let last = last_digest(call)?;
    let found = copy.referrers(digest, filter.as_deref(), last.as_ref()).await;
    let found = found.map_err(|error| Rejection::upstream(&error, ErrorCode::NameUnknown))?;
    let mut response = respond_referrers(call, name, digest, found.value);
    call.tell(&mut response, copy, &found.freshness);
    Ok(response)
}

fn respond_referrers(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
    page: Page<Referrer>,
) -> Response<Body> {
    let filter = artifact_type(call);
    let (mut manifests, mut weight, mut next) = (Vec::with_capacity(page.items.len()), 0, None);
    let count = page.items.len();
    for referrer in page.items {
        let digest = referrer.digest;
        let entry = Entry::from(referrer);
        weight += entry.weight();
        manifests.push(entry);
        let last_one = manifests.len() == count;
        if (last_one && page.more) || (!last_one && weight >= REFERRERS_BYTES) {
            next = Some(digest.to_string());
            break;
        }
    }
    let index = Index { schema_version: 2, media_type: media_type::OCI_INDEX, manifests };
    // Cannot fail: the index consists of strings, numbers and valid JSON.
    let mut response = content(media_type::OCI_INDEX, serde_json::to_vec(&index).unwrap_or_default());
    let path = path::referrers(name, digest);
    link_next(call, &mut response, &path, next.as_deref(), None, filter.as_deref());
    if filter.is_some() {
        response.headers_mut().insert(
            HeaderName::from_static(OCI_FILTERS_APPLIED),
            HeaderValue::from_static(FILTER_ARTIFACT_TYPE),
        );
    }
    response
}

/// The referrers of a manifest, as an image index.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Entry>,
}

/// A referrer as an entry of the index.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    /// The stored JSON, which is not parsed here: it may have megabytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Box<RawValue>>,
}

impl From<Referrer> for Entry {
    fn from(referrer: Referrer) -> Self {
        Self {
            media_type: referrer.media_type,
            digest: referrer.digest.to_string(),
            size: referrer.size,
            artifact_type: referrer.artifact_type,
            // The catalog's text is JSON that this registry wrote.
            annotations: referrer.annotations.and_then(|text| RawValue::from_string(text).ok()),
        }
    }
}

impl Entry {
    /// The approximate size of the entry, in bytes.
    fn weight(&self) -> usize {
        256 + self.annotations.as_ref().map_or(0, |annotations| annotations.get().len())
    }
}

/// The requested page size, at most `most`.
pub(super) fn page_size(call: &Call<'_>, most: usize) -> Result<usize, Rejection> {
    let Some(n) = call.query.first("n") else { return Ok(most) };
    let size = n.parse::<usize>().map_err(|_| {
        let message = format!("parameter `n`: `{n}` is not a page size; use a whole number of 0 or more");
        Rejection::parameter(ErrorCode::PaginationNumberInvalid, message)
    })?;
    Ok(size.min(most))
}

/// The digest after which the page of referrers begins.
fn last_digest(call: &Call<'_>) -> Result<Option<Digest>, Rejection> {
    let last = call.query.first("last").map(|last| last.parse()).transpose();
    last.map_err(|error| Rejection::parameter(ErrorCode::DigestInvalid, format!("parameter `last`: {error}")))
}

/// The requested artifact type; an empty one counts as absent.
fn artifact_type<'a>(call: &Call<'a>) -> Option<Cow<'a, str>> {
    call.query.first(FILTER_ARTIFACT_TYPE).filter(|filter| !filter.is_empty())
}

/// Adds the link to the next page, if any (RFC 8288). The link repeats the request's `?ns=`.
fn link_next(
    call: &Call<'_>,
    response: &mut Response<Body>,
    path: &str,
    next: Option<&str>,
    n: Option<usize>,
    artifact_type: Option<&str>,
) {
    let Some(next) = next else { return };
    let mut target = format!("{path}?last={}", encode(next));
    if let Some(n) = n {
        let _ = write!(target, "&n={n}");
    }
    if let Some(artifact_type) = artifact_type {
        let _ = write!(target, "&{FILTER_ARTIFACT_TYPE}={}", encode(artifact_type));
    }
    if let Some(namespace) = call.query.first("ns") {
        let _ = write!(target, "&ns={}", encode(&namespace));
    }
    set(response, header::LINK, format!("<{target}>; rel=\"next\""));
}
