//! HTTP/1.1 over TLS.

use std::io::ErrorKind;
use std::time::Duration;

use hythe_oci::{Algorithm, Digest, ErrorCode};
use hythe_testing::{TestRegistry, bytes, eventually};
use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};

use crate::World;

#[test]
fn large_blobs_are_pushed_and_pulled_over_each_version_of_tls() {
    let world = World::new();
    for (version, name, seed) in
        [(&rustls::version::TLS12, TLSv1_2, 1), (&rustls::version::TLS13, TLSv1_3, 2)]
    {
        let tls = world.authority.client_with(&[version], &[b"http/1.1"], None);
        let client = world.registry.client().tls(tls);
        let mut connection = client.connect();
        connection.send("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        assert_eq!(connection.answer("GET").unwrap().status, 200);
        assert_eq!(connection.session().unwrap().protocol_version(), Some(name));
        for content in [bytes(seed, 9_000_001), bytes(seed + 10, 17)] {
            let digest = client.push_blob("app", &content);
            let answer = client.get(format!("/v2/app/blobs/{digest}")).send().expect(200);
            assert!(answer.body == content, "the blob that was pushed in one piece");
        }
        let content = bytes(seed + 20, 3_000_001);
        let (digest, location) = (Digest::of(Algorithm::Sha256, &content), client.start_upload("app"));
        let location = client.patch(location).stream(&content).send().expect(202).location();
        client.put(location).query("digest", digest).send().expect(201);
        let range =
            client.get(format!("/v2/app/blobs/{digest}")).header("range", "bytes=1000000-2999999").send();
        assert!(
            range.expect(206).body == content[1_000_000..3_000_000],
            "a range of a blob pushed in chunks"
        );
    }
    let counters = world.registry.server().counters();
    assert_eq!((counters.sent_by_sendfile(), counters.received_past_hyper()), (0, 0));
}

#[test]
fn several_requests_use_one_connection_also_after_a_body_of_chunks() {
    let world = World::new();
    let client = world.client();
    let (mut connection, mut location) = (client.connect(), client.start_upload("app"));
    for seed in 0..5 {
        let patch = client.patch(location).header("connection", "keep-alive").stream(bytes(seed, 100_000));
        connection.send(patch.to_bytes()).unwrap();
        let answer = connection.answer("PATCH").unwrap().expect(202);
        assert_eq!(answer.header("connection"), None);
        location = answer.location();
    }
}

#[test]
fn an_idle_connection_and_one_within_a_head_are_closed() {
    let setup = TestRegistry::setup().server(|options| {
        options.idle_timeout = Duration::from_secs(1);
        options.header_timeout = Duration::from_secs(1);
    });
    let world = World::with(setup, |_, _| {});
    for begun in ["", "GET /v2/ HTTP/1.1\r\nHost: "] {
        let mut connection = world.client().connect();
        connection.send("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        assert_eq!(connection.answer("GET").unwrap().status, 200);
        connection.send(begun).unwrap();
        // An idle connection ends with an alert.
        let end = connection.read_to_end();
        let is_cut =
            matches!(&end, Err(error) if error.kind() == ErrorKind::UnexpectedEof && !begun.is_empty());
        assert!(end.is_ok() || is_cut, "{end:?}");
    }
}

#[test]
fn a_client_that_stops_reading_is_disconnected() {
    let setup = TestRegistry::setup().server(|options| options.progress_timeout = Duration::from_secs(1));
    let world = World::with(setup, |_, _| {});
    let client = world.client();
    let digest = client.push_blob("app", &bytes(1, 50 << 20));
    let mut connection = client.connect();
    connection.send(client.get(format!("/v2/app/blobs/{digest}")).to_bytes()).unwrap();
    eventually("the server closes the connection", || world.metric("hythe_http_connections") == 1);
    let error = connection.answer("GET").unwrap_err();
    assert!(
        ["within an answer", "reset", "close_notify"].iter().any(|word| error.to_string().contains(word)),
        "{error}"
    );
}

#[test]
fn a_head_that_is_too_large_is_answered() {
    let world =
        World::with(TestRegistry::setup().server(|options| options.max_header_size = 2000), |_, _| {});
    let answer = world.client().get("/v2/").header("x-large", "x".repeat(2500)).send();
    let message = answer.expect_error(431, ErrorCode::Unsupported);
    assert!(message.contains("2000 bytes"), "{message}");
}

#[test]
fn a_request_may_finish_while_the_server_stops() {
    let mut world = World::with(
        TestRegistry::setup().server(|options| options.drain_timeout = Duration::from_secs(20)),
        |_, _| {},
    );
    let client = world.client();
    let content = bytes(1, 30 << 20);
    let digest = client.push_blob("app", &content);
    let mut connection = client.connect();
    connection.send(client.get(format!("/v2/app/blobs/{digest}")).to_bytes()).unwrap();
    let mut idle = client.connect();
    idle.send("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    idle.answer("GET").unwrap().expect(200);
    let reading = std::thread::spawn(move || connection.answer("GET").unwrap());
    eventually("the answer begins", || world.registry.server().counters().received() > 0);
    world.registry.stop();
    assert!(reading.join().unwrap().expect(200).body == content);
    // Ends with an alert, not with a reset.
    idle.read_to_end().unwrap();
}
