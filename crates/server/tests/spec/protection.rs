//! Protected tags (`protect` of a retention rule): immutable for clients.

use hythe_oci::{Algorithm, Digest, ErrorCode, fallback_tag};
use hythe_registry::{Protection, RegistryOptions};
use hythe_testing::{ImageBuilder, IndexBuilder, Manifest, Setup};
use serde_json::json;

use crate::world::World;

on_every_configuration! {
    a_protected_tag_cannot_be_moved_and_the_error_names_the_rule,
    a_push_of_several_tags_stores_nothing_if_one_of_them_is_protected,
    neither_a_protected_tag_nor_the_manifests_that_it_needs_can_be_deleted,
    what_an_index_of_indexes_needs_cannot_be_deleted_while_its_tag_is_protected,
    a_blob_that_the_image_of_a_protected_tag_needs_cannot_be_deleted,
    a_protected_tag_cannot_be_moved_back_by_an_undelete,
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

/// The path of the image's first blob.
fn blob_of(repository: &str, image: &Manifest) -> String {
    format!("/v2/{repository}/blobs/{}", Digest::of(Algorithm::Sha256, &image.blobs[0]))
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

fn what_an_index_of_indexes_needs_cannot_be_deleted_while_its_tag_is_protected(setup: Setup) {
    let world = protected(setup, "v*");
    let inner = IndexBuilder::new().manifest(image(1)).build();
    let outer = IndexBuilder::new().manifest(inner).build();
    outer.push(&world, "team/app", "v1");
    let inner = &outer.manifests[0];
    let of = [outer.digest(), inner.digest(), inner.manifests[0].digest()];
    let path = |digest: &Digest| format!("/v2/team/app/manifests/{digest}");
    for digest in &of {
        refused(&world.delete(path(digest)).send(), "v1");
        world.get(path(digest)).send().expect(200);
    }
    refused(&world.delete(blob_of("team/app", &inner.manifests[0])).send(), "v1");
}

fn a_blob_that_the_image_of_a_protected_tag_needs_cannot_be_deleted(setup: Setup) {
    let world = protected(setup, "v*");
    let (kept, other) = (image(1), image(2));
    kept.push(&world, "team/app", "v1");
    other.push(&world, "team/app", "latest");
    kept.push(&world, "app", "v1");
    refused(&world.delete(blob_of("team/app", &kept)).send(), "v1");
    world.get(blob_of("team/app", &kept)).send().expect(200);
    // The tag of this image is not protected, and no rule is about the other repository.
    world.delete(blob_of("team/app", &other)).send().expect(202);
    world.delete(blob_of("app", &kept)).send().expect(202);
}

fn a_protected_tag_cannot_be_moved_back_by_an_undelete(setup: Setup) {
    let world = World::start(setup);
    let (first, second) = (image(1), image(2));
    first.push(&world, "team/app", "v1");
    second.push(&world, "team/app", "v1");
    // The rule comes when the tag has moved.
    let tags = vec!["v1".parse().unwrap()];
    let rule = Protection { rule: RULE.to_owned(), images: "team/*".parse().unwrap(), tags };
    let registry = world.registry.registry();
    let options = RegistryOptions { protect: vec![rule], ..(**registry.options()).clone() };
    registry.set_options(options);
    let undelete = |query: String| world.post(format!("/api/undelete?repository=team/app&{query}")).send();
    refused(&undelete(format!("tag=v1&to={}", first.digest())), "v1");
    assert_eq!(world.get("/v2/team/app/manifests/v1").send().expect(200).body, second.bytes);
    // It stays where it is, which is no move.
    undelete(format!("tag=v1&to={}", second.digest())).expect(200);
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
