//! Blobs: sizes, parts, and broken connections.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use hythe_client::{BlobAnswer, Client, ClientOptions, Error};
use hythe_oci::{Algorithm, Digest};
use hythe_testing::{Fault, Rule, ScriptedUpstream, bytes};

use crate::world::{assert_says, client, collect, name, options};

/// An upstream with one blob of `size` bytes.
fn upstream(size: usize) -> (ScriptedUpstream, Digest, Vec<u8>) {
    let (upstream, content) = (ScriptedUpstream::start(), bytes(7, size));
    let digest = upstream.push_blob("app", &content);
    (upstream, digest, content)
}

async fn blob(client: &Client, digest: &Digest, from: u64) -> Result<BlobAnswer, Error> {
    client.blob(&name("app"), digest, from).await
}

#[tokio::test]
async fn a_blob_arrives_whole_with_its_size() {
    for size in [0, 1, 100_000, 5 << 20] {
        let (upstream, digest, content) = upstream(size);
        let client = client(&upstream);
        assert_eq!(client.blob_head(&name("app"), &digest).await.unwrap(), Some(size as u64));
        let answer = blob(&client, &digest, 0).await.unwrap();
        assert_eq!(answer.size, Some(size as u64));
        let (read, error) = collect(answer.body).await;
        assert!(read == content && error.is_none(), "{size}: {error:?}");
        let get = upstream.requests().pop().unwrap();
        assert_eq!((get.header("range"), get.header("accept-encoding")), (None, Some("identity")));
    }
}

#[tokio::test]
async fn a_blob_of_unknown_length_arrives_whole() {
    let (upstream, digest, content) = upstream(200_000);
    upstream.rule(Rule::any("/blobs/", Fault::NoLength));
    let answer = blob(&client(&upstream), &digest, 0).await.unwrap();
    assert_eq!(answer.size, None);
    let (read, error) = collect(answer.body).await;
    assert!(read == content && error.is_none(), "{error:?}");
}

#[tokio::test]
async fn the_rest_of_a_blob_has_the_size_of_the_whole() {
    let (upstream, digest, content) = upstream(100_000);
    for from in [1, 50_000, 99_999] {
        let answer = blob(&client(&upstream), &digest, from).await.unwrap();
        assert_eq!(answer.size, Some(100_000));
        let (read, error) = collect(answer.body).await;
        assert!(read == content[from as usize..] && error.is_none(), "{from}: {error:?}");
    }
}

#[tokio::test]
async fn the_start_is_thrown_away_when_an_upstream_ignores_the_range() {
    let (upstream, digest, content) = upstream(3 << 20);
    upstream.rule(Rule::any("/blobs/", Fault::IgnoreRange));
    for from in [1, 1 << 20, (3 << 20) - 1, 3 << 20] {
        let answer = blob(&client(&upstream), &digest, from).await.unwrap();
        assert_eq!(answer.size, Some(3 << 20));
        let (read, error) = collect(answer.body).await;
        assert!(read == content[from as usize..] && error.is_none(), "{from}: {error:?}");
    }
    let error = blob(&client(&upstream), &digest, (3 << 20) + 1).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
}

#[tokio::test]
async fn the_rest_of_a_complete_blob_is_empty() {
    let (upstream, digest, _) = upstream(1000);
    let answer = blob(&client(&upstream), &digest, 1000).await.unwrap();
    assert_eq!(answer.size, Some(1000));
    let (read, error) = collect(answer.body).await;
    assert!(read.is_empty() && error.is_none(), "{error:?}");

    let error = blob(&client(&upstream), &digest, 1001).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    assert_says(&error, &["1000 bytes"]);
}

#[tokio::test]
async fn an_answer_with_another_part_than_requested_is_invalid() {
    let (upstream, digest, _) = upstream(1000);
    for range in [None, Some("bytes 501-999/1000"), Some("bytes 0-499/1000"), Some("bytes 9-5/10"), Some("x")]
    {
        upstream.clear_rules();
        let part = Fault::Status { status: 206, headers: Vec::new(), body: "x".to_owned() };
        let part = range.iter().fold(part, |part, range| part.header("content-range", range));
        upstream.rule(Rule::any("/blobs/", part));
        let error = blob(&client(&upstream), &digest, 500).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{range:?}: {error:?}");
    }
}

#[tokio::test]
async fn the_whole_blob_is_read_again_when_a_range_request_fails() {
    let (upstream, digest, content) = upstream(100_000);
    let part = |range: &str| {
        let part = Fault::Status { status: 206, headers: Vec::new(), body: "x".to_owned() };
        part.header("content-range", range)
    };
    for fault in [
        Fault::status(400),
        Fault::status(403),
        Fault::status(404),
        Fault::status(405),
        Fault::status(416),
        Fault::status(500),
        Fault::status(501),
        Fault::status(206),
        part("bytes 0-9/100000"),
        part("bytes 50001-50001/100000"),
        part("x"),
    ] {
        upstream.rule(Rule::on("GET", "/blobs/", fault.clone()).once());
        let answer = blob(&client(&upstream), &digest, 50_000).await.unwrap();
        let (read, error) = collect(answer.body).await;
        assert!(read == content[50_000..] && error.is_none(), "{fault:?}: {error:?}");
    }
}

#[tokio::test]
async fn get_tells_the_size_of_a_blob_if_head_does_not() {
    let (upstream, digest, content) = upstream(100_000);
    let nothing = Fault::status(200).header("content-length", 0);
    for fault in
        [400, 401, 403, 405, 500, 501].map(Fault::status).into_iter().chain([Fault::NoLength, nothing])
    {
        for size in [content.len() as u64, 0] {
            upstream.clear_rules();
            upstream.rule(Rule::on("HEAD", "/blobs/", fault.clone()));
            let digest = if size > 0 { digest } else { upstream.push_blob("app", b"") };
            let told = client(&upstream).blob_head(&name("app"), &digest).await.unwrap();
            assert_eq!(told, Some(size), "{fault:?}");
        }
    }
    // Some upstreams support no ranges, or give no length for the whole blob.
    for fault in [Fault::IgnoreRange, Fault::status(400), Fault::status(416)] {
        upstream.clear_rules();
        upstream.rule(Rule::on("HEAD", "/blobs/", Fault::status(403)));
        upstream.rule(Rule::on("GET", "/blobs/", fault.clone()).once());
        let told = client(&upstream).blob_head(&name("app"), &digest).await.unwrap();
        assert_eq!(told, Some(content.len() as u64), "{fault:?}");
    }
    // A rate limit, an outage and a missing blob affect GET too, so no GET follows.
    for status in [429, 503, 404] {
        upstream.clear_rules();
        upstream.forget_requests();
        upstream.rule(Rule::any("/blobs/", Fault::status(status)));
        client(&upstream).blob_head(&name("app"), &digest).await.unwrap_err();
        assert_eq!(upstream.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_part_that_ends_early_gives_its_bytes_then_an_error() {
    let (upstream, digest, content) = upstream(1000);
    let part = Fault::Status { status: 206, headers: Vec::new(), body: "x".repeat(100) };
    upstream.rule(Rule::any("/blobs/", part.header("content-range", "bytes 500-599/1000")).once());
    let answer = blob(&client(&upstream), &digest, 500).await.unwrap();
    let (read, error) = collect(answer.body).await;
    assert_eq!((read.len(), error.unwrap().kind()), (100, ErrorKind::UnexpectedEof));
    let rest = blob(&client(&upstream), &digest, 600).await.unwrap();
    assert_eq!(collect(rest.body).await.0, content[600..]);
}

#[tokio::test]
async fn a_broken_blob_ends_with_an_error_and_can_be_resumed() {
    for size in [500_000, 5 << 20] {
        let (upstream, digest, content) = upstream(size);
        let at = size as u64 - 200_000;
        for fault in [
            Fault::Truncate { at },
            Fault::Truncate { at: 0 },
            Fault::Reset { at },
            Fault::ShorterLength { by: 10 },
        ] {
            upstream.clear_rules();
            upstream.rule(Rule::on("GET", "/blobs/", fault.clone()).once());
            let client = client(&upstream);
            let (mut read, error) = collect(blob(&client, &digest, 0).await.unwrap().body).await;
            let error = error.unwrap_or_else(|| panic!("{fault:?} is not noticed"));
            assert!(error.to_string().contains("127.0.0.1"), "{error}");
            if read.len() < content.len() {
                let rest = blob(&client, &digest, read.len() as u64).await.unwrap();
                read.extend(collect(rest.body).await.0);
            }
            assert!(read == content, "{fault:?}: {} bytes", read.len());
        }
    }
}

#[tokio::test]
async fn the_connection_of_a_blob_is_kept_for_the_next_request() {
    for size in [1000, 5 << 20] {
        let (upstream, digest, content) = upstream(size);
        let client = client(&upstream);
        for _ in 0..3 {
            let (read, error) = collect(blob(&client, &digest, 0).await.unwrap().body).await;
            assert!(read == content && error.is_none(), "{error:?}");
        }
        assert_eq!(upstream.connections(), 1);
    }
}

#[tokio::test]
async fn bytes_after_a_blob_are_not_taken_for_the_next_answer() {
    for size in [1000, 5 << 20] {
        let (upstream, digest, content) = upstream(size);
        upstream.rule(Rule::on("GET", "/blobs/", Fault::LongerThanSaid { by: 100 }).once());
        let client = client(&upstream);
        let (read, _) = collect(blob(&client, &digest, 0).await.unwrap().body).await;
        assert!(read == content[..size - 100]);
        let (read, error) = collect(blob(&client, &digest, 0).await.unwrap().body).await;
        assert!(read == content && error.is_none(), "{error:?}");
    }
}

#[tokio::test]
async fn a_stalled_blob_ends_with_an_error() {
    let (upstream, digest, _) = upstream(500_000);
    upstream.rule(Rule::any("/blobs/", Fault::Stall { at: 1000 }));
    let patience = Duration::from_millis(300);
    let client = Client::new(ClientOptions { progress_timeout: patience, ..options(&upstream) }).unwrap();
    let before = Instant::now();
    let (read, error) = collect(blob(&client, &digest, 0).await.unwrap().body).await;
    assert_eq!((read.len(), error.unwrap().kind()), (1000, ErrorKind::TimedOut));
    assert!((patience..patience * 10).contains(&before.elapsed()), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_slow_blob_arrives_whole() {
    let (upstream, digest, content) = upstream(50);
    upstream.rule(Rule::any("/blobs/", Fault::Drip { bytes: 5, every: Duration::from_millis(100) }));
    let patience = Duration::from_millis(400);
    let client = Client::new(ClientOptions { progress_timeout: patience, ..options(&upstream) }).unwrap();
    let (read, error) = collect(blob(&client, &digest, 0).await.unwrap().body).await;
    assert!(read == content && error.is_none(), "{error:?}");
}

#[tokio::test]
async fn a_slow_reader_causes_no_timeout() {
    let (upstream, digest, content) = upstream(2 << 20);
    let patience = Duration::from_millis(200);
    let client = Client::new(ClientOptions { progress_timeout: patience, ..options(&upstream) }).unwrap();
    let answer = blob(&client, &digest, 0).await.unwrap();
    // The reader is slow.
    tokio::time::sleep(patience * 2).await;
    let (read, error) = collect(answer.body).await;
    assert!(read == content && error.is_none(), "{error:?}");
}

#[tokio::test]
async fn a_missing_blob_is_not_found() {
    let (upstream, ..) = upstream(1);
    let digest = Digest::of(Algorithm::Sha256, b"another");
    let client = client(&upstream);
    for error in [
        blob(&client, &digest, 0).await.unwrap_err(),
        blob(&client, &digest, 5).await.unwrap_err(),
        client.blob_head(&name("app"), &digest).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
        assert_says(&error, &["127.0.0.1", &digest.to_string(), "`app`"]);
    }
}
