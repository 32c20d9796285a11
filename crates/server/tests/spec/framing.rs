//! The end of a request (RFC 9112): bytes that a proxy in front may see as the next request are never lost, and bytes
//! of a body are never answered as a request that no client sent.

use std::io;

use hythe_testing::{Answer, Setup};

use crate::world::World;

on_every_configuration! {
    a_bare_line_feed_does_not_swallow_the_next_request,
    trailers_are_ignored_and_close_the_connection_if_their_end_is_ambiguous,
    requests_with_invalid_framing_are_refused,
    contradicting_lengths_never_make_a_second_request,
    a_body_in_another_transfer_coding_is_refused,
    whole_bodies_of_chunks_keep_the_connection,
}

const NEXT: &str = "GET /v2/next/tags/list HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A PATCH of a new upload with these headers and this body, and the next request behind it.
fn send(world: &World, headers: &str, body: &str) -> Vec<Answer> {
    let location = world.start_upload("app");
    let mut connection = world.connect();
    let patch = format!("PATCH {location} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}{NEXT}");
    connection.send(patch).unwrap();
    let mut answers = Vec::new();
    loop {
        match connection.answer("PATCH") {
            Ok(answer) => answers.push(answer),
            Err(error) => {
                assert!(error.kind() == io::ErrorKind::UnexpectedEof, "{error} after {answers:?}");
                return answers;
            }
        }
        if answers.len() == 2 {
            return answers;
        }
    }
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// hyper reads the bytes after a bare LF as trailers; a lenient proxy reads them as the next request.
fn a_bare_line_feed_does_not_swallow_the_next_request(setup: Setup) {
    let world = World::start(setup);
    let answers = send(&world, CHUNKED, "4\r\nsome\r\n0\r\n\n");
    assert_eq!(statuses(&answers), [400], "{answers:?}");
    assert_eq!(answers[0].header("connection"), Some("close"));
    // The same if no handler reads the body.
    let mut connection = world.connect();
    let get = format!("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n{CHUNKED}\r\n0\r\n\n");
    connection.send(get + NEXT).unwrap();
    assert_eq!(connection.answer("GET").unwrap().header("connection"), Some("close"));
    assert!(connection.read_to_end().unwrap().is_empty());
}

/// RFC 9112, 7.1.2: the registry ignores trailers. If a trailer's line ends with a bare LF, two readers may see
/// different ends of the body.
fn trailers_are_ignored_and_close_the_connection_if_their_end_is_ambiguous(setup: Setup) {
    let world = World::start(setup);
    for (trailers, expected) in [
        ("X-Checksum: 1\r\n\r\n", &[202, 404][..]),
        ("A: b\r\nC: d\r\n\r\n", &[202, 404]),
        ("X-Checksum: 1\n\n", &[202]),
        ("X-Checksum: 1\r\n\n", &[202]),
    ] {
        let answers = send(&world, CHUNKED, &format!("4\r\nsome\r\n0\r\n{trailers}"));
        assert_eq!(statuses(&answers), expected, "{trailers:?}: {answers:?}");
        let closes = answers[0].header("connection") == Some("close");
        assert_eq!(closes, expected.len() == 1, "{trailers:?}");
        assert_eq!(answers[0].header("range"), Some("0-3"), "{trailers:?}");
    }
}

fn requests_with_invalid_framing_are_refused(setup: Setup) {
    let world = World::start(setup);
    for body in [
        "4\nsome\r\n0\r\n\r\n",
        "4\r\nsome\n0\r\n\r\n",
        "4\rsome\r\n0\r\n\r\n",
        "4;a\nb\r\nsome\r\n0\r\n\r\n",
        "4;a\rb\r\nsome\r\n0\r\n\r\n",
        "0x4\r\nsome\r\n0\r\n\r\n",
        "+4\r\nsome\r\n0\r\n\r\n",
        "-4\r\nsome\r\n0\r\n\r\n",
        "4 4\r\nsome\r\n0\r\n\r\n",
        "\r\n4\r\nsome\r\n0\r\n\r\n",
        "10000000000000004\r\nsome\r\n0\r\n\r\n",
        "4\r\nsomeX\r\n0\r\n\r\n",
        "4\r\nsome\r\n0\n\n",
        "4\r\nsome\r\n0\r\n\rX",
        "4\r\nsome\r\n0\r\nX: y\rz\r\n\r\n",
    ] {
        let answers = send(&world, CHUNKED, body);
        assert_eq!(statuses(&answers), [400], "{body:?}: {answers:?}");
    }
    for headers in [
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        "Transfer-Encoding: chunked\r\n folded\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\rX: y\r\n",
        "Content-Length: 4, 5\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: -4\r\n",
        "Content-Length: 0x4\r\n",
        "Content-Length: 4 4\r\n",
        "Content-Length:\r\n",
        "Content-Length : 4\r\n",
    ] {
        let answers = send(&world, headers, "4\r\nsome\r\n0\r\n\r\n");
        assert_eq!(statuses(&answers), [400], "{headers:?}: {answers:?}");
    }
}

/// RFC 9112, 6.1: of both, the chunks count, and "the server MUST close the connection after responding".
fn contradicting_lengths_never_make_a_second_request(setup: Setup) {
    let world = World::start(setup);
    for headers in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let answers = send(&world, headers, "4\r\nsome\r\n0\r\n\r\n");
        assert_eq!(statuses(&answers), [202], "{headers:?}: {answers:?}");
        assert_eq!(answers[0].header("range"), Some("0-3"), "{headers:?}");
    }
}

/// RFC 9112, 6.1: "A server that receives a request message with a transfer coding it does not understand SHOULD
/// respond with 501"; 7.1: "A sender MUST NOT apply the chunked transfer coding more than once".
fn a_body_in_another_transfer_coding_is_refused(setup: Setup) {
    let world = World::start(setup);
    for (headers, status) in [
        ("Transfer-Encoding: gzip, chunked\r\n", 501),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501),
        ("Transfer-Encoding: identity, chunked\r\n", 501),
        ("Transfer-Encoding: chunked, chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
    ] {
        let answers = send(&world, headers, "4\r\nsome\r\n0\r\n\r\n");
        assert_eq!(statuses(&answers), [status], "{headers:?}: {answers:?}");
        assert_eq!(answers[0].header("connection"), Some("close"), "{headers:?}");
    }
}

fn whole_bodies_of_chunks_keep_the_connection(setup: Setup) {
    let world = World::start(setup);
    for (headers, body) in [
        (CHUNKED, "4\r\nsome\r\n0\r\n\r\n"),
        (CHUNKED, "4;name=value\r\nsome\r\n0;last\r\n\r\n"),
        (CHUNKED, "0004 \r\nsome\r\n000\r\n\r\n"),
        ("Transfer-Encoding: , Chunked\r\n", "4\r\nsome\r\n0\r\n\r\n"),
        ("Content-Length: 4\r\n", "some"),
        ("Content-Length: 4\r\nContent-Length: 4\r\n", "some"),
        // A content coding is part of the pushed content: the digest is that of the encoded bytes.
        ("Content-Encoding: gzip\r\nContent-Length: 4\r\n", "some"),
    ] {
        let answers = send(&world, headers, body);
        assert_eq!(statuses(&answers), [202, 404], "{headers:?} {body:?}: {answers:?}");
        assert_eq!(answers[0].header("range"), Some("0-3"), "{headers:?}");
        assert_eq!(answers[0].header("connection"), None, "{headers:?}");
    }
}
