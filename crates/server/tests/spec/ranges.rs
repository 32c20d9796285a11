//! Pulling parts of a blob (RFC 9110, 14).

use hythe_oci::ErrorCode;
use hythe_testing::{Answer, ImageBuilder, Setup, bytes};

use crate::world::World;

on_every_configuration! {
    a_range_of_a_blob_is_pulled,
    a_range_past_the_end_is_not_satisfiable,
    a_range_that_is_not_understood_is_ignored,
    several_ranges_are_pulled_in_one_response,
    unsatisfiable_ranges_are_left_out_and_too_many_ranges_are_ignored,
    each_of_a_hundred_ranges_of_a_large_blob_is_correct,
    a_blob_is_pulled_in_parts_that_make_the_whole,
    a_range_of_an_empty_blob_is_empty_or_not_satisfiable,
    a_range_in_a_head_request_is_ignored,
    a_range_of_a_manifest_is_ignored,
    a_range_is_sent_only_if_the_client_has_part_of_the_same_blob,
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
        // A range that ends after the blob is shortened.
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

/// RFC 9110, 15.5.17: 416 tells the size. 14.2: a server "MAY ignore or reject a Range header field that contains an
/// invalid ranges-specifier"; a range that ends before it starts is rejected, as by registry:2 and as the conformance
/// program has it.
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

/// RFC 9110, 14.2: "A server MAY ignore the Range header field"; other units and malformed ranges are ignored.
fn a_range_that_is_not_understood_is_ignored(setup: Setup) {
    let (world, path, content) = with_blob(setup);
    for range in ["bytes=0-1,x", "lines=0-1", "bytes=a-b", "bytes=", "bytes=-", "0-1", "bytes 0-1", ""] {
        let answer = world.get(&path).header("range", range).send().expect(200);
        assert_eq!(answer.header("content-range"), None, "{range}");
        assert!(answer.body == content, "{range}");
    }
}

/// The parts of a `multipart/byteranges` body, each as its `Content-Range` and its bytes.
#[track_caller]
fn parts(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let media_type = answer.expect_header("content-type");
    let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").expect(media_type);
    assert_eq!(answer.header("content-range"), None, "{answer}");
    assert_eq!(answer.expect_header("content-length"), answer.body.len().to_string());
    let find = |text: &[u8], wanted: &[u8]| text.windows(wanted.len()).position(|window| window == wanted);
    let mut rest = &answer.body[..];
    let mut parts = Vec::new();
    let mut opening = format!("--{boundary}\r\n");
    while let Some(part) = rest.strip_prefix(opening.as_bytes()) {
        let end = find(part, b"\r\n\r\n").expect("a part has a head");
        let head = std::str::from_utf8(&part[..end]).unwrap();
        let (media_type, range) = head.split_once("\r\n").expect(head);
        assert_eq!(media_type, "Content-Type: application/octet-stream");
        let range = range.strip_prefix("Content-Range: bytes ").expect(range);
        let (first, last) = range.split_once('/').unwrap().0.split_once('-').unwrap();
        let length = last.parse::<usize>().unwrap() + 1 - first.parse::<usize>().unwrap();
        let bytes = &part[end + 4..][..length];
        parts.push((range.to_owned(), bytes.to_vec()));
        rest = &part[end + 4 + length..];
        opening = format!("\r\n--{boundary}\r\n");
    }
    assert_eq!(std::str::from_utf8(rest).unwrap(), format!("\r\n--{boundary}--\r\n"));
    parts
}

/// RFC 9110, 14.6 and 15.3.7.2: each range in the order in which it was asked for. Readers of images that are pulled in
/// parts (zstd:chunked, stargz) ask so.
fn several_ranges_are_pulled_in_one_response(setup: Setup) {
    let (world, path, content) = with_blob(setup);
    for (ranges, expected) in [
        ("bytes=0-1,5-6", &[(0, 1), (5, 6)][..]),
        ("bytes=2000-2999, 0-0 ,-10", &[(2000, 2999), (0, 0), (2990, 2999)]),
        ("bytes=0-9,0-9", &[(0, 9), (0, 9)]),
        ("bytes=2500-,0-499,9000-", &[(2500, 2999), (0, 499)]),
    ] {
        let answer = world.get(&path).header("range", ranges).send().expect(206);
        assert!(
            answer.header("etag").is_some() && answer.header("docker-content-digest").is_some(),
            "{answer}"
        );
        let expected: Vec<_> = expected
            .iter()
            .map(|&(first, last)| (format!("{first}-{last}/{SIZE}"), content[first..=last].to_vec()))
            .collect();
        assert_eq!(parts(&answer), expected, "{ranges}");
        assert_ne!(
            answer.expect_header("content-type"),
            world.get(&path).header("range", ranges).send().expect_header("content-type"),
            "nobody knows the next boundary"
        );
    }
    // If only one of several ranges is left, the response has one part (15.3.7.2).
    let one = world.get(&path).header("range", "bytes=9000-,7-8").send().expect(206);
    assert_eq!((one.header("content-range"), &*one.body), (Some("bytes 7-8/3000"), &content[7..=8]));
}

/// RFC 9110, 14.2 and 17.15: ranges that would send more bytes than the blob has, or are too many, get the whole blob.
fn unsatisfiable_ranges_are_left_out_and_too_many_ranges_are_ignored(setup: Setup) {
    let (world, path, content) = with_blob(setup);
    let many: Vec<String> = (0..1025).map(|at| format!("{at}-{at}")).collect();
    for ranges in ["0-,0-".to_owned(), "0-2000,500-2999,-1".to_owned(), many.join(","), "0-,".repeat(2000)] {
        let answer = world.get(&path).header("range", format!("bytes={ranges}")).send().expect(200);
        assert!(answer.body == content && answer.header("content-range").is_none());
    }
    for ranges in ["bytes=3000-,-0,4000-5000", "bytes=0-1,5-2"] {
        let answer = world.get(&path).header("range", ranges).send();
        answer.expect_error(416, ErrorCode::RangeInvalid);
        assert_eq!(answer.header("content-range"), Some("bytes */3000"), "{ranges}");
    }
}

fn each_of_a_hundred_ranges_of_a_large_blob_is_correct(setup: Setup) {
    let world = World::start(setup);
    let content = bytes(1, 9 << 20);
    let digest = world.push_blob("app", &content);
    let wanted: Vec<_> = (0..100).map(|at| (at * 90_000, at * 90_000 + 1 + (at * 997) % 90_000)).collect();
    let ranges: Vec<_> = wanted.iter().map(|(first, last)| format!("{first}-{last}")).collect();
    let mut connection = world.connect();
    // The connection stays open, and the next response follows directly.
    for _ in 0..3 {
        let ranges = ranges.join(",");
        let head = format!(
            "GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\nRange: bytes={ranges}\r\n\r\n"
        );
        connection.send(head).unwrap();
        let parts = parts(&connection.answer("GET").unwrap().expect(206));
        assert_eq!(parts.len(), 100);
        for ((_, bytes), (first, last)) in parts.iter().zip(&wanted) {
            assert!(*bytes == content[*first..=*last], "{first}-{last}");
        }
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

/// RFC 9110, 14.1.2: for an empty blob only a suffix range is satisfiable, and gets the whole blob.
fn a_range_of_an_empty_blob_is_empty_or_not_satisfiable(setup: Setup) {
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

/// RFC 9110, 14.2: range handling is defined only for GET.
fn a_range_in_a_head_request_is_ignored(setup: Setup) {
    let (world, path, _) = with_blob(setup);
    for range in ["bytes=0-499", "bytes=5000-10000"] {
        let answer = world.head(&path).header("range", range).send().expect(200);
        assert_eq!(answer.header("content-length"), Some("3000"));
        assert_eq!(answer.header("content-range"), None);
    }
}

/// Pulling manifests does not mention ranges.
fn a_range_of_a_manifest_is_ignored(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).build();
    image.push(&world, "app", "latest");
    let answer = world.get("/v2/app/manifests/latest").header("range", "bytes=0-0").send().expect(200);
    assert_eq!(answer.body, image.bytes);
}

/// RFC 9110, 13.1.5.
fn a_range_is_sent_only_if_the_client_has_part_of_the_same_blob(setup: Setup) {
    let (world, path, content) = with_blob(setup);
    let tag = world.head(&path).send().expect(200).expect_header("etag").to_owned();
    let request = world.get(&path).header("range", "bytes=0-9");
    assert_eq!(request.clone().header("if-range", &tag).send().expect(206).body, content[..10]);
    for other in ["\"another\"", "Sat, 29 Oct 1994 19:43:31 GMT"] {
        assert!(request.clone().header("if-range", other).send().expect(200).body == content, "{other}");
    }
}
