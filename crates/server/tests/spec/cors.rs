//! Web pages of other origins: only configured ones may read responses (Fetch standard).

use hythe_testing::{Answer, Setup};

use crate::world::World;

on_every_configuration! {
    a_configured_origin_may_read_every_answer,
    another_origin_may_read_nothing,
    any_origin_may_read_if_all_are_configured,
    a_preflight_is_answered_with_the_allowed_methods_and_headers,
}

const ORIGIN: &str = "https://ui.example:8443";

fn with_origins(setup: Setup, origins: &[&str]) -> World {
    World::start(
        setup.server(|options| options.cors_origins = origins.iter().map(ToString::to_string).collect()),
    )
}

#[track_caller]
fn allowed(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

/// Headers recap: the headers that a script must be allowed to read.
fn a_configured_origin_may_read_every_answer(setup: Setup) {
    let world = with_origins(setup, &["https://other.example", ORIGIN]);
    let digest = world.push_blob("app", b"content");
    for (path, status) in [
        ("/v2/".to_owned(), 200),
        (format!("/v2/app/blobs/{digest}"), 200),
        ("/v2/app/manifests/missing".to_owned(), 404),
        ("/v2/BAD/tags/list".to_owned(), 400),
    ] {
        let answer = world.get(path).header("origin", ORIGIN).send().expect(status);
        assert_eq!(allowed(&answer), Some(ORIGIN), "{answer}");
        assert_eq!(answer.header("vary"), Some("Origin"), "{answer}");
        let exposed = answer.expect_header("access-control-expose-headers").to_ascii_lowercase();
        let exposed: Vec<&str> = exposed.split(',').map(str::trim).collect();
        for name in [
            "docker-content-digest",
            "docker-distribution-api-version",
            "docker-upload-uuid",
            "oci-subject",
            "oci-tag",
            "oci-filters-applied",
            "oci-namespace",
            "link",
            "location",
            "range",
            "content-length",
            "content-range",
            "etag",
            "www-authenticate",
            "warning",
            "x-request-id",
            "retry-after",
        ] {
            assert!(exposed.contains(&name), "{name} is not in {exposed:?}");
        }
    }
}

fn another_origin_may_read_nothing(setup: Setup) {
    for world in [with_origins(setup.clone(), &[]), with_origins(setup, &[ORIGIN])] {
        for origin in ["https://evil.example", "http://ui.example:8443", "https://ui.example", "null", ""] {
            let answer = world.get("/v2/").header("origin", origin).send().expect(200);
            assert_eq!(allowed(&answer), None, "{origin}");
            let request = world.request("OPTIONS", "/v2/").header("origin", origin);
            let answer = request.header("access-control-request-method", "DELETE").send();
            assert_eq!(allowed(&answer), None, "{origin}");
        }
        assert_eq!(allowed(&world.get("/v2/").send().expect(200)), None);
    }
}

fn any_origin_may_read_if_all_are_configured(setup: Setup) {
    let world = with_origins(setup, &["*"]);
    let answer = world.get("/v2/").header("origin", "https://any.example").send().expect(200);
    assert_eq!(allowed(&answer), Some("https://any.example"));
    // An origin that is not listed by name may only read.
    let request = world.request("OPTIONS", "/v2/").header("origin", "https://any.example");
    let answer = request.header("access-control-request-method", "DELETE").send().expect(204);
    assert_eq!(answer.expect_header("access-control-allow-methods"), "GET, HEAD, OPTIONS");
}

/// Fetch, CORS-preflight: a browser sends it before any request that is not a simple one.
fn a_preflight_is_answered_with_the_allowed_methods_and_headers(setup: Setup) {
    let world = with_origins(setup, &[ORIGIN]);
    for (path, method) in [("/v2/app/manifests/latest", "DELETE"), ("/v2/app/blobs/uploads/", "POST")] {
        let request = world.request("OPTIONS", path).header("origin", ORIGIN);
        let request = request.header("access-control-request-method", method);
        let answer =
            request.header("access-control-request-headers", "authorization,content-type").send().expect(204);
        assert_eq!(allowed(&answer), Some(ORIGIN));
        let methods: Vec<&str> = answer.expect_header("access-control-allow-methods").split(", ").collect();
        assert!(methods.contains(&method), "{methods:?}");
        let headers = answer.expect_header("access-control-allow-headers").to_ascii_lowercase();
        for name in ["authorization", "content-type", "accept", "content-range", "range", "if-none-match"] {
            assert!(headers.split(", ").any(|known| known == name), "{name} is not in {headers}");
        }
    }
}
