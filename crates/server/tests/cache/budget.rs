//! The disk budget: cached images go, the least recently used first; pulls and pushes go on.

use hythe_oci::ErrorCode;
use hythe_registry::{Budget, DiskAmount};
use hythe_testing::{ImageBuilder, Manifest, Setup, eventually};
use serde_json::{Value, json};

use crate::world::{UPSTREAM, World, cache, digest};

/// The size of a test's layer, in bytes.
const LAYER: usize = 300_000;

/// A budget that has room for some of these layers beside the catalog.
const BUDGET: u64 = 2_000_000;

fn bounded(setup: Setup) -> Setup {
    setup.registry(|options| options.disk_budget = Budget::Set(DiskAmount::Bytes(BUDGET)))
}

/// Stores images in the upstream, each in a repository of its own.
fn images(world: &World, count: u64) -> Vec<Manifest> {
    let image = |number| {
        let image = ImageBuilder::new(number).layers(1, LAYER).build();
        world.upstream.push(&format!("app{number}"), "v1", &image);
        image
    };
    (0..count).map(image).collect()
}

/// Pulls an image as a client does; returns whether it was in the cache.
fn pull(world: &World, number: usize, image: &Manifest) -> bool {
    let path = format!("/v2/{UPSTREAM}/app{number}");
    let manifest = world.client().get(format!("{path}/manifests/v1")).send().expect(200);
    for blob in &image.blobs {
        let answer = world.client().get(format!("{path}/blobs/{}", digest(blob))).send().expect(200);
        assert!(answer.body == *blob);
    }
    world.registry.pass(std::time::Duration::from_secs(1));
    cache(&manifest) != "miss"
}

fn disk(world: &World) -> Value {
    world.client().get("/api/disk").send().expect(200).json()
}

fn stored(world: &World) -> u64 {
    disk(world)["stored_bytes"].as_u64().unwrap()
}

/// A layer to push.
fn layer(seed: u64) -> Vec<u8> {
    ImageBuilder::new(seed).layers(1, LAYER).build().blobs.remove(1)
}

/// The status of the push of a layer.
fn pushed(world: &World, seed: u64) -> u16 {
    let content = layer(seed);
    let request = world.client().post("/v2/mine/blobs/uploads/").query("digest", digest(&content));
    request.body(content).send().status
}

fn delete_layer(world: &World, seed: u64) {
    world.client().delete(format!("/v2/mine/blobs/{}", digest(&layer(seed)))).send().expect(202);
}

#[test]
fn the_least_recently_used_images_go_and_one_that_is_pulled_again_and_again_stays() {
    let world = World::with(bounded);
    let images = images(&world, 20);
    assert!(!pull(&world, 0, &images[0]));
    for (number, image) in images.iter().enumerate().skip(1) {
        assert!(!pull(&world, number, image));
        assert!(pull(&world, 0, &images[0]), "app0 was pulled just before app{number}");
    }
    eventually("the registry keeps to its budget", || stored(&world) <= BUDGET);
    assert!(pull(&world, 19, &images[19]) && pull(&world, 0, &images[0]));
    assert!(!pull(&world, 1, &images[1]), "the image that was pulled longest ago is gone");
}

#[test]
fn the_page_shows_the_budget_and_names_the_next_images() {
    let world = World::with(bounded);
    let images = images(&world, 2);
    pull(&world, 1, &images[1]);
    pull(&world, 0, &images[0]);
    let look = world.client().get(format!("/v2/{UPSTREAM}/app1/manifests/v1"));
    look.header("cache-control", "only-if-cached").send().expect(200);
    let page = disk(&world);
    assert_eq!((&page["budget_bytes"], &page["refuses_pushes"]), (&BUDGET.into(), &false.into()));
    assert!(
        page["free_bytes"].as_u64() <= page["size_bytes"].as_u64() && page["floor_bytes"].as_u64() > Some(0)
    );
    let next: Vec<&Value> =
        page["next"].as_array().unwrap().iter().map(|image| &image["repository"]).collect();
    assert_eq!(next, ["up.example/app1", "up.example/app0"]);
    assert!(page["next"][0]["bytes"].as_u64() >= Some(LAYER as u64), "{page}");
    let metrics = String::from_utf8(world.client().get("/metrics").send().expect(200).body).unwrap();
    assert!(metrics.contains(&format!("hythe_disk_budget_bytes {BUDGET}")), "{metrics}");
}

#[test]
fn a_push_above_the_budget_is_refused_only_when_no_cached_image_is_left() {
    let world = World::with(bounded);
    let images = images(&world, 3);
    for (number, image) in images.iter().enumerate() {
        pull(&world, number, image);
    }
    let mut accepted = 0;
    while pushed(&world, 100 + accepted) == 201 {
        accepted += 1;
        assert!(accepted < 20, "the budget has no room for as many layers");
    }
    assert!(accepted >= 4, "only {accepted} layers were accepted, although cached images could go");
    assert_eq!(disk(&world)["next"].as_array().unwrap().len(), 0);
    let refused = world.client().post("/v2/mine/blobs/uploads/").send();
    let refused = refused.expect_error(507, ErrorCode::Unavailable);
    for part in ["disk.budget", "hythe du", "hythe gc --grace 0s"] {
        assert!(refused.contains(part), "`{part}` is not in: {refused}");
    }
    // Pulls go on, also of content that is not here.
    pull(&world, 0, &images[0]);
    delete_layer(&world, 100);
    delete_layer(&world, 101);
    eventually("pushes are accepted again", || pushed(&world, 500) == 201);
}

#[test]
fn at_the_floor_pushes_are_refused_and_pulls_and_deletes_go_on() {
    let world = World::new();
    let images = images(&world, 2);
    pull(&world, 0, &images[0]);
    let layer = ImageBuilder::new(7).layers(1, LAYER).build().push(&world.client(), "mine", "v1").digest();
    let options = hythe_registry::RegistryOptions {
        disk_floor: DiskAmount::Percent(100),
        ..hythe_registry::RegistryOptions::default()
    };
    world.registry.registry().set_options(options);
    let refused = world.client().post("/v2/mine/blobs/uploads/").send();
    let refused = refused.expect_error(507, ErrorCode::Unavailable);
    assert!(refused.contains("disk.floor"), "{refused}");
    pull(&world, 1, &images[1]);
    world.client().get("/v2/mine/manifests/v1").send().expect(200);
    world.client().delete(format!("/v2/mine/manifests/{layer}")).send().expect(202);
    world.registry.registry().set_options(hythe_registry::RegistryOptions::default());
    eventually("pushes are accepted again", || pushed(&world, 500) == 201);
}

#[test]
fn an_image_that_a_client_still_reads_is_not_evicted() {
    let world = World::with(bounded);
    let images = images(&world, 12);
    pull(&world, 0, &images[0]);
    let registry = world.registry.registry().clone();
    let (name, origin) =
        (format!("{UPSTREAM}/app0").parse().unwrap(), hythe_registry::Origin::Upstream(UPSTREAM.to_owned()));
    let layer = digest(&images[0].blobs[1]);
    let reading =
        world.registry.block_on(async { registry.copy(&name, &origin).blob(&layer).await }).unwrap();
    for (number, image) in images.iter().enumerate().skip(1) {
        pull(&world, number, image);
    }
    assert!(pull(&world, 0, &images[0]), "the image was evicted while a client read it");
    drop(reading);
}

#[test]
fn an_image_that_a_cluster_runs_is_not_evicted_until_the_cluster_has_told_nothing_for_long() {
    let world = World::with(bounded);
    let images = images(&world, 24);
    for image in &images[..2] {
        let number = images.iter().position(|other| other.digest() == image.digest()).unwrap();
        pull(&world, number, image);
    }
    // As a node tells: one image by its manifest, the other one by its config.
    let running = json!({ "digests": [images[0].digest(), digest(&images[1].blobs[0])] });
    world.client().put("/api/running/kind-dev").body(running.to_string()).send().expect(200);
    let told = &disk(&world)["running"][0];
    assert_eq!((&told["source"], &told["digests"]), (&"kind-dev".into(), &2.into()));
    for (number, image) in images.iter().enumerate().take(12).skip(2) {
        pull(&world, number, image);
    }
    assert!(
        pull(&world, 0, &images[0]) && pull(&world, 1, &images[1]),
        "an image that a cluster runs was evicted"
    );
    world.registry.pass(std::time::Duration::from_hours(8 * 24));
    assert_eq!(disk(&world)["running"], json!([]));
    for (number, image) in images.iter().enumerate().skip(12) {
        pull(&world, number, image);
    }
    assert!(!pull(&world, 0, &images[0]), "the cluster has told nothing for 8 days");
}

#[test]
fn a_cluster_is_told_by_a_plain_name_and_a_bounded_list_of_digests() {
    let world = World::new();
    let put = |path: &str, body: String| world.client().put(path).body(body).send();
    let list = json!({ "digests": [digest(b"x")] }).to_string();
    put("/api/running/kind-dev", list.clone()).expect(200);
    for path in ["/api/running/", "/api/running/a/b", "/api/running/a%20b"] {
        put(path, list.clone()).expect_error(400, ErrorCode::Unsupported);
    }
    put("/api/running/a", "[]".to_owned()).expect_error(400, ErrorCode::Unsupported);
    put("/api/running/a", r#"{"digests":["sha256:short"]}"#.to_owned())
        .expect_error(400, ErrorCode::Unsupported);
    put("/api/running/a", " ".repeat(300 << 10)).expect_error(400, ErrorCode::Unsupported);
    world.client().get("/api/running/kind-dev").send().expect(405);
}
