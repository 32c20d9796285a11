//! Finds the repository that a request means: one of this registry, or a copy of an upstream's.

use std::sync::Arc;

use http::StatusCode;
use http::header::{self, HeaderValue};
use hythe_oci::{Endpoint, ErrorCode, RepositoryName};
use hythe_upstream::{Allowed, Copy, Resolved, Upstream};

use crate::call::Call;
use crate::handlers::copies::not_shared;
use crate::host;
use crate::peer::Peer;
use crate::reject::Rejection;

/// Why the upstream is not asked for a request. The response quotes it.
const ONLY_IF_CACHED: &str = "the request says only-if-cached";
const FOREIGN_PAGE: &str = "nothing is fetched for a web page of another origin; to allow it, add the page's origin to \
                            http.cors-origins";

/// The repository that a request means.
pub(crate) enum Place {
    /// A repository of this registry, or the request names no repository.
    Here,
    /// A repository of this registry that holds pushed content under an upstream's name, and is served instead of the
    /// upstream's.
    Pinned(RepositoryName),
    /// A copy of an upstream's repository. `by_path`: the path names the upstream, not `?ns=` or the listener.
    Copy { copy: Copy, by_path: bool },
    /// A repository of this registry, and a copy of an upstream's for content that the former does not have.
    HereOrCopy(Copy),
}

/// Which repository a request means, and the value of its `?ns=` for the response (distribution-spec, Registry
/// proxying). A `?ns=` that names this registry, and no upstream, counts as absent.
pub(crate) fn find(
    call: &Call<'_>,
    peer: &Peer,
    endpoint: &Endpoint,
) -> Result<(Option<HeaderValue>, Place), Rejection> {
    let allowed = call.app.cache.allowed();
    let namespace = call.query.first("ns");
    let told = namespace.as_deref().and_then(|namespace| HeaderValue::try_from(namespace).ok());
    let is_ours = |ns: &&str| !is_listed(&allowed, ns) && host::is_this_registry(ns, &call.options.hosts);
    let elsewhere = namespace.as_deref().filter(|ns| !is_ours(ns));
    let not_answered_for = |name: &str| {
        let message = format!(
            "this registry does not serve `{name}`; to serve it, add it as an upstream (upstream.add)"
        );
        Rejection::new(StatusCode::NOT_FOUND, ErrorCode::NameUnknown, message)
    };
    let Some(name) = endpoint.name() else {
        // The request names no repository. The server does not know another registry's repositories, so a `?ns=` that
        // is allowed changes nothing.
        return match elsewhere {
            Some(namespace) if !may_be_asked(&allowed, namespace) => Err(not_answered_for(namespace)),
            _ => Ok((told, Place::Here)),
        };
    };
    let refuse = |error: hythe_upstream::Error| Rejection::upstream(&error, ErrorCode::NameUnknown);
    let copy = |upstream: &Arc<Upstream>, there: &RepositoryName| -> Result<Copy, Rejection> {
        let copy = call.app.cache.copy(upstream, there, call.via).map_err(refuse)?;
        let silent =
            if is_only_if_cached(call) { Some(ONLY_IF_CACHED) } else { call.foreign.then_some(FOREIGN_PAGE) };
        Ok(match silent {
            Some(why) => copy.only_if_cached(why),
            None => copy,
        })
    };
    let of_upstream =
        |upstream: &Arc<Upstream>, there: &RepositoryName, by_path| -> Result<Place, Rejection> {
            let copy = copy(upstream, there)?;
            if copy.is_pinned().map_err(refuse)? {
                return Ok(Place::Pinned(copy.name().clone()));
            }
            Ok(Place::Copy { copy, by_path })
        };
    let place = match allowed.resolve(elsewhere, name) {
        Resolved::Upstream(upstream, there) => of_upstream(&upstream, &there, elsewhere.is_none())?,
        Resolved::NotAllowed => return Err(not_answered_for(elsewhere.unwrap_or_default())),
        Resolved::Local(_) => match &peer.door.mirror {
            // A client that names this registry in `?ns=` does not mean the mirrored upstream.
            Some(mirror) if mirror.local_first || namespace.is_none() => {
                match allowed.resolve_at(&mirror.upstream, name) {
                    Resolved::Upstream(upstream, there) if mirror.local_first => {
                        Place::HereOrCopy(copy(&upstream, &there)?)
                    }
                    Resolved::Upstream(upstream, there) => of_upstream(&upstream, &there, false)?,
                    Resolved::Local(_) | Resolved::NotAllowed => {
                        return Err(not_answered_for(&mirror.upstream.to_string()));
                    }
                }
            }
            _ => Place::Here,
        },
    };
    Ok((told, place))
}

/// Whether the client forbids asking the upstream (RFC 9111, 5.2.1.7).
pub(crate) fn is_only_if_cached(call: &Call<'_>) -> bool {
    call.header(header::CACHE_CONTROL).is_some_and(|value| value.contains("only-if-cached"))
}

fn is_listed(allowed: &Allowed, namespace: &str) -> bool {
    namespace.parse().is_ok_and(|namespace| allowed.get(&namespace).is_some())
}

fn may_be_asked(allowed: &Allowed, namespace: &str) -> bool {
    namespace.parse().is_ok_and(|namespace| allowed.find(&namespace).is_some())
}

/// Refuses any request for a copy whose content was fetched with credentials and is not shared with this client. A copy
/// whose upstream is no longer listed is found as a repository of this registry, so those are checked too.
pub(crate) fn check_share(call: &Call<'_>, endpoint: &Endpoint, place: &Place) -> Result<(), Rejection> {
    match (place, endpoint.name()) {
        (Place::Copy { copy, .. }, _) => {
            copy.check_share().map_err(|error| Rejection::upstream(&error, ErrorCode::NameUnknown))
        }
        // The copy of `HereOrCopy` is checked when it is read.
        (Place::Here | Place::HereOrCopy(_), Some(name)) => match not_shared(call, name)? {
            Some(error) => Err(Rejection::upstream(&error, ErrorCode::NameUnknown)),
            None => Ok(()),
        },
        // Pushed content is shared with every client.
        (Place::Pinned(_), _) | (Place::Here | Place::HereOrCopy(_), None) => Ok(()),
    }
}
