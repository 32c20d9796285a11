//! The `Host` and `Origin` that a listener accepts (DNS rebinding, foreign web pages).

use hythe_oci::ErrorCode;
use hythe_testing::{ImageBuilder, Setup};

use crate::world::World;

on_every_configuration! {
    a_loopback_listener_accepts_every_name_of_loopback,
    a_loopback_listener_accepts_no_other_name,
    a_configured_name_is_accepted,
    a_request_in_absolute_form_is_judged_by_its_own_host,
    a_request_must_name_exactly_one_host,
    a_page_of_another_origin_writes_nothing,
    a_registry_published_on_loopback_accepts_only_names_that_public_dns_does_not_have,
}

fn a_loopback_listener_accepts_every_name_of_loopback(setup: Setup) {
    let world = World::start(setup);
    for host in
        ["localhost", "LocalHost:5000", "registry.localhost", "127.0.0.1", "127.1.2.3:80", "[::1]:5000"]
    {
        world.get("/v2/").header("host", host).send().expect(200);
    }
}

/// A web page whose name was made to resolve to 127.0.0.1 can neither read nor write.
fn a_loopback_listener_accepts_no_other_name(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).build();
    image.push(&world, "app", "latest");
    for host in ["evil.example", "evil.example:5000", "localhost.evil.example", "10.0.0.1", ""] {
        for request in [
            world.get("/v2/"),
            world.get("/"),
            world.get("/metrics"),
            world.get("/v2/app/manifests/latest"),
            world.put("/v2/app/manifests/new").header("content-type", &image.media_type).body(&image.bytes),
            world.delete("/v2/app/manifests/latest"),
            world.request("OPTIONS", "/v2/").header("access-control-request-method", "GET"),
        ] {
            let message = request.header("host", host).send().expect_error(403, ErrorCode::Denied);
            assert!(message.contains(&format!("`{host}`")) && message.contains("http.hosts"), "{message}");
        }
    }
    world.get("/v2/app/manifests/latest").send().expect(200);
    world.get("/v2/app/manifests/new").send().expect(404);
}

fn a_configured_name_is_accepted(setup: Setup) {
    let world = World::start(setup.server(|options| options.hosts = vec!["registry.example".to_owned()]));
    for host in ["registry.example", "registry.example:5000", "Registry.Example", "localhost"] {
        world.get("/v2/").header("host", host).send().expect(200);
    }
    world.get("/v2/").header("host", "other.example").send().expect_error(403, ErrorCode::Denied);
}

/// RFC 9112, 3.2.2: "a server MUST ignore the received Host header field".
fn a_request_in_absolute_form_is_judged_by_its_own_host(setup: Setup) {
    let world = World::start(setup);
    world.get("http://localhost:5000/v2/").header("host", "evil.example").send().expect(200);
    let answer = world.get("http://evil.example/v2/").header("host", "localhost").send();
    answer.expect_error(403, ErrorCode::Denied);
}

/// A browser sends a simple POST of any page without a preflight.
fn a_page_of_another_origin_writes_nothing(setup: Setup) {
    let origins = vec!["https://ui.example".to_owned(), "*".to_owned()];
    let setup = setup.server(|options| options.cors_origins = origins);
    let network = World::start(setup.clone().everywhere());
    let own = network.post("/v2/app/blobs/uploads/").header("host", "registry.example");
    own.header("origin", "https://registry.example").send().expect(202);
    for world in [World::start(setup), network] {
        let start = |origin: &str| world.post("/v2/app/blobs/uploads/").header("origin", origin).send();
        let message = start("https://evil.example").expect_error(403, ErrorCode::Denied);
        assert!(message.contains("https://evil.example"), "{message}");
        start("null").expect_error(403, ErrorCode::Denied);
        start("*").expect_error(403, ErrorCode::Denied);
        start("https://ui.example").expect(202);
        // A page served by another program on this machine is not trusted more than any other page.
        for local in ["http://localhost:3000", "http://127.0.0.1:8080", "http://registry.localhost"] {
            start(local).expect_error(403, ErrorCode::Denied);
            let collect = world.post("/api/gc").header("origin", local).send();
            collect.expect_error(403, ErrorCode::Denied);
        }
        let own = world.post("/v2/app/blobs/uploads/").header("host", "localhost:5001");
        own.header("origin", "http://localhost:5001").send().expect(202);
        // Without `Origin`, browsers send `Sec-Fetch-Site`.
        for site in ["cross-site", "same-site"] {
            let request = world.post("/v2/app/blobs/uploads/").header("sec-fetch-site", site);
            request.send().expect_error(403, ErrorCode::Denied);
        }
        world.get("/v2/").header("origin", "https://evil.example").send().expect(200);
    }
}

/// The container of `hythe up`: its listener is not on loopback, but web pages on this machine reach it through the
/// published port.
fn a_registry_published_on_loopback_accepts_only_names_that_public_dns_does_not_have(setup: Setup) {
    let world = World::start(setup.everywhere().server(|options| {
        options.published_on_loopback = true;
        options.hosts = vec!["registry.example".to_owned()];
    }));
    for host in ["localhost:5001", "kind-registry:5000", "172.18.0.2:5001", "a.internal", "registry.example"]
    {
        world.get("/v2/").header("host", host).send().expect(200);
    }
    for host in ["evil.example:5001", "localhost.evil.example", ""] {
        world.get("/v2/").header("host", host).send().expect_error(403, ErrorCode::Denied);
    }
}

/// RFC 9112, 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that
/// lacks a Host header field and to any request message that contains more than one".
fn a_request_must_name_exactly_one_host(setup: Setup) {
    let world = World::start(setup);
    for (request, status) in [
        ("GET /v2/ HTTP/1.1\r\n\r\n", 400),
        ("GET /v2/ HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        ("GET /v2/ HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        ("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        // HTTP/1.0 needs no Host, and no browser uses it.
        ("GET /v2/ HTTP/1.0\r\n\r\n", 200),
    ] {
        let mut connection = world.connect();
        connection.send(request).unwrap();
        let answer = connection.answer("GET").unwrap();
        assert_eq!(answer.status, status, "{request}: {answer}");
        assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"), "{answer}");
    }
}
