//! Web pages of other origins get cached content only: nothing is fetched for them.

use hythe_oci::ErrorCode;
use hythe_testing::{Answer, Request, TestRegistry};

use crate::world::{UPSTREAM, World, cache, digest};

/// The headers by which browsers tell that a page asks: of a script's fetch, an image, a window or link, and a page of
/// another port of this machine.
const PAGES: [&[(&str, &str)]; 6] = [
    &[("origin", "https://evil.example")],
    &[("origin", "null")],
    &[("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")],
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
    &[("sec-fetch-site", "same-site")],
];

fn by(request: Request, page: &[(&str, &str)]) -> Answer {
    page.iter().fold(request, |request, (name, value)| request.header(name, value)).send()
}

#[test]
fn nothing_is_fetched_for_a_foreign_page() {
    let world = World::new();
    let image = world.image(1);
    let blob = digest(&image.blobs[0]);
    for page in PAGES {
        for target in [
            "/v2/up.example/app/manifests/v1".to_owned(),
            "/v2/app/manifests/v1?ns=up.example".to_owned(),
            format!("/v2/up.example/app/manifests/{}", image.digest()),
            format!("/v2/up.example/app/blobs/{blob}"),
            format!("/v2/app/blobs/{blob}?ns=up.example"),
            "/v2/up.example/app/tags/list".to_owned(),
        ] {
            let message = by(world.client().get(&target), page).expect_error(504, ErrorCode::Unavailable);
            assert!(message.contains("http.cors-origins"), "{target}: {message}");
            assert_eq!(by(world.client().head(&target), page).status, 504, "{target}");
        }
        let referrers = format!("/v2/up.example/app/referrers/{}", image.digest());
        by(world.client().get(referrers), page).expect(200);
        by(world.client().get("/api/cache/copies"), page).expect(200);
        for target in [
            format!("/v2/mine/blobs/uploads/?mount={blob}&from=up.example/app"),
            "/v2/up.example/app/blobs/uploads/".to_owned(),
            "/api/gc".to_owned(),
        ] {
            by(world.client().post(target), page).expect_error(403, ErrorCode::Denied);
        }
        by(world.client().delete("/api/cache/copies?pattern=*"), page).expect_error(403, ErrorCode::Denied);
    }
    assert_eq!(world.upstream.requests(), []);
    let copies = world.client().get("/api/cache/copies").send().expect(200).json();
    assert_eq!(copies["copies"], serde_json::json!([]));
}

#[test]
fn a_foreign_page_gets_cached_content_without_a_check_upstream() {
    let world = World::impatient();
    let image = world.image(1);
    world.pull("v1", &image);
    world.upstream.forget_requests();
    for page in PAGES {
        let answer = by(world.client().get("/v2/up.example/app/manifests/v1"), page).expect(200);
        assert_eq!((answer.body.as_slice(), cache(&answer)), (image.bytes.as_slice(), "hit"));
        by(world.client().get("/v2/up.example/app/tags/list"), page).expect(200);
    }
    assert_eq!(world.upstream.requests(), []);
}

#[test]
fn named_pages_own_pages_and_typed_addresses_are_served_like_programs() {
    let world = World::with(|setup| {
        setup.server(|options| options.cors_origins = vec!["https://ui.example".to_owned()])
    });
    for (number, page) in [
        &[("origin", "https://ui.example"), ("sec-fetch-site", "cross-site")][..],
        &[("host", "localhost:5001"), ("origin", "http://localhost:5001")],
        &[("host", "localhost:5001"), ("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")],
        &[],
    ]
    .into_iter()
    .enumerate()
    {
        let image = world.image(number as u64);
        let target = format!("/v2/up.example/app/manifests/{}", image.digest());
        assert_eq!(by(world.client().get(target), page).expect(200).body, image.bytes, "{page:?}");
    }
}

/// The configuration files of `registry:2` often let every page read.
#[test]
fn nothing_is_fetched_for_a_page_that_may_only_read() {
    let world = World::with(|setup| setup.server(|options| options.cors_origins = vec!["*".to_owned()]));
    world.image(1);
    let request = world.client().get("/v2/up.example/app/manifests/v1").header("origin", "https://a.example");
    request.send().expect_error(504, ErrorCode::Unavailable);
    assert_eq!(world.upstream.requests(), []);
}

#[test]
fn a_foreign_page_cannot_reach_an_unlisted_registry_by_name() {
    let registry = TestRegistry::setup().any_upstream().start();
    for page in PAGES {
        let request = registry.client().get("/v2/app/manifests/v1").query("ns", "registry.example");
        by(request, page).expect_error(504, ErrorCode::Unavailable);
    }
    let mirror = World::with(|setup| setup.mirror(UPSTREAM, true));
    mirror.image(1);
    by(mirror.client().get("/v2/app/manifests/v1"), PAGES[0]).expect_error(504, ErrorCode::Unavailable);
    assert_eq!(mirror.upstream.requests(), []);
}
