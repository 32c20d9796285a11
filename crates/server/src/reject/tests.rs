//! The table of errors, statuses and messages.

use std::collections::BTreeSet;
use std::io;

use hythe_oci::{Digest, DigestError, Endpoint, ManifestError, RepositoryName, UploadId};
use hythe_registry::Space;

use super::*;

const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
const ID: &str = "0123456789abcdef0123456789abcdef";

fn name() -> RepositoryName {
    "some/app".parse().unwrap()
}

fn digest() -> Digest {
    format!("sha256:{HEX}").parse().unwrap()
}

fn id() -> UploadId {
    ID.parse().unwrap()
}

#[test]
fn the_status_line_of_a_server_error_has_its_message() {
    let reason = |status: u16, message: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        let response = Rejection::new(status, ErrorCode::Unavailable, message).into_response();
        response
            .extensions()
            .get::<ReasonPhrase>()
            .map(|reason| String::from_utf8(reason.as_bytes().to_vec()).unwrap())
    };
    let full = "Insufficient Storage: the registry's disk is full";
    assert_eq!(reason(507, "the registry's disk is full").as_deref(), Some(full));
    // A line break would start a header.
    assert_eq!(reason(502, "first\r\nX-Evil: 1").as_deref(), Some("Bad Gateway: first"));
    assert_eq!(reason(502, &"x".repeat(999)).map(|reason| reason.len()), Some(REASON));
    assert_eq!(reason(404, "no such manifest"), None);
}

/// A registry that stores more than its budget.
fn full() -> hythe_registry::Full {
    let space = Space { stored: 8 << 30, budget: Some(7 << 30), is_firm: true, ..Space::default() };
    space.full().unwrap()
}

/// The number of an error's row in `table`. The exhaustive match makes a new variant fail to compile until it has a
/// number, and the test then requires its row.
fn variant(error: &Error) -> usize {
    match error {
        Error::NameUnknown(_) => 0,
        Error::BlobUnknown { .. } => 1,
        Error::ManifestUnknown { .. } => 2,
        Error::UploadUnknown(_) => 3,
        Error::DigestMismatch { .. } => 4,
        Error::ManifestInvalid(_) => 5,
        Error::ManifestTooLarge { .. } => 6,
        Error::ManifestBlobsUnknown { .. } => 7,
        Error::ChunkOutOfOrder { .. } => 8,
        Error::ChunkLength { .. } => 9,
        Error::UploadTakenOver(_) => 10,
        Error::TooManyUploads { .. } => 11,
        Error::DeleteDisabled => 12,
        Error::NoSpace(_) => 13,
        Error::Body(_) => 14,
        Error::Internal(_) => 15,
        Error::OtherOrigin { .. } => 16,
        Error::TagProtected { .. } => 17,
        Error::OverBudget(_) => 18,
        Error::TagTaken { .. } => 19,
    }
}

const VARIANTS: usize = 20;

/// Each error, its status, its code, and what its message must name.
fn table() -> Vec<(Error, u16, ErrorCode, String)> {
    let (digest, hex) = (digest(), HEX.to_owned());
    let reference = "latest".parse().unwrap();
    let foreign = ManifestError::UnsupportedDigest { path: "config".to_owned(), algorithm: "md5".to_owned() };
    let text = str::to_owned;
    vec![
        (Error::NameUnknown(name()), 404, ErrorCode::NameUnknown, text("`some/app`")),
        (Error::BlobUnknown { repository: name(), digest }, 404, ErrorCode::BlobUnknown, hex.clone()),
        (
            Error::ManifestUnknown { repository: name(), reference },
            404,
            ErrorCode::ManifestUnknown,
            text("`latest`"),
        ),
        (Error::UploadUnknown(id()), 404, ErrorCode::BlobUploadUnknown, text(ID)),
        (
            Error::DigestMismatch { expected: digest, actual: digest },
            400,
            ErrorCode::DigestInvalid,
            hex.clone(),
        ),
        (ManifestError::NotObject.into(), 400, ErrorCode::ManifestInvalid, text("JSON object")),
        (foreign.into(), 400, ErrorCode::DigestInvalid, text("`md5`")),
        (Error::ManifestTooLarge { limit: 12_345 }, 413, ErrorCode::ManifestInvalid, text("12345")),
        (
            Error::ManifestBlobsUnknown { repository: name(), digests: vec![digest] },
            400,
            ErrorCode::ManifestBlobUnknown,
            hex,
        ),
        (
            Error::ChunkOutOfOrder { start: 7777, offset: 5555, id: id() },
            416,
            ErrorCode::BlobUploadInvalid,
            text("7777"),
        ),
        (Error::ChunkLength { expected: 7777, actual: 5555 }, 400, ErrorCode::SizeInvalid, text("7777")),
        (Error::UploadTakenOver(id()), 409, ErrorCode::BlobUploadInvalid, text(ID)),
        (Error::TooManyUploads { limit: 7777 }, 429, ErrorCode::TooManyRequests, text("7777")),
        (Error::DeleteDisabled, 405, ErrorCode::Unsupported, text("delete.enabled")),
        (
            Error::OtherOrigin {
                repository: name(),
                origin: hythe_registry::Origin::Upstream(text("up.example")),
            },
            403,
            ErrorCode::Denied,
            text("up.example"),
        ),
        (
            Error::TagProtected {
                repository: name(),
                tag: "v1".parse().unwrap(),
                rule: text("retain.\"*\""),
                refused: "it cannot be deleted",
            },
            403,
            ErrorCode::Denied,
            text("retain.\"*\""),
        ),
        (
            Error::TagTaken { repository: name(), tag: "v1".parse().unwrap() },
            403,
            ErrorCode::Denied,
            text("`retag`"),
        ),
        (Error::NoSpace(text("here")), 507, ErrorCode::Unavailable, text("here")),
        (Error::OverBudget(full()), 507, ErrorCode::Unavailable, text("budget of 7.0 GiB")),
        (Error::Body(io::ErrorKind::TimedOut.into()), 408, ErrorCode::BlobUploadInvalid, text("timed out")),
        (Error::Body(io::Error::other("cut")), 400, ErrorCode::BlobUploadInvalid, text("cut")),
        (Error::Internal(text("secret")), 500, ErrorCode::Unknown, text("X-Request-Id")),
    ]
}

#[test]
fn every_error_of_the_registry_has_its_status_code_and_message() {
    let mut seen = BTreeSet::new();
    for (error, status, code, named) in table() {
        seen.insert(variant(&error));
        let rejection = Rejection::registry(&error, Some(&name()));
        assert_eq!((rejection.status.as_u16(), rejection.code), (status, code), "{error}");
        assert!(rejection.message.contains(&named), "`{named}` is not in: {}", rejection.message);
    }
    assert_eq!(seen, (0..VARIANTS).collect());
}

#[test]
fn the_cause_of_an_internal_error_is_logged_and_not_sent_to_the_client() {
    let rejection = Rejection::registry(&Error::Internal("secret".to_owned()), None);
    assert!(!rejection.message.contains("secret"), "{}", rejection.message);
    assert!(rejection.logged().contains("secret"), "{}", rejection.logged());
}

#[test]
fn errors_carry_the_headers_that_tell_a_client_how_to_continue() {
    let headers = |error: Error| Rejection::registry(&error, Some(&name())).into_response().headers().clone();
    let out_of_order = headers(Error::ChunkOutOfOrder { start: 7, offset: 5, id: id() });
    assert_eq!(out_of_order[header::RANGE], "0-4");
    assert_eq!(out_of_order[header::LOCATION], format!("/v2/some/app/blobs/uploads/{ID}"));
    assert_eq!(headers(Error::TooManyUploads { limit: 1 })[header::RETRY_AFTER], "1");
    let method = Rejection::method(&Method::POST, "GET, HEAD").into_response();
    assert_eq!(
        (method.status(), &method.headers()[header::ALLOW]),
        (StatusCode::METHOD_NOT_ALLOWED, &HeaderValue::from_static("GET, HEAD"),)
    );
}

#[test]
fn a_request_for_which_the_upstream_is_not_asked_is_403_503_or_504() {
    let upstream = || "up.example".parse().unwrap();
    for (error, status, code, retry) in [
        (Upstream::NotShared { upstream: "up.example".to_owned() }, 403, ErrorCode::Denied, None),
        (Upstream::Crowded { upstream: upstream(), limit: 64 }, 503, ErrorCode::Unavailable, Some("1")),
        (
            Upstream::Offline { upstream: upstream(), asked: "it".to_owned(), why: "no" },
            504,
            ErrorCode::Unavailable,
            None,
        ),
    ] {
        let rejection = Rejection::upstream(&error, ErrorCode::NameUnknown);
        assert_eq!((rejection.status.as_u16(), rejection.code), (status, code), "{error}");
        assert!(rejection.message.contains("up.example"), "{}", rejection.message);
        let headers = rejection.into_response().headers().clone();
        assert_eq!(headers.get(header::RETRY_AFTER).map(|after| after.to_str().unwrap()), retry);
    }
}

#[test]
fn every_path_that_cannot_be_parsed_has_its_status_and_code() {
    for (path, status, code, named) in [
        ("/v2/app/unknown", 404, ErrorCode::Unsupported, "`/v2/app/unknown`"),
        ("/v2/BAD/tags/list", 400, ErrorCode::NameInvalid, "`BAD`"),
        ("/v2/app/manifests/-bad", 400, ErrorCode::TagInvalid, "`-bad`"),
        ("/v2/app/manifests/md5:1", 400, ErrorCode::DigestInvalid, "`md5`"),
        ("/v2/app/blobs/bad", 400, ErrorCode::DigestInvalid, "`bad`"),
        ("/v2/app/blobs/uploads/bad", 404, ErrorCode::BlobUploadUnknown, "`bad`"),
    ] {
        let rejection = Rejection::endpoint(&Endpoint::parse(path).unwrap_err());
        assert_eq!((rejection.status.as_u16(), rejection.code), (status, code), "{path}");
        assert!(rejection.message.contains(named), "`{named}` is not in: {}", rejection.message);
    }
    let digest = EndpointError::Digest(DigestError::Unsupported { algorithm: "md5".to_owned() });
    assert_eq!(Rejection::endpoint(&digest).status, StatusCode::BAD_REQUEST);
}

#[test]
fn the_body_of_every_code_has_the_form_of_the_specification() {
    for &code in ErrorCode::ALL {
        let rejection = Rejection::new(StatusCode::BAD_REQUEST, code, "why");
        let response = rejection.into_response();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json; charset=utf-8");
        let body: Value = serde_json::from_slice(&code.body("why", None)).unwrap();
        assert_eq!(body, json!({ "errors": [{ "code": code.as_str(), "message": "why" }] }));
    }
}

#[test]
fn every_refusal_has_its_status_code_and_message() {
    use hythe_upstream::TooLong;

    use crate::access::{Refusal, Wanted};

    let upstream = || "up.example".parse().unwrap();
    let page = "may not write to this registry; to allow it, add its origin by name to http.cors-origins \
                (`*` lets pages read only)";
    let (copy, there) = ("up.example/some/app".parse().unwrap(), name());
    for (refusal, status, code, message) in [
        (
            Refusal::ForeignHost { host: "evil.example".to_owned() },
            403,
            ErrorCode::Denied,
            "host `evil.example` is not a name of this registry, which serves only this machine; use localhost \
             instead, or add the host to http.hosts (HYTHE_HTTP_HOSTS, as a list)"
                .to_owned(),
        ),
        (
            Refusal::ForeignPage { origin: None },
            403,
            ErrorCode::Denied,
            format!("a web page of another origin {page}"),
        ),
        (
            Refusal::ForeignPage { origin: Some("null".to_owned()) },
            403,
            ErrorCode::Denied,
            format!("a web page of `null` {page}"),
        ),
        (
            Refusal::NotServed { registry: "other.example".to_owned() },
            404,
            ErrorCode::NameUnknown,
            "this registry does not serve `other.example`; to serve it, add it as an upstream (upstream.add)"
                .to_owned(),
        ),
        (
            Refusal::TooLong(TooLong { upstream: upstream(), there }),
            400,
            ErrorCode::NameInvalid,
            "the repository `some/app` of upstream up.example cannot be kept in this registry: its name here, with the \
             upstream's name before it, would be longer than 255 characters"
                .to_owned(),
        ),
        (
            Refusal::NotShared { upstream: "up.example".to_owned() },
            403,
            ErrorCode::Denied,
            "this registry reads upstream up.example with credentials, and serves such content only to clients on \
             loopback; this request came over the network. To serve it to every client, set `share = \"all\"` in \
             [upstream.\"up.example\"]"
                .to_owned(),
        ),
        (
            Refusal::NotPushedYet { copy },
            404,
            ErrorCode::NameUnknown,
            "nothing has been pushed to `up.example/some/app` yet, and a HEAD does not ask its upstream because that \
             is pushable"
                .to_owned(),
        ),
        (
            Refusal::NotPushable { name: name(), upstream: upstream() },
            403,
            ErrorCode::Denied,
            "`some/app` is a copy of a repository of up.example, so pushes to it are refused; push under another \
             name, or set `pushable = true` in [upstream.\"up.example\"] to serve what you push instead of the copy"
                .to_owned(),
        ),
        (
            Refusal::NoUpstream { name: name() },
            403,
            ErrorCode::Denied,
            "`some/app` does not begin with the name of an upstream of this registry, so no node would find what is loaded \
             there; add its registry as an upstream (upstream.add)"
                .to_owned(),
        ),
        (
            Refusal::NotLoadable { upstream: upstream() },
            403,
            ErrorCode::Denied,
            "only clients on this registry's own machine may load content of up.example; load it there, or let every client \
             load: set upstream.load to \"all\", for example with `hythe up --set upstream.load=all`"
                .to_owned(),
        ),
        (
            Refusal::FetchedWithCredentials {
                name: name(),
                upstream: upstream(),
                copy: "up.example/app".parse().unwrap(),
            },
            403,
            ErrorCode::Denied,
            "`some/app` has content that was fetched from up.example with this registry's credentials, so pushes to \
             it are refused; clear it first: `hythe cache clear up.example/app`"
                .to_owned(),
        ),
        (
            Refusal::Unauthenticated(Wanted::default()),
            401,
            ErrorCode::Unauthorized,
            "this needs a login: run `docker login` for this registry".to_owned(),
        ),
        (
            Refusal::NotPermitted { who: "user:a".to_owned(), right: Right::Push, repository: Some(name()) },
            403,
            ErrorCode::Denied,
            "no rule lets user:a push to `some/app`; a rule with subjects = [\"user:a\"], actions = [\"push\"], \
             repositories = [\"some/app\"] would"
                .to_owned(),
        ),
        (
            Refusal::NotPermitted { who: "user:a".to_owned(), right: Right::Admin, repository: None },
            403,
            ErrorCode::Denied,
            "no rule lets user:a administer the registry; a rule with subjects = [\"user:a\"], actions = [\"admin\"] would"
                .to_owned(),
        ),
        (
            Refusal::DeletesOff,
            405,
            ErrorCode::Unsupported,
            "deleting is switched off on this registry (delete.enabled = false)".to_owned(),
        ),
    ] {
        let rejection = Rejection::refusal(&refusal);
        assert_eq!((rejection.status.as_u16(), rejection.code), (status, code), "{refusal:?}");
        assert_eq!(rejection.message, message);
        // The response to a HEAD has no body for the reason.
        let has_warning = rejection.headers.iter().any(|(name, _)| *name == header::WARNING);
        assert_eq!(has_warning, matches!(refusal, Refusal::NotPushedYet { .. }), "{refusal:?}");
    }
}
