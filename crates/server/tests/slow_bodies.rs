//! Bodies that arrive slowly or never end: the memory that they may hold, and for how long.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::thread;
use std::time::{Duration, Instant};

use hythe_oci::ErrorCode;
use hythe_testing::{Connection, ImageBuilder, TestRegistry, bytes, eventually};

/// The largest accepted manifest, in bytes.
const MOST: usize = (4 << 20) + (256 << 10);

fn begin(registry: &TestRegistry, method: &str, target: &str, content: &[u8]) -> Connection {
    let mut connection = registry.client().connect();
    let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.send(head).unwrap();
    // The write fails if the registry does not read.
    connection.stream().set_write_timeout(Some(Duration::from_millis(20))).unwrap();
    let _ = connection.send([format!("{:x}\r\n", content.len()).as_bytes(), content, b"\r\n"].concat());
    connection
}

/// The anonymous memory of this process, in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[test]
fn manifests_that_never_end_share_bounded_memory_and_block_no_others() {
    let registry = TestRegistry::start();
    let client = registry.client();
    let image = ImageBuilder::new(1).layers(1, 100).build();
    image.push(&client, "app", "v1");
    let (before, content) = (memory(), bytes(1, MOST - 1));
    let slow: Vec<_> =
        (0..150).map(|_| begin(&registry, "PUT", "/v2/app/manifests/slow", &content)).collect();
    for tag in 0..20 {
        let started = Instant::now();
        image.put(&client, "app", tag).expect(201);
        assert!(started.elapsed() < Duration::from_secs(5), "a small manifest waits for no large one");
    }
    let held = memory().saturating_sub(before);
    assert!(held < 64 << 20, "{} MiB", held >> 20);
    drop(slow);
    // A large manifest is accepted when the slow ones are gone. Until the server has noticed that they are, it may answer 429.
    let large = ImageBuilder::new(2).layers(1, 100).annotation("large", &"x".repeat(MOST - 2000)).build();
    large.push_blobs(&client, "app");
    eventually("a large manifest after the slow ones", || {
        let answer = large.put(&client, "app", "large");
        assert!([201, 429].contains(&answer.status), "{answer}");
        answer.status == 201
    });
}

#[test]
fn a_manifest_for_which_no_memory_is_free_gets_429_with_retry_after() {
    let registry = TestRegistry::start();
    let content = bytes(1, MOST - 1);
    let mut slow: Vec<_> =
        (0..6).map(|_| begin(&registry, "PUT", "/v2/app/manifests/slow", &content)).collect();
    let told: Vec<_> = thread::scope(|scope| {
        let answers = slow.iter_mut().map(|connection| {
            // The manifests that have memory get no response: they wait for more of the body.
            connection.stream().set_read_timeout(Some(Duration::from_secs(14))).unwrap();
            scope.spawn(|| connection.answer("PUT").ok())
        });
        let answers: Vec<_> = answers.collect();
        answers.into_iter().filter_map(|answer| answer.join().unwrap()).collect()
    });
    assert!(!told.is_empty());
    for answer in told {
        match answer.status {
            429 => {
                answer.expect_error(429, ErrorCode::TooManyRequests);
                answer.expect_header("retry-after").parse::<u32>().unwrap();
            }
            // The manifest was cut off for others.
            _ => drop(answer.expect_error(408, ErrorCode::BlobUploadInvalid)),
        }
    }
}

#[test]
fn a_body_below_the_minimum_rate_is_cut_off_and_a_faster_one_is_not() {
    let registry =
        TestRegistry::setup().server(|options| options.progress_timeout = Duration::from_secs(1)).start();
    let client = registry.client();
    for (method, target) in
        [("PATCH", client.start_upload("app")), ("PUT", "/v2/app/manifests/v1".to_owned())]
    {
        let mut connection = begin(&registry, method, &target, b"begun");
        connection.stream().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut answer = None;
        eventually("the end of a slow body", || {
            let _ = connection.send("1\r\nx\r\n");
            answer = connection.answer(method).ok();
            answer.is_some()
        });
        let message = answer.unwrap().expect_error(408, ErrorCode::BlobUploadInvalid);
        assert!(message.contains("too slowly"), "{message}");
    }
    let (location, piece) = (client.start_upload("app"), [b"400\r\n", &[b'x'; 1024][..], b"\r\n"].concat());
    let mut connection = begin(&registry, "PATCH", &location, b"begun");
    // Longer than three times the timeout, at twice the minimum rate.
    for _ in 0..6 {
        thread::sleep(Duration::from_millis(800));
        connection.send(&piece).unwrap();
    }
    connection.send("0\r\n\r\n").unwrap();
    connection.answer("PATCH").unwrap().expect(202);
}
