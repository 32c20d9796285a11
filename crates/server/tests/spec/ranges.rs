//! Pulling parts of a blob (RFC 9110, 14).

use hythe_oci::ErrorCode;
use hythe_testing::{ImageBuilder, Setup, bytes};

use crate::world::World;

on_every_configuration! {
    a_range_of_a_blob_is_pulled,
    a_range_past_the_end_is_not_satisfiable,
    a_range_that_is_not_understood_is_ignored,
    a_blob_is_pulled_in_parts_that_make_the_whole,
    a_range_of_a_blob_of_no_bytes_is_nothing,
    a_range_asked_for_with_a_head_is_ignored,
    a_range_of_a_manifest_is_ignored,
    a_range_is_sent_only_while_the_blob_is_the_one_that_the_client_has,
}

const SIZE: usize = 3000;

fn with_blob(setup: Setup) -> (World, String, Vec<u8>) {
    let world = World::start(setup);
    let content = bytes(1, SIZE);
    let digest = world.push_blob("app", &content);
    (world, format!("/v2/app/blobs/{digest}"), content)
}

/// Pulling blobs: "A registry SHOULD support the `Range` request header"; RFC 9110, 15.3.7.
fn a_range_of_a_blob_is_pulled(setup: Setup) {
    let (world, path, content) = with_blob(setup);
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=0-499", 0, 499),
        ("bytes=500-999", 500, 999),
        ("bytes=2999-2999", 2999, 2999),
        ("bytes=500-", 500, 2999),
        ("bytes=-100", 2900, 2999),
        ("bytes=-5000", 0, 2999),
        // What is past the end is clipped.
        ("bytes=2000-5000", 2000, 2999),
        ("bytes=0-99999999999999999999999999", 0, 2999),
    ] {
        let answer = world.get(&path).header("range", range).send().expect(206);
        assert_eq!(answer.header("content-range"), Some(&*format!("bytes {first}-{last}/{SIZE}")), "{range}");
        assert_eq!(answer.header("content-length"), Some(&*(last - first + 1).to_string()), "{range}");
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        assert!(
            answer.header("etag").is_some() && answer.header("docker-content-digest").is_some(),
            "{answer}"
        );
        assert!(answer.body == content[first..=last], "{range}");
    }
}

/// RFC 9110, 15.5.17: 416 tells the size. The conformance program wants it of a range that ends before it starts too.
fn a_range_past_the_end_is_not_satisfiable(setup: Setup) {
    let (world, path, _) = with_blob(setup);
    for range in
        ["bytes=3000-", "bytes=5000-10000", "bytes=500-0", "bytes=-0", "bytes=99999999999999999999999-"]
    {
        let answer = world.get(&path).header("range", range).send();
        let message = answer.expect_error(416, ErrorCode::RangeInvalid);
        assert!(message.contains(range), "{message}");
        assert_eq!(answer.header("content-range"), Some("bytes */3000"), "{range}");
    }
}

/// RFC 9110, 14.2: "A server MAY ignore the Range header field"; several ranges and other units are.
fn a_range_that_is_not_understood_is_ignored(setup: Setup) {
    let (world, path, content) = with_blob(setup);
    for range in ["bytes=0-1,5-6", "lines=0-1", "bytes=a-b", "bytes=", "bytes=-", "0-1", "bytes 0-1", ""] {
        let answer = world.get(&path).header("range", range).send().expect(200);
        assert_eq!(answer.header("content-range"), None, "{range}");
        assert!(answer.body == content, "{range}");
    }
}

/// Resumable Pull.
fn a_blob_is_pulled_in_parts_that_make_the_whole(setup: Setup) {
    let world = World::start(setup);
    let content = bytes(1, (2 << 20) + 4321);
    let digest = world.push_blob("app", &content);
    let mut pulled = Vec::new();
    for length in [1, 4095, 4096, 4097, 65_535, 1 << 20, usize::MAX] {
        let start = pulled.len();
        let end = start.saturating_add(length - 1);
        let request =
            world.get(format!("/v2/app/blobs/{digest}")).header("range", format!("bytes={start}-{end}"));
        pulled.extend(request.send().expect(206).body);
    }
    assert!(pulled == content, "{} bytes came together", pulled.len());
}

/// RFC 9110, 14.1.2: of no bytes only a suffix is satisfiable, by all of it.
fn a_range_of_a_blob_of_no_bytes_is_nothing(setup: Setup) {
    let world = World::start(setup);
    let digest = world.push_blob("app", b"");
    let path = format!("/v2/app/blobs/{digest}");
    for range in ["bytes=0-", "bytes=0-5", "bytes=1-"] {
        let answer = world.get(&path).header("range", range).send();
        answer.expect_error(416, ErrorCode::RangeInvalid);
        assert_eq!(answer.header("content-range"), Some("bytes */0"));
    }
    assert_eq!(world.get(&path).header("range", "bytes=-5").send().expect(200).body, b"");
}

/// RFC 9110, 14.2: range handling is defined for GET alone.
fn a_range_asked_for_with_a_head_is_ignored(setup: Setup) {
    let (world, path, _) = with_blob(setup);
    for range in ["bytes=0-499", "bytes=5000-10000"] {
        let answer = world.head(&path).header("range", range).send().expect(200);
        assert_eq!(answer.header("content-length"), Some("3000"));
        assert_eq!(answer.header("content-range"), None);
    }
}

/// Pulling manifests says nothing of ranges.
fn a_range_of_a_manifest_is_ignored(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).build();
    image.push(&world, "app", "latest");
    let answer = world.get("/v2/app/manifests/latest").header("range", "bytes=0-0").send().expect(200);
    assert_eq!(answer.body, image.bytes);
}

/// RFC 9110, 13.1.5.
fn a_range_is_sent_only_while_the_blob_is_the_one_that_the_client_has(setup: Setup) {
    let (world, path, content) = with_blob(setup);
    let tag = world.head(&path).send().expect(200).expect_header("etag").to_owned();
    let request = world.get(&path).header("range", "bytes=0-9");
    assert_eq!(request.clone().header("if-range", &tag).send().expect(206).body, content[..10]);
    for other in ["\"another\"", "Sat, 29 Oct 1994 19:43:31 GMT"] {
        assert!(request.clone().header("if-range", other).send().expect(200).body == content, "{other}");
    }
}
