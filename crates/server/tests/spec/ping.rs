//! Determining support, and the pages about the registry itself.

use hythe_oci::ErrorCode;
use hythe_testing::Setup;

use crate::world::World;

on_every_configuration! {
    the_base_says_that_this_is_a_registry,
    the_root_answers_probes,
    the_extensions_can_be_discovered,
    the_pages_about_the_registry_itself_answer,
    a_head_is_a_get_without_its_body,
    a_path_outside_of_the_api_is_not_found,
    an_unsupported_method_gets_405_with_the_supported_ones,
}

/// Determining Support (end-1): `200 OK`. registry:2: the body is `{}`.
fn the_base_says_that_this_is_a_registry(setup: Setup) {
    let world = World::start(setup);
    for path in ["/v2/", "/v2"] {
        let answer = world.get(path).send().expect(200);
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
        assert_eq!(answer.body, b"{}");
    }
}

/// registry:2: Helm charts probe `/`.
fn the_root_answers_probes(setup: Setup) {
    let world = World::start(setup);
    let answer = world.get("/").send().expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.header("content-length"), Some("0"));
    assert_eq!(answer.body, b"");
}

/// Extensions, `_oci`: `/v2/_oci/ext/discover`.
fn the_extensions_can_be_discovered(setup: Setup) {
    let world = World::start(setup);
    let answer = world.get("/v2/_oci/ext/discover").send().expect(200);
    assert!(answer.json()["extensions"].is_array(), "{answer}");
}

/// The pages that orchestrators and Prometheus request.
fn the_pages_about_the_registry_itself_answer(setup: Setup) {
    let world = World::start(setup);
    for (path, content) in
        [("/healthz", "ok\n"), ("/livez", "ok\n"), ("/readyz", "ready\n"), ("/metrics", "# HELP")]
    {
        let answer = world.get(path).send().expect(200);
        assert!(answer.body.starts_with(content.as_bytes()), "{path}: {answer}");
    }
}

/// RFC 9110, 9.3.2.
fn a_head_is_a_get_without_its_body(setup: Setup) {
    let world = World::start(setup);
    world.push_blob("app", b"content");
    for path in ["/", "/v2/", "/v2/_catalog", "/v2/_oci/ext/discover", "/v2/app/tags/list", "/healthz"] {
        let (get, head) = (world.get(path).send().expect(200), world.head(path).send().expect(200));
        for name in ["content-type", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
        let length = head.header("content-length");
        assert!(length.is_none() || length == get.header("content-length"), "{path}: {head}");
    }
}

/// Endpoints: no others exist. No repository name begins with `_`, which leaves room for extensions.
fn a_path_outside_of_the_api_is_not_found(setup: Setup) {
    let world = World::start(setup);
    for path in [
        "/v1/",
        "/v2x",
        "/v2/app",
        "/v2/app/",
        "/v2/app/tags",
        "/v2/app/blobs/uploads/a/b",
        "/v2/_oci/ext",
        "/favicon.ico",
    ] {
        let message = world.get(path).send().expect_error(404, ErrorCode::Unsupported);
        assert!(message.contains(&format!("`{path}`")), "{path}: {message}");
    }
}

/// RFC 9110, 15.5.6: a 405 has `Allow`.
fn an_unsupported_method_gets_405_with_the_supported_ones(setup: Setup) {
    let world = World::start(setup);
    let digest = format!("sha256:{}", "0".repeat(64));
    let id = "0".repeat(32);
    for (path, allow) in [
        ("/".to_owned(), "GET, HEAD"),
        ("/v2/".to_owned(), "GET, HEAD"),
        ("/v2/_catalog".to_owned(), "GET, HEAD"),
        ("/v2/_oci/ext/discover".to_owned(), "GET, HEAD"),
        ("/healthz".to_owned(), "GET, HEAD"),
        ("/v2/app/tags/list".to_owned(), "GET, HEAD"),
        (format!("/v2/app/referrers/{digest}"), "GET, HEAD"),
        ("/v2/app/manifests/latest".to_owned(), "GET, HEAD, PUT, DELETE"),
        (format!("/v2/app/blobs/{digest}"), "GET, HEAD, DELETE"),
        ("/v2/app/blobs/uploads/".to_owned(), "POST"),
        (format!("/v2/app/blobs/uploads/{id}"), "GET, HEAD, PATCH, PUT, DELETE"),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            let allowed = allow.split(", ").any(|known| known == method);
            let answer = world.request(method, &path).send();
            assert_eq!(answer.status == 405, !allowed, "{method} {path}: {answer}");
            if !allowed {
                assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
            }
            if !allowed && method != "HEAD" {
                let message = answer.expect_error(405, ErrorCode::Unsupported);
                assert!(message.contains(method), "{message}");
            }
        }
    }
}
