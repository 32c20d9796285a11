//! HTTP/2 over TLS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::BodyExt as _;
use hythe_oci::{Algorithm, Digest};
use hythe_testing::{TestRegistry, bytes};
use tokio::task::JoinSet;

use crate::World;
use crate::h2::{H2, Payload};

/// Waits until `holds` is true; the test's own time limit ends a wait that is in vain.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    while !holds().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn blobs_are_pushed_and_pulled_by_many_streams_at_once() {
    let world = World::new();
    let client = H2::connect(&world).await;
    let mut streams = JoinSet::new();
    for seed in 0..20 {
        let client = client.clone();
        streams.spawn(async move {
            let content = Bytes::from(bytes(seed, if seed == 0 { 20_000_001 } else { 300_000 }));
            let digest = Digest::of(Algorithm::Sha256, &content);
            let start = client.send(Method::POST, "/v2/app/blobs/uploads/", &[], Bytes::new()).await;
            assert_eq!(start.status, StatusCode::ACCEPTED);
            let location = start.headers[header::LOCATION].to_str().unwrap();
            let patched = client.send(Method::PATCH, location, &[], content.clone()).await;
            assert_eq!(patched.status, StatusCode::ACCEPTED);
            let location = patched.headers[header::LOCATION].to_str().unwrap();
            let put = format!("{location}{}digest={digest}", if location.contains('?') { '&' } else { '?' });
            assert_eq!(client.send(Method::PUT, &put, &[], Bytes::new()).await.status, StatusCode::CREATED);
            let blob = format!("/v2/app/blobs/{digest}");
            let pulled = client.get(&blob).await;
            assert_eq!((pulled.status, pulled.headers.get(header::CONNECTION)), (StatusCode::OK, None));
            assert!(pulled.body == content);
            let range = client.send(Method::GET, &blob, &[("range", "bytes=100-299")], Bytes::new()).await;
            assert_eq!((range.status, &range.body[..]), (StatusCode::PARTIAL_CONTENT, &content[100..300]));
            let head = client.send(Method::HEAD, &blob, &[], Bytes::new()).await;
            assert_eq!(head.headers[header::CONTENT_LENGTH], content.len().to_string());
        });
    }
    streams.join_all().await;
    let counters = world.registry.server().counters();
    assert_eq!((counters.sent_by_sendfile(), counters.received_past_hyper()), (0, 0));
    // Each request was counted once, with all bytes of its body.
    assert!(world.metric("hythe_http_request_bytes_total") >= 20_000_001 + 19 * 300_000);
}

#[tokio::test]
async fn the_authority_counts_as_the_host() {
    let world = World::new();
    for (authority, headers, status) in [
        ("localhost", &[][..], 200),
        ("localhost:5443", &[("host", "localhost:5443")], 200),
        ("evil.example", &[], 403),
        ("localhost", &[("host", "evil.example")], 400),
        ("evil.example", &[("host", "localhost")], 400),
    ] {
        let client = H2::connect(&world).await.naming(authority);
        let answer = client.send(Method::GET, "/v2/", headers, Bytes::new()).await;
        assert_eq!(answer.status.as_u16(), status, "{authority} {headers:?}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_the_connection_goes_on() {
    let world =
        World::with(TestRegistry::setup().server(|options| options.max_header_size = 2000), |_, _| {});
    let client = H2::connect(&world).await;
    let answer = client.send(Method::GET, "/v2/", &[("x-large", &"x".repeat(2500))], Bytes::new()).await;
    assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert!(String::from_utf8_lossy(&answer.body).contains("2000 bytes"));
    assert_eq!(client.get("/v2/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_stream_whose_client_stops_reading_is_reset_and_the_others_go_on() {
    let setup = TestRegistry::setup().server(|options| options.progress_timeout = Duration::from_secs(1));
    let world = World::with(setup, |_, _| {});
    let content = bytes(1, 20 << 20);
    let digest = world.client().push_blob("app", &content);
    let client = H2::connect_with(&world, |builder| {
        builder.initial_stream_window_size(70_000).initial_connection_window_size(1 << 20);
    })
    .await;
    let target = format!("/v2/app/blobs/{digest}");
    let stalled = client.begin(Method::GET, &target, &[], Bytes::new()).await.unwrap();
    let mut slow = client.begin(Method::GET, &target, &[], Bytes::new()).await.unwrap();
    // One stream reads a little now and then, for longer than the server waits for the other one.
    let (mut read, mut steps) = (0, 0);
    while steps < 30 {
        read += slow.frame().await.unwrap().unwrap().into_data().unwrap().len();
        tokio::time::sleep(Duration::from_millis(100)).await;
        steps += 1;
    }
    assert!(read < content.len(), "the slow stream is not at its end yet");
    assert!(stalled.collect().await.is_err(), "the body ends before its end");
    let rest = slow.collect().await.unwrap().to_bytes();
    assert!(rest == content[read..]);
    assert_eq!(client.get("/v2/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_stops_arriving_ends_and_the_others_go_on() {
    let setup = TestRegistry::setup().server(|options| options.progress_timeout = Duration::from_secs(1));
    let world = World::with(setup, |_, _| {});
    let client = H2::connect(&world).await;
    let start = client.send(Method::POST, "/v2/app/blobs/uploads/", &[], Bytes::new()).await;
    let location = start.headers[header::LOCATION].to_str().unwrap();
    let body = Payload::endless(vec![0; 100_000]);
    let answer = client.begin(Method::PATCH, location, &[], body).await.unwrap();
    assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(client.get("/v2/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_connection_without_requests_is_closed() {
    let setup = TestRegistry::setup().server(|options| options.idle_timeout = Duration::from_secs(1));
    let world = World::with(setup, |_, _| {});
    let client = H2::connect(&world).await;
    assert_eq!(client.get("/v2/").await.status, StatusCode::OK);
    until(async || client.is_closed()).await;
}

#[tokio::test]
async fn streams_may_finish_while_the_server_stops() {
    let mut world = World::with(
        TestRegistry::setup().server(|options| options.drain_timeout = Duration::from_mins(1)),
        |_, _| {},
    );
    let content = bytes(1, 30 << 20);
    let digest = world.client().push_blob("app", &content);
    let client = H2::connect(&world).await;
    let pull =
        client.begin(Method::GET, &format!("/v2/app/blobs/{digest}"), &[], Bytes::new()).await.unwrap();
    let reading = tokio::spawn(async move { pull.collect().await.unwrap().to_bytes() });
    tokio::task::spawn_blocking(move || world.registry.stop()).await.unwrap();
    assert!(reading.await.unwrap() == content);
    until(async || client.is_closed()).await;
}

#[tokio::test]
async fn a_flood_of_reset_streams_harms_nobody_else() {
    let world = Arc::new(World::new());
    let other = H2::connect(&world).await;
    let flooding = H2::connect(&world).await;
    for _ in 0..2000 {
        // Dropping the future of the answer resets the stream.
        let answer = flooding.begin(Method::GET, "/v2/", &[], Bytes::new());
        let _ = tokio::time::timeout(Duration::ZERO, answer).await;
    }
    assert_eq!(other.get("/v2/").await.status, StatusCode::OK);
    drop(flooding);
    let asked = Arc::clone(&world);
    until(async || {
        let world = Arc::clone(&asked);
        tokio::task::spawn_blocking(move || world.metric("hythe_http_connections") == 2).await.unwrap()
    })
    .await;
}
