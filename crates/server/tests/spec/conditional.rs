//! Conditional requests: the client may already have the content (RFC 9110, 13).

use hythe_testing::{ImageBuilder, Setup};

use crate::world::World;

on_every_configuration! {
    a_manifest_that_the_client_has_is_not_sent_again,
    a_blob_that_the_client_has_is_not_sent_again,
    a_tag_that_moved_is_sent,
    a_condition_on_missing_content_changes_nothing,
}

/// The forms of an entity tag in which clients send a digest: quoted, as registry:2's clients leave it, weak, in a
/// list.
fn conditions(digest: &str) -> [String; 6] {
    [
        format!("\"{digest}\""),
        digest.to_owned(),
        format!("W/\"{digest}\""),
        format!("\"another\", \"{digest}\""),
        format!("\"{digest}\",\"another\""),
        "*".to_owned(),
    ]
}

#[track_caller]
fn assert_conditional(world: &World, path: &str, digest: &str, body: &[u8]) {
    let tag = format!("\"{digest}\"");
    for condition in conditions(digest) {
        for request in [world.get(path), world.head(path)] {
            let answer = request.header("if-none-match", &condition).send().expect(304);
            assert_eq!(answer.header("etag"), Some(tag.as_str()), "{condition}");
            assert_eq!(answer.header("docker-content-digest"), Some(digest), "{condition}");
        }
    }
    for condition in ["\"another\"", "another", "\"\"", "", &digest[..20]] {
        let answer = world.get(path).header("if-none-match", condition).send().expect(200);
        assert_eq!((answer.header("etag"), &answer.body[..]), (Some(tag.as_str()), body), "{condition}");
        world.head(path).header("if-none-match", condition).send().expect(200);
    }
}

/// registry:2: the entity tag is the digest; RFC 9110, 13.1.2: 304.
fn a_manifest_that_the_client_has_is_not_sent_again(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).build();
    image.push(&world, "app", "latest");
    let digest = image.digest().to_string();
    for reference in ["latest", &digest] {
        assert_conditional(&world, &format!("/v2/app/manifests/{reference}"), &digest, &image.bytes);
    }
}

fn a_blob_that_the_client_has_is_not_sent_again(setup: Setup) {
    let world = World::start(setup);
    let digest = world.push_blob("app", b"content").to_string();
    let path = format!("/v2/app/blobs/{digest}");
    assert_conditional(&world, &path, &digest, b"content");
    // A client that has the whole blob needs no range.
    let request =
        world.get(&path).header("range", "bytes=0-1").header("if-none-match", format!("\"{digest}\""));
    request.send().expect(304);
}

fn a_tag_that_moved_is_sent(setup: Setup) {
    let world = World::start(setup);
    let (old, new) = (ImageBuilder::new(1).build(), ImageBuilder::new(2).build());
    old.push(&world, "app", "latest");
    new.push(&world, "app", "latest");
    let request =
        |digest| world.get("/v2/app/manifests/latest").header("if-none-match", format!("\"{digest}\""));
    assert_eq!(request(old.digest()).send().expect(200).body, new.bytes);
    request(new.digest()).send().expect(304);
}

fn a_condition_on_missing_content_changes_nothing(setup: Setup) {
    let world = World::start(setup);
    let digest = world.push_blob("elsewhere", b"content");
    for path in [format!("/v2/app/blobs/{digest}"), "/v2/app/manifests/latest".to_owned()] {
        for condition in ["*", "\"another\""] {
            world.get(&path).header("if-none-match", condition).send().expect(404);
        }
    }
}
