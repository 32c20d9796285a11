//! Pushes under an upstream's names: the reasons for refusals, and the effect of accepted pushes.

use hythe_oci::ErrorCode;
use hythe_testing::{Fault, ImageBuilder, Manifest, Rule, ScriptedUpstream, Setup, TestRegistry};
use hythe_upstream::Credentials;

use crate::world::{UPSTREAM, World, cache, digest};

fn image(seed: u64) -> Manifest {
    ImageBuilder::new(seed).layers(1, 10_000).build()
}

/// Before a push, clients ask by HEAD which content they may leave out. The response to a HEAD has no body for an
/// error's reason.
#[test]
fn a_head_by_path_that_upstream_cannot_answer_is_404_so_that_the_push_gets_the_reason() {
    let down = World::new();
    down.upstream.stop();
    let failing = World::new();
    failing.upstream.rule(Rule::any("/v2/", Fault::status(503)));
    let offline = World::with(|setup| setup.cache(|cache| cache.offline = true));
    let limited = World::new();
    limited.upstream.rule(Rule::any("/v2/", Fault::status(429)));
    for (world, why) in
        [(down, "refused"), (failing, "503"), (offline, "offline"), (limited, "no more requests")]
    {
        for target in ["manifests/v1".to_owned(), format!("blobs/{}", digest(b"blob"))] {
            let head = world.client().head(format!("/v2/{UPSTREAM}/app/{target}")).send().expect(404);
            let warning = head.expect_header("warning");
            assert!(warning.contains(UPSTREAM) && warning.contains(why), "{warning}");
            // A pull gets the real error.
            let pull = world.client().get(format!("/v2/{UPSTREAM}/app/{target}")).send();
            assert!(matches!(pull.status, 502..=504), "{pull}");
            // A node's HEAD by `?ns=` gets it too: the node then asks the upstream itself.
            let node = world.client().head(format!("/v2/app/{target}?ns={UPSTREAM}")).send();
            assert!(matches!(node.status, 502..=504), "{node}");
        }
        let start = world.client().post(format!("/v2/{UPSTREAM}/app/blobs/uploads/")).send();
        let message = start.expect_error(403, ErrorCode::Denied);
        assert!(message.contains(r#"`pushable = true` in [upstream."up.example"]"#), "{message}");
    }
    // A client that asks for cached content only is told that the upstream was not asked.
    let world = World::new();
    let head = world.client().head(format!("/v2/{UPSTREAM}/app/manifests/v1"));
    head.header("cache-control", "only-if-cached").send().expect(504);
}

/// The last known manifest of the tag is served.
#[test]
fn a_head_of_cached_content_is_answered_while_upstream_is_down() {
    let world = World::impatient();
    let image = world.image(1);
    world.pull("v1", &image);
    world.upstream.stop();
    let head = world.client().head(format!("/v2/{UPSTREAM}/app/manifests/v1")).send().expect(200);
    assert_eq!(cache(&head), "stale");
}

fn pushable(upstream: &ScriptedUpstream, change: impl FnOnce(Setup) -> Setup) -> TestRegistry {
    let setup = TestRegistry::setup().upstream_with(UPSTREAM, &[upstream.endpoint()], |upstream| {
        upstream.pushable = true;
    });
    change(setup).start()
}

#[test]
fn content_pushed_to_a_pushable_upstream_is_pinned() {
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "v1", &image(1));
    upstream.push("app", "v2", &image(2));
    upstream.push("other", "v1", &image(3));
    let registry = pushable(&upstream, |setup| setup);
    let client = registry.client();
    let mine = image(4);
    mine.push(&client, "up.example/app", "v1");
    for target in ["/v2/up.example/app/manifests/v1", "/v2/app/manifests/v1?ns=up.example"] {
        assert_eq!(client.get(target).send().expect(200).body, mine.bytes, "{target}");
        client.head(target).send().expect(200);
    }
    for blob in &mine.blobs {
        client.get(format!("/v2/app/blobs/{}?ns=up.example", digest(blob))).send().expect(200);
    }
    let tags = client.get("/v2/app/tags/list?ns=up.example").send().expect(200).json();
    assert_eq!(tags["tags"], serde_json::json!(["v1"]));
    // Other content of that repository upstream is neither served nor asked for.
    client.get("/v2/app/manifests/v2?ns=up.example").send().expect_error(404, ErrorCode::ManifestUnknown);
    assert_eq!(upstream.requests(), []);
    // Another repository is still a copy.
    assert_eq!(client.get("/v2/other/manifests/v1?ns=up.example").send().expect(200).body, image(3).bytes);
    client.delete("/v2/up.example/app/manifests/v1").send().expect(202);
    client.get("/v2/up.example/app/manifests/v1").send().expect(404);
}

#[test]
fn a_push_by_namespace_and_a_push_by_alias_reach_the_same_repository() {
    let upstream = ScriptedUpstream::start();
    let registry = pushable(&upstream, |setup| setup);
    image(1).push(&registry.client(), "up.example/app", "v1");
    image(2).put(&registry.client(), "app", "v2?ns=up.example").expect(201);
    let get = registry.client().get("/v2/up.example/app/manifests/v2").send().expect(200);
    assert_eq!(get.body, image(2).bytes);
    assert_eq!(upstream.requests(), []);
}

/// Otherwise a client would not push content that only the upstream has, and the pinned image would lack it.
#[test]
fn a_head_before_a_push_finds_only_pinned_content() {
    let upstream = ScriptedUpstream::start();
    let theirs = image(1);
    upstream.push("app", "v1", &theirs);
    let registry = pushable(&upstream, |setup| setup);
    let client = registry.client();
    client.head("/v2/up.example/app/manifests/v1").send().expect(404);
    client.head(format!("/v2/up.example/app/blobs/{}", digest(&theirs.blobs[0]))).send().expect(404);
    assert_eq!(upstream.requests(), []);
    theirs.push(&client, "up.example/app", "v1");
    client.head("/v2/up.example/app/manifests/v1").send().expect(200);
    upstream.stop();
    for blob in &theirs.blobs {
        client.get(format!("/v2/up.example/app/blobs/{}", digest(blob))).send().expect(200);
    }
}

#[test]
fn a_copy_that_is_pushed_to_keeps_its_content() {
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "v1", &image(1));
    let mut registry = pushable(&upstream, |setup| setup);
    let get = |registry: &TestRegistry, tag: &str| {
        registry.client().get(format!("/v2/app/manifests/{tag}?ns=up.example")).send()
    };
    assert_eq!(get(&registry, "v1").expect(200).body, image(1).bytes);
    image(2).push(&registry.client(), "up.example/app", "v2");
    upstream.push("app", "v1", &image(3));
    assert_eq!(get(&registry, "v1").expect(200).body, image(1).bytes);
    assert_eq!(get(&registry, "v2").expect(200).body, image(2).bytes);
    registry.restart();
    assert_eq!(get(&registry, "v2").expect(200).body, image(2).bytes);
    // The repository is no copy any more, so clearing copies does not touch it.
    registry.client().delete("/api/cache/copies?pattern=*").send().expect(200);
    assert_eq!(get(&registry, "v1").expect(200).body, image(1).bytes);
}

#[test]
fn a_copy_fetched_with_credentials_refuses_pushes_until_it_is_cleared() {
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "v1", &image(1));
    upstream.require_basic("ada", "hunter2");
    let setup = TestRegistry::setup().upstream_with(UPSTREAM, &[upstream.endpoint()], |upstream| {
        upstream.pushable = true;
        upstream.credentials =
            Credentials::Basic { username: "ada".to_owned(), password: "hunter2".to_owned() };
    });
    let registry = setup.start();
    let client = registry.client();
    client.get("/v2/app/manifests/v1?ns=up.example").send().expect(200);
    let refused = client.post("/v2/up.example/app/blobs/uploads/").send();
    let message = refused.expect_error(403, ErrorCode::Denied);
    assert!(message.contains("hythe cache clear up.example/app"), "{message}");
    client.delete("/api/cache/copies?pattern=up.example/app").send().expect(200);
    image(2).push(&client, "up.example/app", "v1");
    assert_eq!(client.get("/v2/app/manifests/v1?ns=up.example").send().expect(200).body, image(2).bytes);
}

/// As in `registry:2`, where every name is one of its own repositories.
#[test]
fn if_paths_name_no_upstream_every_name_accepts_pushes() {
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "v1", &image(1));
    let registry =
        TestRegistry::setup().upstream(UPSTREAM, &[upstream.endpoint()]).only_by_namespace(None).start();
    let client = registry.client();
    client.head("/v2/up.example/app/manifests/v1").send().expect(404);
    image(2).push(&client, "up.example/app", "v1");
    assert_eq!(client.get("/v2/up.example/app/manifests/v1").send().expect(200).body, image(2).bytes);
    assert_eq!(upstream.requests(), []);
    // `?ns=` still means the upstream, and never the pushed content.
    let node = client.get("/v2/app/manifests/v1?ns=up.example").send();
    node.expect_error(404, ErrorCode::ManifestUnknown);
    upstream.push("other", "v1", &image(3));
    assert_eq!(client.get("/v2/other/manifests/v1?ns=up.example").send().expect(200).body, image(3).bytes);
    // Paths can still name the upstream of a proxy.
    let proxy = TestRegistry::setup()
        .upstream(UPSTREAM, &[upstream.endpoint()])
        .only_by_namespace(Some(UPSTREAM))
        .mirror(UPSTREAM, true)
        .start();
    for target in ["/v2/up.example/app/manifests/v1", "/v2/app/manifests/v1"] {
        assert_eq!(proxy.client().get(target).send().expect(200).body, image(1).bytes, "{target}");
    }
}
