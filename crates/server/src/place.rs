//! Where the repository of a request is.

use std::sync::Arc;

use http::StatusCode;
use http::header::{self, HeaderValue};
use hythe_oci::{Endpoint, ErrorCode, RepositoryName};
use hythe_upstream::{Allowed, Copy, Resolved, Upstream};

use crate::call::Call;
use crate::handlers::copies::not_shared;
use crate::host;
use crate::plane::Link;
use crate::reject::Rejection;

/// Why a copy asks nobody, as the answer tells it.
const ONLY_IF_CACHED: &str = "the request says only-if-cached";
const FOREIGN_PAGE: &str =
    "a page of another origin asked, which has nothing fetched unless http.cors-origins names it";

/// Where the repository of a request is.
pub(crate) enum Place {
    /// It is this registry's own, or the request is about none.
    Here,
    /// It is this registry's own by this name, and stands for an upstream's.
    Pinned(RepositoryName),
    /// It is an upstream's; whether its name alone says so.
    Copy { copy: Copy, by_path: bool },
    /// It is this registry's own as far as that has it, and an upstream's otherwise.
    HereOrCopy(Copy),
}

/// Which repository a request means, and the `?ns=` that it says so by (distribution-spec, Registry proxying). One that
/// names this registry, and no upstream, is as good as none.
pub(crate) fn find(
    call: &Call<'_>,
    link: &Link,
    endpoint: &Endpoint,
) -> Result<(Option<HeaderValue>, Place), Rejection> {
    let allowed = call.app.cache.allowed();
    let namespace = call.query.first("ns");
    let told = namespace.as_deref().and_then(|namespace| HeaderValue::try_from(namespace).ok());
    let is_ours = |ns: &&str| !is_listed(&allowed, ns) && host::is_this_registry(ns, &call.options.hosts);
    let elsewhere = namespace.as_deref().filter(|ns| !is_ours(ns));
    let not_answered_for = |name: &str| {
        let message = format!(
            "this registry does not answer for `{name}`; add it to its upstreams (upstream.add) if it should"
        );
        Rejection::new(StatusCode::NOT_FOUND, ErrorCode::NameUnknown, message)
    };
    let Some(name) = endpoint.name() else {
        // Of another registry's whole nothing is known here.
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
        Resolved::Local(_) => match &link.mirror {
            // Who says that this registry is meant does not mean an upstream that it stands for.
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

/// Whether nobody is to be asked for an answer (RFC 9111, 5.2.1.7).
pub(crate) fn is_only_if_cached(call: &Call<'_>) -> bool {
    call.header(header::CACHE_CONTROL).is_some_and(|value| value.contains("only-if-cached"))
}

fn is_listed(allowed: &Allowed, namespace: &str) -> bool {
    namespace.parse().is_ok_and(|namespace| allowed.get(&namespace).is_some())
}

fn may_be_asked(allowed: &Allowed, namespace: &str) -> bool {
    namespace.parse().is_ok_and(|namespace| allowed.find(&namespace).is_some())
}

/// What was fetched with credentials is not for everybody, whatever is asked of it: nor where its upstream is not listed
/// any more, so that it is read as any other repository.
pub(crate) fn check_share(call: &Call<'_>, endpoint: &Endpoint, place: &Place) -> Result<(), Rejection> {
    match (place, endpoint.name()) {
        (Place::Copy { copy, .. }, _) => {
            copy.check_share().map_err(|error| Rejection::upstream(&error, ErrorCode::NameUnknown))
        }
        // Of the last, the copy is checked when it is asked.
        (Place::Here | Place::HereOrCopy(_), Some(name)) => match not_shared(call, name)? {
            Some(error) => Err(Rejection::upstream(&error, ErrorCode::NameUnknown)),
            None => Ok(()),
        },
        // What was pushed is everybody's.
        (Place::Pinned(_), _) | (Place::Here | Place::HereOrCopy(_), None) => Ok(()),
    }
}
