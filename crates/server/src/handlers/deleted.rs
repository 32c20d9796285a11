//! `/api/deleted/`: lists what was deleted and can be restored; `/api/undelete` restores it.

use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use http::{Method, Response};
use hythe_api::{
    DeletedManifest, DeletedManifests, Outcome, PastTag, PastTags, Restored, TakenTag, parameter, path,
};
use hythe_oci::{Digest, ErrorCode, Reference, RepositoryName, Tag};
use hythe_registry::{PastTags as Which, RestoredTag};

use super::collection::restorable;
use super::listings::page_size;
use super::{json, switch};
use crate::call::Call;
use crate::plane::Body;
use crate::reject::Rejection;
use crate::time::timestamp;

/// The most entries on one page, each with at most 100 tags.
const PAGE: usize = 1000;

/// The pages below `/api/deleted/`, and `/api/undelete`.
pub(crate) async fn answer(call: &Call<'_>, path: &str) -> Result<Response<Body>, Rejection> {
    let read = matches!(*call.method, Method::GET | Method::HEAD);
    match path {
        path::DELETED_MANIFESTS if read => manifest_list(call).await,
        path::PAST_TAGS if read => tag_list(call).await,
        path::DELETED_MANIFESTS | path::PAST_TAGS => Err(Rejection::method(call.method, "GET, HEAD")),
        path::UNDELETE if *call.method == Method::POST => restore(call).await,
        path::UNDELETE => Err(Rejection::method(call.method, "POST")),
        _ => Err(Rejection::not_found(path)),
    }
}

/// Lists deleted manifests, a page at a time.
async fn manifest_list(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    let (limit, last) = (page_size(call, PAGE)?, parsed::<i64>(call, parameter::LAST)?);
    let registry = &call.app.registry;
    let failed = |error| Rejection::registry(&error, None);
    let repository = parsed(call, parameter::REPOSITORY)?;
    let page = registry.deleted_manifests(repository, last, limit).await.map_err(failed)?;
    let mut total = None;
    // Only the first page has the total: it costs a read of everything that is deleted.
    if last.is_none() {
        let all = registry.deleted_total().await.map_err(failed)?;
        total = Some(restorable(&all, all.last.and_then(|last| registry.restorable_until(last))));
    }
    let next = page.items.last().filter(|_| page.more).map(|last| last.id.to_string());
    let manifests = page.items.into_iter().map(|manifest| DeletedManifest {
        repository: manifest.repository,
        digest: manifest.digest,
        media_type: manifest.media_type,
        bytes: manifest.bytes,
        tags: manifest.tags,
        tag_count: manifest.tag_count,
        deleted: time(manifest.at),
        cause: manifest.cause.as_str().to_owned(),
        until: registry.restorable_until(manifest.at).and_then(timestamp),
    });
    Ok(json(&DeletedManifests { manifests: manifests.collect(), next, total }))
}

/// Lists what tags named before, a page at a time: the tags that were removed and name nothing now, or with `history` every
/// change of the repository's tags.
async fn tag_list(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    let (limit, last) = (page_size(call, PAGE)?, parsed(call, parameter::LAST)?);
    let repository: Option<RepositoryName> = parsed(call, parameter::REPOSITORY)?;
    let which = if switch(call, parameter::HISTORY)? {
        let repository = repository.ok_or_else(|| missing("repository"))?;
        Which::History(repository, parsed(call, parameter::TAG)?)
    } else {
        Which::Removed(repository)
    };
    let page = call.app.registry.past_tags(which, last, limit).await;
    let page = page.map_err(|error| Rejection::registry(&error, None))?;
    let next = page.items.last().filter(|_| page.more).map(|last| last.id.to_string());
    let tags = page.items.into_iter().map(|past| PastTag {
        repository: past.repository,
        tag: past.tag,
        digest: past.digest,
        set: time(past.since),
        changed: time(past.until),
        current: past.current,
        is_deleted: past.is_deleted,
        until: call.app.registry.restorable_until(past.until).and_then(timestamp),
    });
    Ok(json(&PastTags { tags: tags.collect(), next }))
}

/// Restores a manifest (`digest`) or a tag (`tag`); with `to`, moves the tag back to that manifest.
async fn restore(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    let name: RepositoryName = parsed(call, parameter::REPOSITORY)?.ok_or_else(|| missing("repository"))?;
    let (tag, to) = (parsed::<Tag>(call, parameter::TAG)?, parsed(call, parameter::TO)?);
    let digest = parsed::<Digest>(call, parameter::DIGEST)?;
    let failed = |error| Rejection::registry(&error, None);
    let repository = call.app.registry.repository(&name);
    let restored = match (tag, digest) {
        (Some(tag), None) => match repository.restore_tag(&tag, to).await.map_err(failed)? {
            RestoredTag::Restored(digest, restored) => restored_of(digest, restored),
            RestoredTag::Exists(digest) => without(Outcome::Exists, Some(digest)),
            RestoredTag::Unknown => without(Outcome::Unknown, None),
        },
        (None, Some(digest)) => match repository.restore_manifest(&digest).await.map_err(failed)? {
            Some(restored) => restored_of(digest, restored),
            None => match repository.manifest(&Reference::Digest(digest)).await {
                Ok(_) => without(Outcome::Exists, Some(digest)),
                Err(hythe_registry::Error::ManifestUnknown { .. }) => without(Outcome::Unknown, None),
                Err(error) => return Err(failed(error)),
            },
        },
        (None, None) | (Some(_), Some(_)) => return Err(missing("tag` or `digest")),
    };
    if restored.outcome == Outcome::Restored {
        tracing::info!(repository = %name, digest = ?restored.digest.as_ref().map(ToString::to_string),
            manifests = restored.manifests, tags = restored.tags.len(), "restored deleted content on request");
    }
    Ok(json(&restored))
}

fn restored_of(digest: Digest, restored: hythe_registry::Restored) -> Restored {
    let taken = restored.taken.into_iter().map(|(tag, digest)| TakenTag { tag, digest });
    Restored {
        outcome: Outcome::Restored,
        digest: Some(digest),
        manifests: restored.manifests,
        tags: restored.tags,
        taken: taken.collect(),
        missing: restored.missing,
    }
}

/// The result if nothing was restored.
fn without(outcome: Outcome, digest: Option<Digest>) -> Restored {
    Restored { outcome, digest, manifests: 0, tags: Vec::new(), taken: Vec::new(), missing: Vec::new() }
}

/// A parameter's value; `None` if the request does not have the parameter.
fn parsed<T: FromStr<Err: std::fmt::Display>>(call: &Call<'_>, name: &str) -> Result<Option<T>, Rejection> {
    let Some(text) = call.query.first(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|error| {
        Rejection::parameter(ErrorCode::Unsupported, format!("parameter `{name}` is not valid: {error}"))
    })
}

fn missing(name: &str) -> Rejection {
    let message = format!("parameter `{name}` is missing, or given beside another that excludes it");
    Rejection::parameter(ErrorCode::Unsupported, message)
}

/// A time of the catalog, in RFC 3339's format.
fn time(milliseconds: i64) -> Option<String> {
    let since = Duration::from_millis(milliseconds.max(0).cast_unsigned());
    UNIX_EPOCH.checked_add(since).and_then(timestamp)
}
