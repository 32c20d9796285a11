//! Prefetch: an image's blobs are fetched before clients request them.

use std::time::Duration;

use hythe_testing::{Fault, ImageBuilder, IndexBuilder, Manifest, Rule, eventually};

use crate::world::{UPSTREAM, World, cache, digest};

fn world(at_once: usize) -> World {
    World::with(|setup| setup.cache(|cache| cache.prefetch = at_once))
}

fn image(world: &World, layers: usize) -> Manifest {
    let image = ImageBuilder::new(1).layers(layers, 10_000).build();
    world.upstream.push("app", "v1", &image);
    image
}

/// Waits until the registry has at least this number of blobs.
#[track_caller]
fn wait_for_blobs(world: &World, blobs: u64) {
    eventually("the prefetched blobs", || world.registry.totals().blobs >= blobs);
}

/// Waits long enough for an unwanted request to show: no condition says that something will not happen.
fn a_while() {
    std::thread::sleep(Duration::from_millis(200));
}

#[test]
fn the_blobs_of_an_image_are_fetched_before_they_are_requested() {
    let world = world(3);
    let image = image(&world, 6);
    world.manifest("v1").expect(200);
    wait_for_blobs(&world, 7);
    world.upstream.forget_requests();
    for blob in &image.blobs {
        assert_eq!(cache(&world.blob(digest(blob)).expect(200)), "hit");
    }
    assert_eq!(world.upstream.requests(), []);
}

#[test]
fn a_head_prefetches_nothing_and_the_get_after_it_prefetches_the_blobs() {
    let world = world(2);
    let image = image(&world, 2);
    world.client().head(format!("/v2/{UPSTREAM}/app/manifests/v1")).send().expect(200);
    a_while();
    assert_eq!(world.upstream.count("GET", "/blobs/"), 0);
    world.manifest(image.digest()).expect(200);
    wait_for_blobs(&world, 3);
}

#[test]
fn prefetches_are_limited_and_no_client_waits_for_them() {
    let world = world(1);
    let image = image(&world, 5);
    let first = digest(&image.blobs[0]);
    world.upstream.rule(Rule::on("GET", format!("/blobs/{first}"), Fault::BlackHole));
    world.manifest("v1").expect(200);
    a_while();
    assert_eq!(world.upstream.count("GET", "/blobs/"), 1, "the second prefetch waits for the first");
    let last = image.blobs.last().unwrap();
    assert!(world.blob(digest(last)).expect(200).body == *last);
}

#[test]
fn a_client_joins_a_prefetch_in_progress() {
    let world = world(4);
    let image = image(&world, 3);
    world.upstream.rule(Rule::on("GET", "/blobs/", Fault::Delay(Duration::from_millis(100))));
    world.pull("v1", &image);
    wait_for_blobs(&world, 4);
    assert_eq!(world.upstream.count("GET", "/blobs/"), 4);
}

#[test]
fn nothing_is_prefetched_if_off_or_offline_or_for_an_index_or_twice() {
    let mut world = world(0);
    image(&world, 2);
    world.manifest("v1").expect(200);
    a_while();
    assert_eq!(world.upstream.count("GET", "/blobs/"), 0, "off");
    for offline in [true, false] {
        world.registry.restart_with(|setup| {
            *setup = setup.clone().cache(|cache| (cache.prefetch, cache.offline) = (4, offline));
        });
        world.manifest("v1").expect(200);
        a_while();
        assert_eq!(world.upstream.count("GET", "/blobs/"), 0, "the manifest was cached; offline: {offline}");
    }
    let index = IndexBuilder::new().manifest(ImageBuilder::new(7).layers(1, 1000).build()).build();
    world.upstream.push("app", "index", &index);
    world.manifest("index").expect(200);
    a_while();
    assert_eq!(world.upstream.count("GET", "/blobs/"), 0, "an index");
}

#[test]
fn a_failed_prefetch_does_not_stop_the_others() {
    let world = world(1);
    let image = image(&world, 2);
    let first = digest(&image.blobs[0]);
    world.upstream.rule(Rule::on("GET", format!("/blobs/{first}"), Fault::status(404)));
    world.manifest("v1").expect(200);
    wait_for_blobs(&world, 2);
    world.upstream.clear_rules();
    world.pull("v1", &image);
}
