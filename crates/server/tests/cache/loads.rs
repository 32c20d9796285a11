//! Loading content of an upstream into its copy (`Hythe-Load`), as `hythe bundle load` does.

use hythe_oci::ErrorCode;
use hythe_testing::{Answer, Client, ImageBuilder, Manifest, ScriptedUpstream, TestRegistry};
use hythe_upstream::Share;

use crate::world::{UPSTREAM, World, cache, digest};

fn image(seed: u64) -> Manifest {
    ImageBuilder::new(seed).layers(2, 10_000).build()
}

/// Loads an image, and returns the answer to its manifest.
fn load(client: &Client, repository: &str, tag: &str, image: &Manifest) -> Answer {
    for blob in &image.blobs {
        let upload = client.post(format!("/v2/{repository}/blobs/uploads/?digest={}", digest(blob)));
        let upload = upload.header("hythe-load", 1).body(blob).send();
        if upload.status != 201 {
            return upload;
        }
    }
    let put = client.put(format!("/v2/{repository}/manifests/{tag}"));
    put.header("hythe-load", 1).header("content-type", &image.media_type).body(&image.bytes).send()
}

#[test]
fn loaded_content_answers_under_the_upstreams_names_while_the_upstream_cannot_be_reached() {
    let world = World::impatient();
    let image = image(1);
    world.upstream.stop();
    load(&world.client(), &format!("{UPSTREAM}/app"), "v1", &image).expect(201);
    world.pull("v1", &image);
    let by_name = world.client().get(format!("/v2/app/manifests/v1?ns={UPSTREAM}")).send().expect(200);
    assert_eq!((by_name.digest(), cache(&by_name)), (image.digest(), "stale"));
    for blob in &image.blobs {
        world.client().get(format!("/v2/app/blobs/{}?ns={UPSTREAM}", digest(blob))).send().expect(200);
    }
    // It is the upstream's copy, not a repository that was pushed.
    let copies = world.client().get("/api/cache/copies").send().expect(200).json();
    assert_eq!(copies["copies"][0]["upstream"], UPSTREAM, "{copies}");
    // A garbage collection keeps it.
    world.client().post("/api/gc?untagged=true&grace=0s").send();
    world.pull("v1", &image);
}

#[test]
fn the_upstream_moves_a_loaded_tag_once_it_can_be_reached() {
    let world = World::impatient();
    let (loaded, newer) = (image(1), image(2));
    load(&world.client(), &format!("{UPSTREAM}/app"), "v1", &loaded).expect(201);
    world.upstream.push("app", "v1", &newer);
    world.pull("v1", &newer);
}

#[test]
fn a_client_that_loads_sees_what_is_stored_and_the_upstream_is_not_asked() {
    let world = World::new();
    let image = world.image(1);
    let ask = |target: String| {
        world.client().head(format!("/v2/{UPSTREAM}/app/{target}")).header("hythe-load", 1).send().status
    };
    assert_eq!(
        (ask("manifests/v1".to_owned()), ask(format!("blobs/{}", digest(&image.blobs[0])))),
        (404, 404)
    );
    assert_eq!(world.upstream.requests().len(), 0);
    world.pull("v1", &image);
    assert_eq!(
        (ask("manifests/v1".to_owned()), ask(format!("blobs/{}", digest(&image.blobs[0])))),
        (200, 200)
    );
}

#[test]
fn only_clients_of_this_machine_load_unless_the_configuration_allows_all() {
    let upstream = ScriptedUpstream::start();
    let start = |load| {
        let setup = TestRegistry::setup().everywhere();
        setup.upstream_with(UPSTREAM, &[upstream.endpoint()], |upstream| upstream.load = load).start()
    };
    let far = |registry: &TestRegistry| registry.network_client().expect("this machine has an address");
    let registry = start(Share::Loopback);
    let refused = load(&far(&registry), &format!("{UPSTREAM}/app"), "v1", &image(1));
    let message = refused.expect_error(403, ErrorCode::Denied);
    assert!(message.contains("upstream.load") && message.contains(UPSTREAM), "{message}");
    assert_eq!(registry.totals().blobs, 0);
    load(&registry.client(), &format!("{UPSTREAM}/app"), "v1", &image(1)).expect(201);
    let registry = start(Share::All);
    load(&far(&registry), &format!("{UPSTREAM}/app"), "v1", &image(1)).expect(201);
}

#[test]
fn a_name_that_begins_with_no_upstream_is_refused_because_no_node_would_ask_for_it() {
    let world = World::new();
    let refused = load(&world.client(), "other.example/app", "v1", &image(1));
    let message = refused.expect_error(403, ErrorCode::Denied);
    assert!(message.contains("upstream.add") && message.contains("other.example/app"), "{message}");
}
