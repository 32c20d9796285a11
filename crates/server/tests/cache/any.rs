//! `upstream.any`: a client may name any public registry as an upstream, and nothing else.

use hythe_oci::ErrorCode;
use hythe_testing::{ImageBuilder, TestRegistry};

use crate::world::{UPSTREAM, World, cache};

/// A registry with a copy of `app:v1`, whose upstream is not listed any more.
fn unlisted(offline: bool) -> (World, hythe_testing::Manifest) {
    let mut world = World::new();
    let image = world.image(1);
    world.pull("v1", &image);
    let setup = TestRegistry::setup().any_upstream().cache(|cache| cache.offline = offline);
    world.registry.restart_with(|running| *running = setup);
    (world, image)
}

#[test]
fn an_unlisted_registry_that_a_client_names_is_copied_like_a_listed_one() {
    let (world, image) = unlisted(true);
    for target in ["/v2/app/manifests/v1?ns=up.example", "/v2/up.example/app/manifests/v1?ns=UP.example:443"]
    {
        let answer = world.client().get(target).send().expect(200);
        assert_eq!((answer.body.as_slice(), cache(&answer)), (image.bytes.as_slice(), "hit"), "{target}");
        answer.expect_header("oci-namespace");
    }
    let message = world.client().get("/v2/other/manifests/v1?ns=up.example").send();
    assert!(message.expect_error(504, ErrorCode::Unavailable).contains("offline"));
    let put = image.put(&world.client(), "app", "v2?ns=up.example");
    put.expect_error(403, ErrorCode::Denied);
    world.client().get("/v2/?ns=up.example").send().expect(200);
}

#[test]
fn a_path_cannot_name_an_unlisted_registry() {
    let (world, _) = unlisted(false);
    // Cached content is still served; no upstream is asked for more.
    world.client().get(format!("/v2/{UPSTREAM}/other/manifests/v1")).send().expect(404);
    world.client().get("/v2/unlisted.example/app/manifests/v1").send().expect(404);
    assert_eq!(metric(&world), "");
}

#[test]
fn a_name_outside_of_public_dns_is_no_upstream() {
    let registry = TestRegistry::setup().any_upstream().start();
    let mine = ImageBuilder::new(1).build();
    mine.push(&registry.client(), "app", "v1");
    let get = |ns: &str| registry.client().get("/v2/app/manifests/v1").query("ns", ns).send();
    for ns in [
        "10.0.0.1:5000",
        "169.254.169.254",
        "1.1.1.1",
        "[fd00::1]:5000",
        "127.1",
        "0x7f.1",
        "10.0x1",
        "a_b.example",
        "http://registry.example",
        "user@registry.example",
        "",
    ] {
        assert_eq!(get(ns).status, 404, "{ns}");
    }
    // These mean this registry itself.
    for ns in ["localhost:5001", "127.0.0.1", "[::1]:5000", "kind-registry:5000", "app.localhost"] {
        assert_eq!(get(ns).expect(200).body, mine.bytes, "{ns}");
    }
}

#[test]
fn all_unlisted_upstreams_share_one_label_in_the_metrics() {
    let (world, _) = unlisted(true);
    for number in 0..200 {
        let ns = format!("r{number}.example");
        let answer = world.client().get("/v2/app/manifests/v1").query("ns", ns).send();
        answer.expect_error(504, ErrorCode::Unavailable);
    }
    world.client().get("/v2/app/manifests/v1?ns=up.example").send().expect(200);
    assert_eq!(metric(&world), "hythe_upstream_answers_total{upstream=\"other\",cache=\"hit\"} 1");
    let upstreams = world.client().get("/api/cache/upstreams").send().expect(200).json()["upstreams"].clone();
    assert_eq!(upstreams.as_array().unwrap().len(), 1);
    assert_eq!((&upstreams[0]["name"], &upstreams[0]["allowed"]), (&"other".into(), &true.into()));
}

/// The metrics' lines about hits, one per upstream.
fn metric(world: &World) -> String {
    let page = String::from_utf8(world.client().get("/metrics").send().expect(200).body).unwrap();
    let lines = page.lines().filter(|line| line.contains("upstream_answers") && line.contains("\"hit\""));
    lines.collect::<Vec<_>>().join("\n")
}
