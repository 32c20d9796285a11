//! Manifests, errors about them, and the upstream's pull limit.

use std::time::Duration;

use hythe_client::{Client, ClientOptions, Error};
use hythe_oci::media_type::{DOCKER_MANIFEST, MANIFESTS, OCI_MANIFEST};
use hythe_oci::{ErrorCode, Reference};
use hythe_testing::{Fault, ImageBuilder, Manifest, Rule, ScriptedUpstream};

use crate::world::{LIMIT, assert_says, client, name, options, pull, reference};

fn upstream() -> (ScriptedUpstream, Manifest) {
    let (upstream, image) = (ScriptedUpstream::start(), ImageBuilder::new(3).docker().build());
    upstream.push("app", "latest", &image);
    (upstream, image)
}

#[tokio::test]
async fn a_manifest_has_its_exact_bytes_by_tag_and_by_digest() {
    let (upstream, image) = upstream();
    let client = client(&upstream);
    for reference in [reference("latest"), Reference::Digest(image.digest())] {
        let head = client.manifest_head(&name("app"), &reference).await.unwrap();
        assert_eq!(head.digest, Some(image.digest()));
        assert_eq!(head.media_type.as_deref(), Some(DOCKER_MANIFEST));
        assert_eq!(head.size, Some(image.bytes.len() as u64));
        let answer = client.manifest(&name("app"), &reference, LIMIT).await.unwrap();
        assert_eq!(answer.bytes, image.bytes);
        assert_eq!((answer.digest, answer.media_type), (head.digest, head.media_type));
    }
}

#[tokio::test]
async fn every_known_manifest_type_is_accepted_and_others_at_low_preference() {
    let (upstream, _) = upstream();
    pull(&client(&upstream)).await.unwrap();
    let requests = upstream.requests();
    let accept: Vec<_> = requests[0].header("accept").unwrap().split(", ").collect();
    assert_eq!(accept[..4], MANIFESTS);
    assert_eq!(accept[4..], ["*/*;q=0.1"]);
}

#[tokio::test]
async fn a_header_that_is_missing_is_not_made_up() {
    let (upstream, image) = upstream();
    let client = client(&upstream);
    upstream.rule(Rule::any("/manifests/", Fault::NoDigest).times(2));
    assert_eq!(client.manifest_head(&name("app"), &reference("latest")).await.unwrap().digest, None);
    assert_eq!(pull(&client).await.unwrap().digest, None);
    upstream.rule(Rule::any("/manifests/", Fault::NoContentType).once());
    assert_eq!(pull(&client).await.unwrap().media_type, None);
    // The caller has to notice a wrong digest.
    upstream.rule(Rule::any("/manifests/", Fault::WrongDigestHeader).once());
    assert_ne!(pull(&client).await.unwrap().digest, Some(image.digest()));
}

#[tokio::test]
async fn a_media_type_is_returned_without_parameters() {
    let upstream = ScriptedUpstream::start();
    let content_type = format!("{OCI_MANIFEST}; charset=utf-8");
    upstream.push_manifest("app", "latest", &content_type, "{}");
    assert_eq!(pull(&client(&upstream)).await.unwrap().media_type.as_deref(), Some(OCI_MANIFEST));
}

#[tokio::test]
async fn a_manifest_over_the_limit_is_not_read() {
    let (upstream, image) = upstream();
    let client = client(&upstream);
    let size = image.bytes.len();
    for fault in [None, Some(Fault::NoLength)] {
        upstream.clear_rules();
        if let Some(fault) = fault {
            upstream.rule(Rule::any("/manifests/", fault));
        }
        client.manifest(&name("app"), &reference("latest"), size).await.unwrap();
        let error = client.manifest(&name("app"), &reference("latest"), size - 1).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
        assert_says(&error, &[&format!("more than {} bytes", size - 1)]);
    }
}

#[tokio::test]
async fn a_broken_or_stalled_manifest_is_unavailable() {
    let (upstream, _) = upstream();
    let progress_timeout = Duration::from_millis(200);
    let client = Client::new(ClientOptions { progress_timeout, ..options(&upstream) }).unwrap();
    for fault in [Fault::Truncate { at: 10 }, Fault::Reset { at: 10 }, Fault::Stall { at: 10 }] {
        upstream.rule(Rule::on("GET", "/manifests/", fault.clone()).once());
        let error = pull(&client).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { status: None, .. }), "{fault:?}: {error:?}");
        upstream.clear_rules();
    }
    pull(&client).await.unwrap();
}

#[tokio::test]
async fn a_manifest_that_trickles_times_out() {
    let (upstream, _) = upstream();
    upstream.rule(Rule::on("GET", "/manifests/", Fault::Drip { bytes: 1, every: Duration::from_millis(50) }));
    let patience = Duration::from_millis(200);
    let options = ClientOptions { head_timeout: patience, progress_timeout: patience, ..options(&upstream) };
    let error = pull(&Client::new(options).unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { status: None, .. }), "{error:?}");
}

#[tokio::test]
async fn the_budget_is_the_one_in_the_upstreams_last_answer() {
    let (upstream, _) = upstream();
    let client = client(&upstream);
    assert_eq!(client.budget(), None);
    pull(&client).await.unwrap();
    assert_eq!(client.budget(), None, "an upstream that says nothing has no limit");

    upstream.budget(100, 2);
    client.manifest_head(&name("app"), &reference("latest")).await.unwrap();
    let budget = client.budget().unwrap();
    assert_eq!((budget.limit, budget.remaining), (Some(100), 2));
    assert_eq!(budget.window, Some(Duration::from_hours(6)));
    assert!(budget.source.is_some() && budget.seen.elapsed().unwrap() < Duration::from_mins(1));
    for remaining in [1, 0] {
        pull(&client).await.unwrap();
        assert_eq!(client.clone().budget().unwrap().remaining, remaining);
    }
    let error = pull(&client).await.unwrap_err();
    assert!(matches!(error, Error::RateLimited { retry_after: None, .. }), "{error:?}");
    assert_says(&error, &["127.0.0.1", "`latest`", "pull rate limit"]);
    assert!(error.is_temporary());
    assert_eq!(client.budget().unwrap().remaining, 0);
}

#[tokio::test]
async fn each_status_has_its_kind_of_error() {
    let (upstream, _) = upstream();
    let client = client(&upstream);
    let body = String::from_utf8(ErrorCode::Denied.body("for a reason\x1b[31m", None)).unwrap();
    let kind = |error: &Error| match error {
        Error::NotFound { .. } => "not found".to_owned(),
        Error::Denied { status, .. } => format!("denied {status}"),
        Error::RateLimited { .. } => "limited".to_owned(),
        Error::Unavailable { status, .. } => format!("unavailable {}", status.unwrap()),
        Error::Refused { .. } => "refused".to_owned(),
        Error::Protocol { .. } => "protocol".to_owned(),
    };
    for (status, expected, temporary) in [
        (404, "not found", false),
        (410, "not found", false),
        (401, "denied 401", false),
        (403, "denied 403", false),
        (429, "limited", true),
        (408, "unavailable 408", true),
        (500, "unavailable 500", true),
        (502, "unavailable 502", true),
        (503, "unavailable 503", true),
        (504, "unavailable 504", true),
        (204, "protocol", false),
        (206, "protocol", false),
        (304, "protocol", false),
        (400, "protocol", false),
        (418, "protocol", false),
        (501, "protocol", false),
        (505, "protocol", false),
    ] {
        upstream.clear_rules();
        let headers = vec![("retry-after".to_owned(), "12".to_owned())];
        upstream.rule(Rule::any("/manifests/", Fault::Status { status, headers, body: body.clone() }));
        let error = pull(&client).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{error}");
        assert_eq!(error.is_temporary(), temporary, "{error}");
        assert_eq!(error.retry_after(), temporary.then_some(Duration::from_secs(12)), "{error}");
        assert_says(&error, &["127.0.0.1", "tag `latest` of `app`"]);
        if !matches!(status, 204 | 304) {
            assert_says(&error, &["for a reason [31m"]);
        }
        let head = client.manifest_head(&name("app"), &reference("latest")).await.unwrap_err();
        assert_eq!(kind(&head), expected, "{head}");
    }
}

#[tokio::test]
async fn an_error_body_of_any_size_gives_a_short_message() {
    let (upstream, _) = upstream();
    let long = String::from_utf8(ErrorCode::Denied.body("x".repeat(3000), None)).unwrap();
    for (body, most) in [("<html>".repeat(10_000), 200), (long, 500), (String::new(), 200)] {
        upstream.clear_rules();
        upstream.rule(Rule::any("/manifests/", Fault::Status { status: 500, headers: Vec::new(), body }));
        let error = pull(&client(&upstream)).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { status: Some(500), .. }), "{error:?}");
        assert!(error.to_string().len() < most, "{error}");
    }
}

#[tokio::test]
async fn retry_after_may_be_a_date() {
    let (upstream, _) = upstream();
    for (value, expected) in [("Wed, 21 Oct 2093 07:28:00 GMT", true), ("yesterday", false), ("-5", false)] {
        upstream.clear_rules();
        upstream.rule(Rule::any("/manifests/", Fault::status(429).header("retry-after", value)));
        let error = pull(&client(&upstream)).await.unwrap_err();
        assert_eq!(error.retry_after().is_some(), expected, "{value}");
    }
}
