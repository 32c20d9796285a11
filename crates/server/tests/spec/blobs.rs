//! Pulling blobs, and pushing them in one request.

use hythe_oci::{Algorithm, Digest, ErrorCode};
use hythe_testing::{Setup, bytes};

use crate::world::World;

on_every_configuration! {
    a_blob_is_pulled_as_it_was_pushed,
    a_head_of_a_blob_has_its_digest_and_size,
    a_blob_that_is_not_there_is_not_found,
    a_repository_that_was_never_pushed_to_is_not_found,
    a_blob_of_another_repository_is_not_served,
    a_blob_is_pushed_in_one_request,
    a_blob_is_pushed_by_its_sha512_digest,
    an_empty_blob_can_be_pushed_in_every_way,
    a_blob_pushed_twice_is_stored_once,
    a_blob_with_a_wrong_digest_is_refused_and_not_stored,
    a_blob_is_never_compressed_on_its_way,
    a_blob_larger_than_any_buffer_is_whole,
}

/// Pulling blobs (end-2): `200 OK`, the bytes, their digest. registry:2: the headers that caches and clients use.
fn a_blob_is_pulled_as_it_was_pushed(setup: Setup) {
    let world = World::start(setup);
    let content = bytes(1, 10_000);
    let digest = world.push_blob("some/app", &content);
    let answer = world.get(format!("/v2/some/app/blobs/{digest}")).send().expect(200);
    assert_eq!(answer.body, content);
    assert_eq!(answer.digest(), digest);
    for (name, value) in [
        ("content-length", "10000"),
        ("content-type", "application/octet-stream"),
        ("accept-ranges", "bytes"),
        ("etag", &format!("\"{digest}\"")),
        ("cache-control", "max-age=31536000, immutable"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
}

/// Checking if content exists (end-2): `200 OK`, the digest and the size.
fn a_head_of_a_blob_has_its_digest_and_size(setup: Setup) {
    let world = World::start(setup);
    let digest = world.push_blob("app", &bytes(1, 10_000));
    let answer = world.head(format!("/v2/app/blobs/{digest}")).send().expect(200);
    assert_eq!(answer.digest(), digest);
    assert_eq!(answer.header("content-length"), Some("10000"));
}

/// Pulling blobs: "If the blob is not found in the repository, the response code MUST be 404 Not Found."
fn a_blob_that_is_not_there_is_not_found(setup: Setup) {
    let world = World::start(setup);
    world.push_blob("app", b"another");
    let digest = Digest::of(Algorithm::Sha256, b"missing");
    let path = format!("/v2/app/blobs/{digest}");
    let message = world.get(&path).send().expect_error(404, ErrorCode::BlobUnknown);
    assert!(message.contains(&digest.to_string()) && message.contains("`app`"), "{message}");
    world.head(&path).send().expect(404);
}

/// Pushing manifests: "An attempt to pull a nonexistent repository MUST return response code 404 Not Found."
fn a_repository_that_was_never_pushed_to_is_not_found(setup: Setup) {
    let world = World::start(setup);
    let digest = Digest::of(Algorithm::Sha256, b"missing");
    for path in [
        format!("/v2/never/blobs/{digest}"),
        format!("/v2/never/manifests/{digest}"),
        "/v2/never/manifests/latest".to_owned(),
        "/v2/never/tags/list".to_owned(),
    ] {
        world.get(&path).send().expect(404);
        world.head(&path).send().expect(404);
    }
}

/// Pulling blobs: a blob belongs to a repository, not to the whole registry.
fn a_blob_of_another_repository_is_not_served(setup: Setup) {
    let world = World::start(setup);
    let digest = world.push_blob("secret", b"content");
    world.push_blob("public", b"other content");
    let path = format!("/v2/public/blobs/{digest}");
    world.get(&path).send().expect_error(404, ErrorCode::BlobUnknown);
    world.head(&path).send().expect(404);
    world.delete(&path).send().expect_error(404, ErrorCode::BlobUnknown);
}

/// Single POST (end-4b): `201 Created` and a `Location` that can be pulled.
fn a_blob_is_pushed_in_one_request(setup: Setup) {
    let world = World::start(setup);
    for (seed, algorithm) in [(1, Algorithm::Sha256), (2, Algorithm::Sha512)] {
        let content = bytes(seed, 70_000);
        let digest = Digest::of(algorithm, &content);
        let request = world.post("/v2/app/blobs/uploads/").query("digest", digest);
        let answer = request.clone().body(&content).send().expect(201);
        assert_eq!(answer.digest(), digest);
        assert_eq!(world.get(answer.location()).send().expect(200).body, content);
        request.stream(&content).send().expect(201);
    }
}

/// Pushing a blob in chunks (end-4c): clients SHOULD send `digest-algorithm`; without it they name the algorithm only
/// when they close the session.
fn a_blob_is_pushed_by_its_sha512_digest(setup: Setup) {
    let world = World::start(setup);
    for (seed, parameter) in [(1, ""), (2, "?digest-algorithm=sha512"), (3, "?digest-algorithm=sha256")] {
        let content = bytes(seed, 70_000);
        let digest = Digest::of(Algorithm::Sha512, &content);
        let start = format!("/v2/app/blobs/uploads/{parameter}");
        let location = world.post(&start).send().expect(202).location();
        let location = world.patch(location).body(&content[..50_000]).send().expect(202).location();
        let request = world.put(location).query("digest", digest).body(&content[50_000..]);
        let answer = request.send().expect(201);
        assert_eq!(answer.digest(), digest);
        let answer = world.get(answer.location()).send().expect(200);
        assert_eq!((answer.digest(), answer.body), (digest, content.clone()));
        // The blob exists under this digest, and not under another digest that no client gave.
        let other = Digest::of(Algorithm::Sha256, &content);
        world.head(format!("/v2/app/blobs/{other}")).send().expect(404);
    }
}

/// image-spec allows empty content, and clients push it.
fn an_empty_blob_can_be_pushed_in_every_way(setup: Setup) {
    let world = World::start(setup);
    for algorithm in Algorithm::ALL {
        let digest = Digest::of(algorithm, b"");
        let answer = world.post("/v2/app/blobs/uploads/").query("digest", digest).send().expect(201);
        assert_empty(&world, &answer.location());
        let location = world.start_upload("app");
        let answer = world.put(location).query("digest", digest).send().expect(201);
        assert_empty(&world, &answer.location());
        let location = world.start_upload("app");
        let location = world.patch(location).stream(b"").send().expect(202).location();
        let answer = world.put(location).query("digest", digest).stream(b"").send().expect(201);
        assert_empty(&world, &answer.location());
    }
}

/// Expects an empty blob, and deletes it for the next push.
#[track_caller]
fn assert_empty(world: &World, path: &str) {
    let answer = world.get(path).send().expect(200);
    assert_eq!((answer.header("content-length"), &answer.body[..]), (Some("0"), &b""[..]));
    assert_eq!(world.head(path).send().expect(200).header("content-length"), Some("0"));
    world.delete(path).send().expect(202);
}

/// Pushing blobs: a client may push a blob that the repository already has.
fn a_blob_pushed_twice_is_stored_once(setup: Setup) {
    let world = World::start(setup);
    let content = bytes(1, 5000);
    let digest = world.push_blob("app", &content);
    assert_eq!(world.push_blob("app", &content), digest);
    assert_eq!(world.registry.totals().blobs, 1);
    assert_eq!(world.get(format!("/v2/app/blobs/{digest}")).send().expect(200).body, content);
}

/// Single POST: "the `<digest>` MUST match the blob's digest"; Pushing blobs: otherwise `400 Bad Request`.
fn a_blob_with_a_wrong_digest_is_refused_and_not_stored(setup: Setup) {
    let world = World::start(setup);
    let (digest, actual) =
        (Digest::of(Algorithm::Sha256, b"promised"), Digest::of(Algorithm::Sha256, b"sent"));
    let request = world.post("/v2/app/blobs/uploads/").query("digest", digest).body(b"sent");
    let message = request.send().expect_error(400, ErrorCode::DigestInvalid);
    for named in [digest, actual] {
        assert!(message.contains(&named.to_string()), "{message}");
        world.get(format!("/v2/app/blobs/{named}")).send().expect(404);
    }
    assert_eq!(world.registry.totals().uploads, 0);
}

/// registry:2: `Content-Length` and the digest are those of the stored bytes, whatever codings the client accepts.
fn a_blob_is_never_compressed_on_its_way(setup: Setup) {
    let world = World::start(setup);
    let content = vec![b'a'; 100_000];
    let digest = world.push_blob("app", &content);
    let request = world.get(format!("/v2/app/blobs/{digest}"));
    let answer =
        request.header("accept-encoding", "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5").send().expect(200);
    assert_eq!((answer.header("content-length"), answer.body.len()), (Some("100000"), 100_000));
}

fn a_blob_larger_than_any_buffer_is_whole(setup: Setup) {
    let world = World::start(setup);
    let content = bytes(1, (9 << 20) + 17);
    let digest = world.push_blob("app", &content);
    let answer = world.get(format!("/v2/app/blobs/{digest}")).send().expect(200);
    assert!(answer.body == content, "{} bytes came back", answer.body.len());
}
