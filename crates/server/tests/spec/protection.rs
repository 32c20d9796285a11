//! Protected tags (`protect` of a retention rule): immutable for clients.

use hythe_oci::{Digest, ErrorCode, fallback_tag};
use hythe_registry::Protection;
use hythe_testing::{ImageBuilder, IndexBuilder, Manifest, Setup};
use serde_json::json;

use crate::world::World;

on_every_configuration! {
    a_protected_tag_cannot_be_moved_and_the_error_names_the_rule,
    a_push_of_several_tags_stores_nothing_if_one_of_them_is_protected,
    neither_a_protected_tag_nor_the_manifests_that_it_needs_can_be_deleted,
    referrers_of_a_protected_image_can_be_pushed,
}

const RULE: &str = "retain.\"team/*\"";

fn protected(setup: Setup, tags: &str) -> World {
    let tags = vec![tags.parse().unwrap()];
    let rule = Protection { rule: RULE.to_owned(), images: "team/*".parse().unwrap(), tags };
    World::start(setup.registry(|options| options.protect = vec![rule]))
}

fn image(seed: u64) -> Manifest {
    ImageBuilder::new(seed).layers(1, 100).build()
}

fn refused(answer: &hythe_testing::Answer, tag: &str) {
    let message = answer.clone().expect_error(403, ErrorCode::Denied);
    assert!(message.contains(RULE) && message.contains(&format!("`{tag}`")), "{message}");
}

fn a_protected_tag_cannot_be_moved_and_the_error_names_the_rule(setup: Setup) {
    let world = protected(setup, "v*");
    let (first, second) = (image(1), image(2));
    first.push(&world, "team/app", "v1");
    // The same image again, as a retried push sends it.
    first.push(&world, "team/app", "v1");
    second.push_blobs(&world, "team/app");
    refused(&second.put(&world, "team/app", "v1"), "v1");
    assert_eq!(world.get("/v2/team/app/manifests/v1").send().expect(200).body, first.bytes);
    world.get(format!("/v2/team/app/manifests/{}", second.digest())).send().expect(404);
    // No rule protects these.
    second.push(&world, "team/app", "latest");
    first.push(&world, "team/app", "latest");
    first.push(&world, "app", "v1");
    second.push(&world, "app", "v1");
    second.push(&world, "team/app", "v2");
}

fn a_push_of_several_tags_stores_nothing_if_one_of_them_is_protected(setup: Setup) {
    let world = protected(setup, "v1");
    image(1).push(&world, "team/app", "v1");
    let second = image(2);
    second.push_blobs(&world, "team/app");
    let path = format!("/v2/team/app/manifests/{}?tag=latest&tag=v1", second.digest());
    let put = world.put(path).header("content-type", &second.media_type).body(&second.bytes);
    refused(&put.send(), "v1");
    assert_eq!(world.get("/v2/team/app/tags/list").send().expect(200).json()["tags"], json!(["v1"]));
}

fn neither_a_protected_tag_nor_the_manifests_that_it_needs_can_be_deleted(setup: Setup) {
    let world = protected(setup, "v*");
    let index = IndexBuilder::new().manifest(image(1)).build();
    index.push(&world, "team/app", "v1");
    index.push(&world, "team/app", "other");
    let path = |reference: &str| format!("/v2/team/app/manifests/{reference}");
    let of: [Digest; 2] = [index.digest(), index.manifests[0].digest()];
    for reference in ["v1".to_owned(), of[0].to_string(), of[1].to_string()] {
        refused(&world.delete(path(&reference)).send(), "v1");
        world.get(path(&reference)).send().expect(200);
    }
    world.delete(path("other")).send().expect(202);
    world.delete(path("v2")).send().expect_error(404, ErrorCode::ManifestUnknown);
    world.get(path("v1")).send().expect(200);
}

/// The list of referrers under the image's digest grows with each of them, for clients that do not know the API.
fn referrers_of_a_protected_image_can_be_pushed(setup: Setup) {
    let world = protected(setup, "*");
    let signed = image(1);
    signed.push(&world, "team/app", "v1");
    let list = fallback_tag(&signed.digest());
    for seed in [2, 3] {
        ImageBuilder::artifact(seed, "application/x-signature")
            .subject(&signed)
            .build()
            .push(&world, "team/app", &list);
    }
    world.delete(format!("/v2/team/app/manifests/{list}")).send().expect(202);
}
