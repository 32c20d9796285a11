//! Paths in the forms that clients of registry:2 write.

use hythe_oci::ErrorCode;
use hythe_testing::{ImageBuilder, Setup, bytes};

use crate::world::World;

on_every_configuration! {
    superfluous_slashes_are_redirected_to_the_clean_path,
    no_path_leads_to_another_host,
    a_digest_can_be_appended_to_a_location_with_either_separator,
}

/// registry:2 answers 301. Methods other than GET and HEAD get 308, which keeps the method (RFC 9110, 15.4.9).
fn superfluous_slashes_are_redirected_to_the_clean_path(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).build();
    image.push(&world, "t", "latest");
    for (path, clean) in [
        ("//v2/", "/v2/"),
        ("//v2", "/v2/"),
        ("/v2//", "/v2/"),
        ("/v2/_catalog/", "/v2/_catalog"),
        ("/v2/_catalog/?n=1&last=a%2Fb", "/v2/_catalog?n=1&last=a%2Fb"),
        ("/v2/t/tags/list/", "/v2/t/tags/list"),
        ("/v2/t//tags/list", "/v2/t/tags/list"),
        ("/v2/t/manifests/latest/", "/v2/t/manifests/latest"),
        ("http://localhost//v2//t/tags/list", "/v2/t/tags/list"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = world.request(method, path).send().expect(301);
            assert_eq!(answer.header("location"), Some(clean), "{method} {path}");
            world.request(method, clean).send().expect(200);
        }
    }
    for (method, path, clean) in [
        ("PUT", "//v2/t/manifests/new", "/v2/t/manifests/new"),
        ("POST", "/v2//t/blobs/uploads/", "/v2/t/blobs/uploads/"),
        ("POST", "/v2/t/blobs/uploads//?digest=x", "/v2/t/blobs/uploads/?digest=x"),
        ("DELETE", "/v2/t/manifests/latest/", "/v2/t/manifests/latest"),
    ] {
        let answer = world.request(method, path).body("{}").send().expect(308);
        assert_eq!(answer.header("location"), Some(clean), "{method} {path}");
    }
    let put = world.put("//v2/t/manifests/new").header("content-type", &image.media_type).body(&image.bytes);
    let location = put.send().expect(308).expect_header("location").to_owned();
    world.put(location).header("content-type", &image.media_type).body(&image.bytes).send().expect(201);
}

/// `Location: //evil.example/` would be a URL of that host.
fn no_path_leads_to_another_host(setup: Setup) {
    let world = World::start(setup);
    for path in [
        "//evil.example/v2/",
        "///evil.example/v2/_catalog/",
        "//evil.example//v2//t/tags/list/",
        "/\\evil.example/v2/",
        "//",
        "//@evil.example/%2e%2e/v2/",
        "/v2/..//evil.example/",
        "/v2//evil.example/",
        "/v2/unknown/",
    ] {
        for method in ["GET", "PUT"] {
            let answer = world.request(method, path).send();
            assert!(matches!(answer.status, 400 | 404), "{method} {path}: {answer}");
            assert_eq!(answer.header("location"), None, "{method} {path}");
        }
    }
    // A malformed name is still an error, and not redirected.
    world.get("/v2/BAD//tags/list").send().expect_error(400, ErrorCode::NameInvalid);
}

/// Scripts append `&digest=` to a `Location`, because the `Location` of registry:2 has a query.
fn a_digest_can_be_appended_to_a_location_with_either_separator(setup: Setup) {
    let world = World::start(setup);
    for (seed, first, more) in [(1, '?', ""), (2, '&', ""), (3, '&', "&x=y"), (4, '&', "?x=y")] {
        let content = bytes(seed, 5000);
        let digest = hythe_oci::Digest::of(hythe_oci::Algorithm::Sha256, &content);
        let location = world.start_upload("t");
        let target = format!("{location}{first}digest={digest}{more}");
        world.put(target).body(&content).send().expect(201);
        assert!(world.get(format!("/v2/t/blobs/{digest}")).send().expect(200).body == content);
    }
    let location = world.start_upload("t");
    world.patch(format!("{location}&_state=abc")).body(b"some").send().expect(202);
    world.get(format!("{location}&_state=abc")).send().expect(204);
    world.put(format!("{location}&digest=md5:0")).send().expect_error(400, ErrorCode::DigestInvalid);
    world.delete(format!("{location}&_state=abc")).send().expect(204);
}
