//! Mounting a blob from another repository.

use hythe_oci::{Algorithm, Digest};
use hythe_testing::Setup;

use crate::world::World;

on_every_configuration! {
    a_blob_is_mounted_from_another_repository,
    a_mount_without_a_source_finds_the_blob_in_any_repository,
    a_blob_that_cannot_be_mounted_starts_a_session,
    a_blob_that_the_repository_already_has_can_be_mounted,
}

const CONTENT: &[u8] = b"content to be mounted";

/// Mounting (end-11): `201 Created` and a `Location` that can be pulled.
fn a_blob_is_mounted_from_another_repository(setup: Setup) {
    let world = World::start(setup);
    for algorithm in Algorithm::ALL {
        let digest = world.push_blob_by(algorithm, "source/app", CONTENT);
        let request =
            world.post("/v2/target/blobs/uploads/").query("mount", digest).query("from", "source/app");
        let answer = request.send().expect(201);
        assert_eq!(answer.digest(), digest);
        assert_eq!(answer.location(), format!("/v2/target/blobs/{digest}"));
        assert_eq!(world.get(answer.location()).send().expect(200).body, CONTENT);
        // Each repository holds the blob independently.
        world.delete(format!("/v2/source/app/blobs/{digest}")).send().expect(202);
        assert_eq!(world.get(answer.location()).send().expect(200).body, CONTENT);
    }
}

/// Mounting: "The registry MAY treat the `from` parameter as optional".
fn a_mount_without_a_source_finds_the_blob_in_any_repository(setup: Setup) {
    let world = World::start(setup);
    let digest = world.push_blob("source", CONTENT);
    let answer = world.post("/v2/target/blobs/uploads/").query("mount", digest).send().expect(201);
    assert_eq!(world.get(answer.location()).send().expect(200).body, CONTENT);
}

/// Mounting: "if a registry [...] is unable to mount the requested blob, it SHOULD return a 202".
fn a_blob_that_cannot_be_mounted_starts_a_session(setup: Setup) {
    let world = World::start(setup);
    let elsewhere = world.push_blob("elsewhere", CONTENT);
    world.push_blob("source", b"something else");
    let missing = Digest::of(Algorithm::Sha256, b"missing");
    let missing512 = Digest::of(Algorithm::Sha512, b"missing");
    for (digest, from) in [
        // The blob exists, but not in the named source: a client that names a source gets only what that repository
        // has.
        (elsewhere, Some("source")),
        (elsewhere, Some("never/pushed")),
        (missing, Some("source")),
        (missing, None),
        (missing512, Some("source")),
    ] {
        let mut request = world.post("/v2/target/blobs/uploads/").query("mount", digest);
        if let Some(from) = from {
            request = request.query("from", from);
        }
        let answer = request.send().expect(202);
        world.head(format!("/v2/target/blobs/{digest}")).send().expect(404);
        let content = if digest == elsewhere { CONTENT } else { b"missing" };
        world.put(answer.location()).query("digest", digest).body(content).send().expect(201);
        world.delete(format!("/v2/target/blobs/{digest}")).send().expect(202);
    }
}

fn a_blob_that_the_repository_already_has_can_be_mounted(setup: Setup) {
    let world = World::start(setup);
    let digest = world.push_blob("app", CONTENT);
    let request = world.post("/v2/app/blobs/uploads/").query("mount", digest).query("from", "app");
    request.send().expect(201);
    assert_eq!(world.get(format!("/v2/app/blobs/{digest}")).send().expect(200).body, CONTENT);
}
