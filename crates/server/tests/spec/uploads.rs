//! Upload sessions: chunks, streams, their order, their end.

use hythe_oci::{Algorithm, Digest, ErrorCode};
use hythe_testing::{Answer, Setup, bytes};

use crate::world::World;

on_every_configuration! {
    a_session_has_a_relative_location_of_its_own,
    a_session_is_closed_with_the_whole_blob,
    a_blob_is_pushed_in_chunks,
    a_blob_is_pushed_in_chunks_of_which_the_last_closes_the_session,
    a_blob_is_streamed_without_a_length,
    a_range_is_understood_in_the_forms_that_clients_send,
    the_status_of_a_session_has_its_offset,
    a_chunk_out_of_order_is_refused_and_the_session_survives,
    a_closing_chunk_out_of_order_is_refused_and_the_session_survives,
    a_chunk_whose_length_differs_from_its_range_is_refused_and_the_session_survives,
    content_with_a_wrong_digest_is_refused_and_the_session_accepts_the_right_digest,
    a_closing_request_needs_the_digest,
    a_session_is_cancelled,
    a_session_exists_until_it_ends_and_only_in_its_repository,
}

const CONTENT: usize = 100_000;

fn content() -> (Vec<u8>, Digest) {
    let content = bytes(7, CONTENT);
    let digest = Digest::of(Algorithm::Sha256, &content);
    (content, digest)
}

#[track_caller]
fn assert_pulled(world: &World, answer: &Answer, content: &[u8]) {
    assert!(
        world.get(answer.location()).send().expect(200).body == content,
        "the pulled content differs from the pushed content"
    );
}

/// POST then PUT (end-4a): `202 Accepted`; the location holds a unique id and may be relative.
/// registry:2: `Docker-Upload-UUID`, and `Range: 0-0` for a session without bytes.
fn a_session_has_a_relative_location_of_its_own(setup: Setup) {
    let world = World::start(setup);
    let mut locations = Vec::new();
    for path in ["/v2/some/app/blobs/uploads/", "/v2/some/app/blobs/uploads"] {
        let answer = world.post(path).send().expect(202);
        let id = answer.expect_header("docker-upload-uuid");
        assert_eq!(answer.location(), format!("/v2/some/app/blobs/uploads/{id}"));
        assert_eq!(answer.header("range"), Some("0-0"));
        assert_eq!(answer.header("content-length"), Some("0"));
        locations.push(answer.location());
    }
    assert_ne!(locations[0], locations[1]);
}

/// POST then PUT (end-6): `201 Created` and a `Location` that can be pulled.
fn a_session_is_closed_with_the_whole_blob(setup: Setup) {
    let world = World::start(setup);
    let (content, digest) = content();
    let location = world.start_upload("app");
    let answer = world.put(location).query("digest", digest).body(&content).send().expect(201);
    assert_eq!(answer.digest(), digest);
    assert_pulled(&world, &answer, &content);
}

/// Pushing a blob in chunks (end-5): each `202 Accepted` with `Location` and `Range: 0-<end-of-range>`.
fn a_blob_is_pushed_in_chunks(setup: Setup) {
    let world = World::start(setup);
    let (content, digest) = content();
    let mut location = world.start_upload("app");
    let mut start = 0;
    for end in [1, 2, 30_000, 65_536, CONTENT] {
        let request = world.patch(&location).header("content-range", format!("{start}-{}", end - 1));
        let answer = request.body(&content[start..end]).send().expect(202);
        assert_eq!(answer.header("range"), Some(&*format!("0-{}", end - 1)));
        location = answer.location();
        start = end;
    }
    let answer = world.put(location).query("digest", digest).send().expect(201);
    assert_pulled(&world, &answer, &content);
}

/// Pushing a blob in chunks (end-6): "The final chunk MAY be uploaded [...] in the closing PUT request."
fn a_blob_is_pushed_in_chunks_of_which_the_last_closes_the_session(setup: Setup) {
    let world = World::start(setup);
    let (content, digest) = content();
    let range = format!("60000-{}", CONTENT - 1);
    for content_range in [Some(range), None] {
        let location = world.start_upload("app");
        let request = world.patch(location).header("content-range", "0-59999");
        let location = request.body(&content[..60_000]).send().expect(202).location();
        let mut request = world.put(location).query("digest", digest).body(&content[60_000..]);
        if let Some(range) = content_range {
            request = request.header("content-range", range);
        }
        assert_pulled(&world, &request.send().expect(201), &content);
    }
}

/// docker, podman and skopeo send a `PATCH` with neither `Content-Range` nor `Content-Length`.
fn a_blob_is_streamed_without_a_length(setup: Setup) {
    let world = World::start(setup);
    let (content, digest) = content();
    let location = world.start_upload("app");
    let answer = world.patch(location).stream(&content[..40_000]).send().expect(202);
    assert_eq!(answer.header("range"), Some("0-39999"));
    let answer = world.patch(answer.location()).stream(&content[40_000..70_000]).send().expect(202);
    assert_eq!(answer.header("range"), Some("0-69999"));
    let request = world.put(answer.location()).query("digest", digest);
    assert_pulled(&world, &request.stream(&content[70_000..]).send().expect(201), &content);
}

/// The specification requires `<start>-<end>`; some clients write the form of RFC 9110.
fn a_range_is_understood_in_the_forms_that_clients_send(setup: Setup) {
    let world = World::start(setup);
    let (content, _) = content();
    for range in ["0-999", "bytes 0-999", "bytes=0-999", "0-999/100000", "bytes 0-999/*"] {
        let location = world.start_upload("app");
        let answer =
            world.patch(location).header("content-range", range).body(&content[..1000]).send().expect(202);
        assert_eq!(answer.header("range"), Some("0-999"), "{range}");
    }
}

/// Pushing a blob in chunks (end-13): `204 No Content`, `Location`, `Range: 0-<end-of-range>`.
fn the_status_of_a_session_has_its_offset(setup: Setup) {
    let world = World::start(setup);
    let (content, _) = content();
    let location = world.start_upload("app");
    assert_range(&world, &location, "0-0");
    for (end, range) in [(1, "0-0"), (50_000, "0-49999")] {
        let start = usize::from(end > 1);
        world.patch(&location).body(&content[start..end]).send().expect(202);
        assert_range(&world, &location, range);
    }
}

#[track_caller]
fn assert_range(world: &World, location: &str, range: &str) {
    let answer = world.get(location).send().expect(204);
    assert_eq!(answer.location(), location);
    assert_eq!(answer.header("range"), Some(range));
    let head = world.head(location).send().expect(204);
    assert_eq!(head.header("range"), Some(range));
}

/// Pushing a blob in chunks: "If a chunk is uploaded out of order, the registry MUST respond with a 416"; "The first
/// chunk's range MUST begin with 0"; "To get the current status after a 416 error, issue a GET request".
fn a_chunk_out_of_order_is_refused_and_the_session_survives(setup: Setup) {
    let world = World::start(setup);
    let (content, digest) = content();
    let location = world.start_upload("app");
    refuse_chunk(&world, &location, "1000-1999", 0, &content[1000..2000]);
    let request = world.patch(&location).header("content-range", "0-999");
    request.body(&content[..1000]).send().expect(202);
    // A gap, a repetition, an overlap.
    refuse_chunk(&world, &location, "2000-2999", 1000, &content[2000..3000]);
    refuse_chunk(&world, &location, "0-999", 1000, &content[..1000]);
    refuse_chunk(&world, &location, "999-1998", 1000, &content[999..1999]);
    let range = format!("1000-{}", CONTENT - 1);
    world.patch(&location).header("content-range", range).body(&content[1000..]).send().expect(202);
    let answer = world.put(location).query("digest", digest).send().expect(201);
    assert_pulled(&world, &answer, &content);
}

#[track_caller]
fn refuse_chunk(world: &World, location: &str, range: &str, offset: usize, chunk: &[u8]) {
    let answer = world.patch(location).header("content-range", range).body(chunk).send();
    assert_out_of_order(world, location, range, offset, &answer);
}

#[track_caller]
fn assert_out_of_order(world: &World, location: &str, range: &str, offset: usize, answer: &Answer) {
    let message = answer.expect_error(416, ErrorCode::BlobUploadInvalid);
    let (start, _) = range.split_once('-').unwrap();
    assert!(message.contains(start) && message.contains(&offset.to_string()), "{message}");
    let range = format!("0-{}", offset.saturating_sub(1));
    assert_eq!((answer.location().as_str(), answer.header("range")), (location, Some(&*range)));
    assert_range(world, location, &range);
}

/// Pushing a blob in chunks: "If the final chunk is uploaded out of order, the registry MUST respond with a 416".
fn a_closing_chunk_out_of_order_is_refused_and_the_session_survives(setup: Setup) {
    let world = World::start(setup);
    let (content, digest) = content();
    let location = world.start_upload("app");
    world.patch(&location).header("content-range", "0-999").body(&content[..1000]).send().expect(202);
    for range in ["2000-99999", "0-99999", "999-99999"] {
        let start: usize = range.split_once('-').unwrap().0.parse().unwrap();
        let request = world.put(&location).query("digest", digest).header("content-range", range);
        assert_out_of_order(&world, &location, range, 1000, &request.body(&content[start..]).send());
    }
    let request = world.put(&location).query("digest", digest).header("content-range", "1000-99999");
    assert_pulled(&world, &request.body(&content[1000..]).send().expect(201), &content);
}

/// Error codes, `SIZE_INVALID`: "provided length did not match content length".
fn a_chunk_whose_length_differs_from_its_range_is_refused_and_the_session_survives(setup: Setup) {
    let world = World::start(setup);
    let (content, digest) = content();
    let location = world.start_upload("app");
    for (range, length) in [("0-999", 999), ("0-999", 1001), ("0-999", 0), ("0-0", CONTENT)] {
        let request = world.patch(&location).header("content-range", range);
        request.clone().body(&content[..length]).send().expect_error(400, ErrorCode::SizeInvalid);
        assert_range(&world, &location, "0-0");
        let message = request.stream(&content[..length]).send().expect_error(400, ErrorCode::SizeInvalid);
        assert!(message.contains(if range == "0-0" { "1 byte" } else { "1000" }), "{message}");
        assert_range(&world, &location, "0-0");
    }
    let answer = world.put(&location).query("digest", digest).body(&content).send().expect(201);
    assert_pulled(&world, &answer, &content);
}

/// Pushing blobs: "if the client provided digest is invalid [...] the registry SHOULD respond with [...] 400".
fn content_with_a_wrong_digest_is_refused_and_the_session_accepts_the_right_digest(setup: Setup) {
    let world = World::start(setup);
    let (content, actual) = content();
    let digest = Digest::of(Algorithm::Sha256, b"promised");
    let halves = content.split_at(CONTENT / 2);
    let whole = |location: &str, digest| world.put(location).query("digest", digest).body(&content).send();
    let no_chunk = |location: &str, digest| world.put(location).query("digest", digest).send();
    let last_chunk =
        |location: &str, digest| world.put(location).query("digest", digest).body(halves.1).send();
    let streamed =
        |location: &str, digest| world.put(location).query("digest", digest).stream(halves.1).send();
    for (before, push) in [
        (&b""[..], &whole as &dyn Fn(&str, Digest) -> Answer),
        (&content, &no_chunk),
        (halves.0, &last_chunk),
        (halves.0, &streamed),
    ] {
        let location = world.start_upload("app");
        world.patch(&location).body(before).send().expect(202);
        for _ in 0..2 {
            let message = push(&location, digest).expect_error(400, ErrorCode::DigestInvalid);
            for named in [digest, actual] {
                assert!(message.contains(&named.to_string()), "{message}");
            }
            world.head(format!("/v2/app/blobs/{digest}")).send().expect(404);
            assert_range(&world, &location, &format!("0-{}", before.len().saturating_sub(1)));
        }
        // registry:2 keeps the session too, and scripts then send the right digest.
        let answer = push(&location, actual).expect(201);
        assert_pulled(&world, &answer, &content);
        world.delete(format!("/v2/app/blobs/{actual}")).send().expect(202);
    }
}

/// Pushing a blob in chunks: "The closing PUT request MUST include the `<digest>` of the whole blob".
fn a_closing_request_needs_the_digest(setup: Setup) {
    let world = World::start(setup);
    let (content, digest) = content();
    let location = world.start_upload("app");
    world.patch(&location).body(&content).send().expect(202);
    let message = world.put(&location).send().expect_error(400, ErrorCode::DigestInvalid);
    assert!(message.contains("`digest`"), "{message}");
    world.put(&location).query("digest", digest).send().expect(201);
}

/// Cancel a blob upload (end-14): `204 No Content`.
fn a_session_is_cancelled(setup: Setup) {
    let world = World::start(setup);
    let (content, digest) = content();
    let location = world.start_upload("app");
    world.patch(&location).body(&content).send().expect(202);
    world.delete(&location).send().expect(204);
    world.get(&location).send().expect_error(404, ErrorCode::BlobUploadUnknown);
    world.put(&location).query("digest", digest).send().expect_error(404, ErrorCode::BlobUploadUnknown);
    world.delete(&location).send().expect_error(404, ErrorCode::BlobUploadUnknown);
}

/// Error codes, `BLOB_UPLOAD_UNKNOWN`.
fn a_session_exists_until_it_ends_and_only_in_its_repository(setup: Setup) {
    let world = World::start(setup);
    let (content, digest) = content();
    let unknown = |location: &str| {
        let id = location.rsplit_once('/').unwrap().1;
        world.head(location).send().expect(404);
        for request in [
            world.get(location),
            world.patch(location).body(&content),
            world.put(location).query("digest", digest).body(&content),
            world.delete(location),
        ] {
            let message = request.send().expect_error(404, ErrorCode::BlobUploadUnknown);
            assert!(message.contains(id), "{message}");
        }
    };
    let location = world.start_upload("app");
    unknown(&location.replace("/app/", "/other/"));
    unknown(&format!("/v2/app/blobs/uploads/{}", "0".repeat(32)));
    unknown("/v2/app/blobs/uploads/no-id-of-ours");
    world.put(&location).query("digest", digest).body(&content).send().expect(201);
    unknown(&location);
}
