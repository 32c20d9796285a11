//! Blobs: many clients share one download, read it while it runs, and never get its end before the blob is verified.

use std::time::{Duration, Instant};

use hythe_oci::ErrorCode;
use hythe_testing::{Fault, Rule, ScriptedUpstream, Setup, TestRegistry, bytes, eventually};

use crate::world::{UPSTREAM, World, cache, digest};

#[test]
fn a_blob_can_be_read_while_it_is_fetched() {
    for world in [World::new(), World::with(Setup::memory), World::with(Setup::without_sendfile)] {
        let content = bytes(1, 4_000_000);
        let blob = world.upstream.push_blob("app", &content);
        world.upstream.limit_bandwidth(Some(2_000_000));
        let began = Instant::now();
        let mut connection = world.client().connect();
        connection
            .send(format!("GET /v2/{UPSTREAM}/app/blobs/{blob} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .unwrap();
        connection.read_exactly(1000).unwrap();
        assert!(
            began.elapsed() < Duration::from_millis(1500),
            "the whole blob takes two seconds: {:?}",
            began.elapsed()
        );
        // Meanwhile other requests join the download, also with ranges.
        let part = world.client().get(format!("/v2/{UPSTREAM}/app/blobs/{blob}"));
        let part = part.header("range", "bytes=1000000-1999999").send().expect(206);
        assert!(part.body == content[1_000_000..2_000_000]);
        assert_eq!(part.header("content-range"), Some("bytes 1000000-1999999/4000000"));
        assert!(world.blob(blob).expect(200).body == content);
        assert_eq!(world.upstream.count("GET", "/blobs/"), 1);
    }
}

#[test]
fn a_head_of_a_blob_fetches_nothing() {
    let world = World::new();
    let blob = world.upstream.push_blob("app", b"content");
    let head = world.client().head(format!("/v2/{UPSTREAM}/app/blobs/{blob}")).send().expect(200);
    assert_eq!((head.header("content-length"), head.digest()), (Some("7"), blob));
    assert_eq!(world.upstream.count("GET", "/blobs/"), 0);
    let missing = world.client().head(format!("/v2/{UPSTREAM}/app/blobs/{}", digest(b"other"))).send();
    assert_eq!(missing.status, 404);
}

#[test]
fn a_broken_download_resumes_where_it_broke() {
    for fault in
        [Fault::Truncate { at: 300_000 }, Fault::Reset { at: 300_000 }, Fault::ShorterLength { by: 10 }]
    {
        let world = World::new();
        let content = bytes(2, 1_000_000);
        let blob = world.upstream.push_blob("app", &content);
        world.upstream.rule(Rule::on("GET", "/blobs/", fault.clone()).once());
        let answer = world.client().get(format!("/v2/{UPSTREAM}/app/blobs/{blob}")).try_send();
        if matches!(fault, Fault::ShorterLength { .. }) {
            answer.expect_err("the announced size was wrong, so the response never completes");
        } else {
            assert!(answer.unwrap().expect(200).body == content, "{fault:?}");
            let requests = world.upstream.requests();
            let ranges: Vec<_> = requests.iter().filter_map(|seen| seen.header("range")).collect();
            assert_eq!(ranges, ["bytes=300000-"], "{fault:?}");
        }
        assert!(world.blob(blob).expect(200).body == content, "{fault:?}");
    }
}

#[test]
fn an_upstream_that_ignores_ranges_is_read_from_the_start() {
    let world = World::new();
    let content = bytes(3, 1_000_000);
    let blob = world.upstream.push_blob("app", &content);
    world.upstream.rule(Rule::on("GET", "/blobs/", Fault::Truncate { at: 300_000 }).once());
    world.upstream.rule(Rule::on("GET", "/blobs/", Fault::IgnoreRange));
    assert!(world.blob(blob).expect(200).body == content);
}

#[test]
fn wrong_bytes_never_complete_a_response_and_are_not_stored() {
    let world = World::new();
    let content = bytes(4, 500_000);
    let blob = world.upstream.push_blob("app", &content);
    world.upstream.rule(Rule::on("GET", "/blobs/", Fault::WrongByte { at: 499_999 }));
    for _ in 0..3 {
        let mut connection = world.client().connect();
        connection
            .send(format!(
                "GET /v2/{UPSTREAM}/app/blobs/{blob} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            ))
            .unwrap();
        let all = connection.read_to_end().unwrap_or_default();
        let head = all.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
        assert!(all.len() - head < content.len() || !all.starts_with(b"HTTP/1.1 200"));
    }
    assert_eq!(world.registry.totals().blobs, 0);
    world.upstream.clear_rules();
    // A request that joins while wrong bytes are still being fetched is cut off too. Clients then try again.
    let mut answers =
        (0..5).map(|_| world.client().get(format!("/v2/{UPSTREAM}/app/blobs/{blob}")).try_send());
    let right = answers.find_map(Result::ok).unwrap();
    assert!(right.expect(200).body == content);
}

#[test]
fn a_blob_without_a_length_is_fetched_too() {
    let world = World::new();
    let content = bytes(5, 200_000);
    let blob = world.upstream.push_blob("app", &content);
    world.upstream.rule(Rule::on("GET", "/blobs/", Fault::NoLength));
    assert!(world.blob(blob).expect(200).body == content);
}

#[test]
fn an_empty_blob_is_fetched() {
    let world = World::new();
    let blob = world.upstream.push_blob("app", b"");
    assert_eq!(world.blob(blob).expect(200).body, b"");
    assert_eq!(cache(&world.blob(blob)), "hit");
}

#[test]
fn presence_is_not_access() {
    let world = World::new();
    let pushed = world.client().push_blob("mine", b"a secret of another repository");
    let message = world.blob(pushed).expect_error(404, ErrorCode::BlobUnknown);
    assert!(message.contains(UPSTREAM), "{message}");
    // Once the upstream confirms that it has the blob too, nothing needs to be fetched.
    world.upstream.push_blob("app", b"a secret of another repository");
    world.blob(pushed).expect(200);
    assert_eq!(world.upstream.count("GET", "/blobs/"), 0);
    // A fetched blob is in no other repository.
    let blob = world.upstream.push_blob("app", b"upstream's");
    world.blob(blob).expect(200);
    world.client().get(format!("/v2/mine/blobs/{blob}")).send().expect_error(404, ErrorCode::BlobUnknown);
    world.client().get(format!("/v2/{UPSTREAM}/other/blobs/{blob}")).send().expect(404);
}

#[test]
fn a_blob_that_two_repositories_request_at_once_is_fetched_once() {
    let world = World::new();
    let content = bytes(6, 2_000_000);
    let blob = world.upstream.push_blob("app", &content);
    world.upstream.push_blob("other", &content);
    world.upstream.limit_bandwidth(Some(4_000_000));
    std::thread::scope(|scope| {
        for repository in ["app", "other", "app", "other"] {
            let world = &world;
            let content = &content;
            scope.spawn(move || {
                let answer = world.client().get(format!("/v2/{UPSTREAM}/{repository}/blobs/{blob}")).send();
                assert!(answer.expect(200).body == *content);
            });
        }
    });
    assert_eq!(world.upstream.count("GET", "/blobs/"), 1);
    // From now on both repositories have the blob, also without the upstream.
    world.upstream.stop();
    for repository in ["app", "other"] {
        world.client().get(format!("/v2/{UPSTREAM}/{repository}/blobs/{blob}")).send().expect(200);
    }
}

#[test]
fn the_next_endpoint_is_asked_if_one_fails_or_lacks_the_blob() {
    let (mirror, home) = (ScriptedUpstream::start(), ScriptedUpstream::start());
    let registry = TestRegistry::setup().upstream(UPSTREAM, &[mirror.endpoint(), home.endpoint()]).start();
    let content = bytes(7, 1_000_000);
    let get = |blob| registry.client().get(format!("/v2/{UPSTREAM}/app/blobs/{blob}")).send();
    let blob = home.push_blob("app", &content);
    assert!(get(blob).expect(200).body == content, "the mirror lacks the blob");
    let content = bytes(8, 1_000_000);
    let blob = home.push_blob("app", &content);
    mirror.push_blob("app", &content);
    mirror.rule(Rule::on("GET", "/blobs/", Fault::Reset { at: 400_000 }));
    assert!(get(blob).expect(200).body == content, "the mirror breaks off");
    let ranges: Vec<_> =
        home.requests().into_iter().filter_map(|seen| seen.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, ["bytes=400000-"]);
    mirror.stop();
    let content = bytes(9, 1_000_000);
    let blob = home.push_blob("app", &content);
    assert!(get(blob).expect(200).body == content, "the mirror is down");
}

#[test]
fn a_download_interrupted_by_a_restart_resumes() {
    let mut world = World::new();
    let content = bytes(10, 3_000_000);
    let blob = world.upstream.push_blob("app", &content);
    world.upstream.rule(Rule::on("GET", "/blobs/", Fault::Stall { at: 2_000_000 }).once());
    let mut connection = world.client().connect();
    connection
        .send(format!("GET /v2/{UPSTREAM}/app/blobs/{blob} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .unwrap();
    connection.read_exactly(1_000_000).unwrap();
    world.registry.restart();
    assert!(world.blob(blob).expect(200).body == content);
    let requests = world.upstream.requests();
    let range = requests.iter().find_map(|seen| seen.header("range")).unwrap();
    let from: u64 = range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
    assert!(from >= 1_000_000, "the received bytes were saved: {range}");
}

#[test]
fn a_404_for_one_repository_does_not_apply_to_another_that_has_the_blob() {
    let world = World::new();
    let content = bytes(11, 100_000);
    let blob = world.upstream.push_blob("app", &content);
    world.upstream.rule(Rule::on("GET", "/other/", Fault::Delay(Duration::from_millis(300))));
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            world.client().get(format!("/v2/{UPSTREAM}/other/blobs/{blob}")).send().expect(404);
        });
        eventually("the request for the other repository", || world.upstream.count("GET", "/other/") > 0);
        assert!(world.blob(blob).expect(200).body == content);
        other.join().unwrap();
    });
}

#[test]
fn a_blob_whose_range_is_refused_is_fetched_whole_again() {
    let world = World::new();
    let content = bytes(12, 1_000_000);
    let blob = world.upstream.push_blob("app", &content);
    world.upstream.rule(Rule::on("GET", "/blobs/", Fault::Truncate { at: 300_000 }).once());
    world.upstream.rule(Rule::on("GET", "/blobs/", Fault::status(416)).once());
    let mut answers =
        (0..5).map(|_| world.client().get(format!("/v2/{UPSTREAM}/app/blobs/{blob}")).try_send());
    let right = answers.find_map(Result::ok).unwrap();
    assert!(right.expect(200).body == content);
}

#[test]
fn a_range_is_not_completed_before_the_whole_blob_is_verified() {
    let world = World::new();
    let content = bytes(13, 2_000_000);
    let blob = world.upstream.push_blob("app", &content);
    world.upstream.limit_bandwidth(Some(4_000_000));
    world.upstream.rule(Rule::on("GET", "/blobs/", Fault::WrongByte { at: 1_999_000 }));
    let part = world.client().get(format!("/v2/{UPSTREAM}/app/blobs/{blob}"));
    let part = part.header("range", "bytes=0-99999").try_send();
    assert!(part.is_err() || part.unwrap().status >= 500);
}
