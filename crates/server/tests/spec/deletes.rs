//! Content management.

use hythe_oci::{Algorithm, Digest, ErrorCode};
use hythe_testing::{ImageBuilder, IndexBuilder, Setup};
use serde_json::json;

use crate::world::World;

on_every_configuration! {
    a_deleted_tag_leaves_its_manifest,
    a_deleted_manifest_takes_its_tags_with_it,
    a_deleted_blob_is_gone_at_once_from_its_repository_only,
    deleting_missing_content_is_404,
    deleted_content_can_be_pushed_again,
    a_manifest_of_an_index_can_be_deleted,
    nothing_is_deleted_if_deleting_is_switched_off,
}

/// Deleting tags (end-9): `202 Accepted`; "a `GET` to `/v2/<name>/manifests/<tag>` will return a 404".
fn a_deleted_tag_leaves_its_manifest(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).layers(1, 100).build();
    image.push(&world, "app", "one");
    image.push(&world, "app", "two");
    world.delete("/v2/app/manifests/one").send().expect(202);
    world.get("/v2/app/manifests/one").send().expect_error(404, ErrorCode::ManifestUnknown);
    world.head("/v2/app/manifests/one").send().expect(404);
    world.get("/v2/app/manifests/two").send().expect(200);
    world.get(format!("/v2/app/manifests/{}", image.digest())).send().expect(200);
    assert_eq!(world.get("/v2/app/tags/list").send().expect(200).json()["tags"], json!(["two"]));
}

/// Deleting manifests (end-9): `202 Accepted`; the digest "and any tag pointing to that digest will return a 404".
fn a_deleted_manifest_takes_its_tags_with_it(setup: Setup) {
    let world = World::start(setup);
    let (image, other) = (ImageBuilder::new(1).build(), ImageBuilder::new(2).build());
    for tag in ["one", "two"] {
        image.push(&world, "app", tag);
    }
    other.push(&world, "app", "other");
    image.push(&world, "copy", "one");
    world.delete(format!("/v2/app/manifests/{}", image.digest())).send().expect(202);
    for reference in ["one".to_owned(), "two".to_owned(), image.digest().to_string()] {
        let path = format!("/v2/app/manifests/{reference}");
        world.get(&path).send().expect_error(404, ErrorCode::ManifestUnknown);
        world.head(&path).send().expect(404);
    }
    assert_eq!(world.get("/v2/app/tags/list").send().expect(200).json()["tags"], json!(["other"]));
    world.get("/v2/app/manifests/other").send().expect(200);
    world.get("/v2/copy/manifests/one").send().expect(200);
}

/// Deleting blobs (end-10): `202 Accepted`.
fn a_deleted_blob_is_gone_at_once_from_its_repository_only(setup: Setup) {
    let world = World::start(setup);
    for algorithm in Algorithm::ALL {
        let digest = world.push_blob_by(algorithm, "app", b"content");
        world.push_blob_by(algorithm, "copy", b"content");
        let path = format!("/v2/app/blobs/{digest}");
        world.delete(&path).send().expect(202);
        world.get(&path).send().expect_error(404, ErrorCode::BlobUnknown);
        world.head(&path).send().expect(404);
        world.get(format!("/v2/copy/blobs/{digest}")).send().expect(200);
    }
}

/// Content management: `404 Not Found` for missing content and for a missing repository.
fn deleting_missing_content_is_404(setup: Setup) {
    let world = World::start(setup);
    ImageBuilder::new(1).build().push(&world, "app", "latest");
    let digest = Digest::of(Algorithm::Sha256, b"missing");
    for repository in ["app", "never"] {
        for reference in ["missing".to_owned(), digest.to_string()] {
            let answer = world.delete(format!("/v2/{repository}/manifests/{reference}")).send();
            let message = answer.expect_error(404, ErrorCode::ManifestUnknown);
            assert!(message.contains(&reference), "{message}");
        }
        let answer = world.delete(format!("/v2/{repository}/blobs/{digest}")).send();
        let message = answer.expect_error(404, ErrorCode::BlobUnknown);
        assert!(message.contains(&digest.to_string()), "{message}");
    }
}

fn deleted_content_can_be_pushed_again(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).layers(1, 100).build();
    for _ in 0..3 {
        image.push(&world, "app", "latest");
        assert_eq!(world.get("/v2/app/manifests/latest").send().expect(200).body, image.bytes);
        world.delete(format!("/v2/app/manifests/{}", image.digest())).send().expect(202);
        for blob in &image.blobs {
            let path = format!("/v2/app/blobs/{}", Digest::of(Algorithm::Sha256, blob));
            assert_eq!(&world.get(&path).send().expect(200).body, blob);
            world.delete(&path).send().expect(202);
        }
        world.get("/v2/app/tags/list").send().expect(404);
    }
}

/// Deleting manifests: no exception for manifests that an index lists.
fn a_manifest_of_an_index_can_be_deleted(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).build();
    let index = IndexBuilder::new().manifest(image.clone()).build();
    index.push(&world, "app", "latest");
    world.delete(format!("/v2/app/manifests/{}", image.digest())).send().expect(202);
    world.get(format!("/v2/app/manifests/{}", image.digest())).send().expect(404);
    assert_eq!(world.get("/v2/app/manifests/latest").send().expect(200).body, index.bytes);
}

/// Content management: "MUST respond with either a `400 Bad Request` or a `405 Method Not Allowed`"; the conformance
/// program accepts only 405 for blobs. Cancelling an upload deletes no content.
fn nothing_is_deleted_if_deleting_is_switched_off(setup: Setup) {
    let world = World::start(setup.without_delete());
    let image = ImageBuilder::new(1).layers(1, 100).build();
    image.push(&world, "app", "latest");
    let blob = Digest::of(Algorithm::Sha256, &image.blobs[1]);
    for path in [
        "/v2/app/manifests/latest".to_owned(),
        format!("/v2/app/manifests/{}", image.digest()),
        format!("/v2/app/blobs/{blob}"),
    ] {
        let message = world.delete(&path).send().expect_error(405, ErrorCode::Unsupported);
        assert!(message.contains("delete.enabled"), "{message}");
        world.get(&path).send().expect(200);
    }
    let location = world.start_upload("app");
    world.delete(location).send().expect(204);
}
