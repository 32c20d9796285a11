//! Clients that speak HTTP where TLS is spoken, and TLS where it is not.

use hythe_oci::ErrorCode;
use hythe_testing::{Authority, TestRegistry};

use crate::World;

#[test]
fn plain_http_on_a_port_with_tls_is_told_to_use_https() {
    let world = World::new();
    let client = world.registry.client();
    for target in ["/v2/", "/v2/app/manifests/latest", "/metrics"] {
        let answer =
            client.get(target).header("host", "localhost:5443").header("connection", "keep-alive").send();
        let message = answer.expect_error(400, ErrorCode::Unsupported);
        assert_eq!(message, "this port speaks TLS: use https://localhost:5443");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    let answer = client.post("/v2/app/blobs/uploads/").header("host", "<script>").send();
    assert_eq!(answer.expect_error(400, ErrorCode::Unsupported), "this port speaks TLS: use https");
    // The refused requests changed nothing.
    assert_eq!(world.registry.totals().uploads, 0);
}

#[test]
fn health_is_told_by_plain_http_to_programs_of_this_machine_only() {
    let setup = TestRegistry::setup().everywhere();
    let world = World::with(setup, |_, _| {});
    for page in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(world.registry.client().get(page).send().status, 200);
        if let Some(client) = world.registry.network_client() {
            assert_eq!(client.get(page).send().status, 400);
        }
    }
}

/// Clients that are written in Go recognise an answer of HTTP, and say "server gave HTTP response to HTTPS client";
/// containerd then tries HTTP. A TLS alert would tell them less.
#[test]
fn tls_on_a_port_without_tls_is_answered_in_http() {
    let registry = TestRegistry::start();
    let mut connection = registry.client().connect();
    let tls = Authority::default().client();
    let name = "localhost".try_into().unwrap();
    let mut session = rustls::ClientConnection::new(tls.config().clone(), name).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    connection.send(hello).unwrap();
    assert_eq!(connection.answer("GET").unwrap().status, 400);
    registry.client().get("/v2/").send().expect(200);
}
