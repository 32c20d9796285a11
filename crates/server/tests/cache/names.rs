//! Which upstream a request means, and that pushed content is never served as an upstream's.

use hythe_oci::ErrorCode;
use hythe_testing::{ImageBuilder, ScriptedUpstream, TestRegistry};

use crate::world::{UPSTREAM, World};

#[test]
fn a_path_and_a_namespace_mean_the_same_copy() {
    let world = World::new();
    let image = world.image(1);
    world.pull("v1", &image);
    world.upstream.forget_requests();
    for (path, namespace) in [
        ("app", Some(UPSTREAM)),
        ("up.example/app", Some(UPSTREAM)),
        ("up.example/app", Some("localhost:5001")),
        ("up.example/app", Some("kind-registry:5000")),
        ("up.example/app", None),
    ] {
        let mut request = world.client().get(format!("/v2/{path}/manifests/v1"));
        if let Some(namespace) = namespace {
            request = request.query("ns", namespace);
        }
        let answer = request.send().expect(200);
        assert_eq!(answer.body, image.bytes, "{path} {namespace:?}");
        assert_eq!(answer.header("oci-namespace"), namespace);
    }
    assert_eq!(world.upstream.requests(), []);
}

#[test]
fn an_upstream_that_is_not_allowed_is_not_found() {
    let world = World::new();
    world.client().push_blob("foo/app", b"content");
    let image = ImageBuilder::new(1).build();
    image.push(&world.client(), "foo/app", "v1");
    for target in [
        "/v2/foo/app/manifests/v1?ns=unlisted.example",
        "/v2/unlisted.example/foo/app/manifests/v1",
        "/v2/foo/app/tags/list?ns=unlisted.example",
        "/v2/foo/app/manifests/v1?ns=169.254.169.254",
        "/v2/foo/app/manifests/v1?ns=http%3A%2F%2Fup.example",
        "/v2/foo/app/manifests/v1?ns=user%40up.example",
    ] {
        assert_eq!(world.client().get(target).send().status, 404, "{target}");
    }
    assert_eq!(world.upstream.requests(), []);
    // The pushed image is not served as the upstream's, which has no such image.
    for target in ["/v2/foo/app/manifests/v1?ns=up.example", "/v2/up.example/foo/app/manifests/v1"] {
        world.client().get(target).send().expect_error(404, ErrorCode::ManifestUnknown);
    }
}

#[test]
fn a_copy_refuses_pushes_and_allows_deletes() {
    let world = World::new();
    let image = world.image(1);
    world.pull("v1", &image);
    let start = world.client().post(format!("/v2/{UPSTREAM}/app/blobs/uploads/")).send();
    let message = start.expect_error(403, ErrorCode::Denied);
    assert!(message.contains(UPSTREAM), "{message}");
    image.put(&world.client(), &format!("{UPSTREAM}/app"), "v2").expect_error(403, ErrorCode::Denied);
    image.put(&world.client(), "app", "v2?ns=up.example").expect_error(403, ErrorCode::Denied);
    world.client().delete(format!("/v2/{UPSTREAM}/app/manifests/{}", image.digest())).send().expect(202);
    world.pull("v1", &image);
}

#[test]
fn content_pushed_before_its_name_became_an_upstreams_is_never_served_as_the_upstreams() {
    let mut registry = TestRegistry::start();
    let mine = ImageBuilder::new(1).layers(1, 1000).build();
    mine.push(&registry.client(), "up.example/app", "v1");
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "v1", &ImageBuilder::new(2).layers(1, 1000).build());
    let endpoint = upstream.endpoint();
    registry.restart_with(|setup| *setup = setup.clone().upstream(UPSTREAM, &[endpoint]));
    for target in ["/v2/up.example/app/manifests/v1", "/v2/app/manifests/v1?ns=up.example"] {
        let message = registry.client().get(target).send().expect_error(404, ErrorCode::ManifestUnknown);
        assert!(message.contains("pushed to this registry"), "{message}");
    }
    let layer = crate::world::digest(&mine.blobs[0]);
    registry.client().get(format!("/v2/up.example/app/blobs/{layer}")).send().expect(404);
}

#[test]
fn a_copy_whose_upstream_was_removed_refuses_pushes() {
    let mut world = World::new();
    let image = world.image(1);
    world.pull("v1", &image);
    world.registry.restart_with(|setup| *setup = hythe_testing::Setup::default());
    let mine = ImageBuilder::new(2).layers(1, 1000).build();
    let started = world.client().start_upload("up.example/app");
    let refused =
        world.client().put(started).query("digest", crate::world::digest(b"content")).body(b"content").send();
    let message = refused.expect_error(403, ErrorCode::Denied);
    assert!(message.contains("a copy of a repository of the upstream up.example"), "{message}");
    mine.put(&world.client(), "up.example/app", "v1").expect_error(403, ErrorCode::Denied);
    world.client().get("/v2/app/manifests/v1?ns=up.example").send().expect(404);
}

#[test]
fn a_mirror_listener_serves_its_upstream_and_may_accept_pushes() {
    let upstream = ScriptedUpstream::start();
    let theirs = ImageBuilder::new(1).layers(1, 1000).build();
    upstream.push("app", "v1", &theirs);
    let mine = ImageBuilder::new(2).layers(1, 1000).build();
    let mirror =
        TestRegistry::setup().upstream(UPSTREAM, &[upstream.endpoint()]).mirror(UPSTREAM, false).start();
    let get = |registry: &TestRegistry, target: &str| registry.client().get(target).send();
    assert_eq!(get(&mirror, "/v2/app/manifests/v1").expect(200).body, theirs.bytes);
    mine.put(&mirror.client(), "app", "v2").expect_error(403, ErrorCode::Denied);
    // As a registry:2 in proxy mode, except that registry:2 refuses pushes.
    let both =
        TestRegistry::setup().upstream(UPSTREAM, &[upstream.endpoint()]).mirror(UPSTREAM, true).start();
    assert_eq!(get(&both, "/v2/app/manifests/v1").expect(200).body, theirs.bytes);
    mine.push(&both.client(), "app", "v2");
    assert_eq!(get(&both, "/v2/app/manifests/v2").expect(200).body, mine.bytes);
    assert_eq!(get(&both, "/v2/app/manifests/v1").expect(200).body, theirs.bytes);
    let layer = crate::world::digest(&theirs.blobs[1]);
    assert_eq!(get(&both, &format!("/v2/app/blobs/{layer}")).expect(200).body, theirs.blobs[1]);
}

#[test]
fn a_mirror_listener_still_serves_other_upstreams_and_this_registry() {
    let (upstream, other) = (ScriptedUpstream::start(), ScriptedUpstream::start());
    let (theirs, others) =
        (ImageBuilder::new(1).layers(1, 1000).build(), ImageBuilder::new(2).layers(1, 1000).build());
    upstream.push("app", "v1", &theirs);
    other.push("app", "v1", &others);
    for local_first in [false, true] {
        let registry = TestRegistry::setup()
            .upstream(UPSTREAM, &[upstream.endpoint()])
            .upstream("own", &[other.endpoint()])
            .mirror(UPSTREAM, local_first)
            .start();
        let get = |target: &str| registry.client().get(target).send();
        assert_eq!(get("/v2/app/manifests/v1").expect(200).body, theirs.bytes);
        assert_eq!(get("/v2/up.example/app/manifests/v1").expect(200).body, theirs.bytes);
        assert_eq!(get("/v2/own/app/manifests/v1").expect(200).body, others.bytes);
        // A name of one label means the upstream of that name, if one exists.
        assert_eq!(get("/v2/app/manifests/v1?ns=own").expect(200).body, others.bytes);
        let ours = get("/v2/app/manifests/v1?ns=kind-registry:5000");
        assert_eq!(ours.status, if local_first { 200 } else { 404 });
        let put = theirs.put(&registry.client(), "up.example/mine", "v1");
        put.expect_error(403, ErrorCode::Denied);
    }
}
