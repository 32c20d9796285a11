//! Bodies that are read past hyper: that large bodies are, that no byte of them is lost, doubled or moved, and that the
//! connection goes on after them as if hyper had read them.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::io::Write as _;
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use hythe_oci::{Algorithm, Digest, ErrorCode};
use hythe_testing::{Connection, Setup, TestRegistry, bytes, eventually};
use proptest::prelude::*;

/// The size of Docker's chunks, in bytes.
const CHUNK: usize = 32 << 10;

fn head(method: &str, target: &str, fields: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").into_bytes()
}

fn sized(length: usize) -> String {
    format!("Content-Length: {length}\r\n")
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

fn chunk(content: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", content.len()).as_bytes(), content, b"\r\n"].concat()
}

/// `content` in chunks of `size`, without the end of a body.
fn chunks(content: &[u8], size: usize) -> Vec<u8> {
    content.chunks(size).flat_map(chunk).collect()
}

fn digest(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, content)
}

/// The head of a PATCH, and the part `come` of its body: in chunks, of which the last may be incomplete, or with a
/// `Content-Length` of `length`.
fn begun(location: &str, streamed: bool, length: usize, come: &[u8]) -> Vec<u8> {
    if !streamed {
        return [&head("PATCH", location, &sized(length))[..], come].concat();
    }
    let (whole, rest) = come.split_at(come.len() / CHUNK * CHUNK);
    let begun = if rest.is_empty() { String::new() } else { format!("{CHUNK:x}\r\n") };
    [&head("PATCH", location, CHUNKED)[..], &chunks(whole, CHUNK), begun.as_bytes(), rest].concat()
}

/// The session's offset.
fn offset(registry: &TestRegistry, location: &str) -> usize {
    let range = registry.client().get(location).send().expect(204).expect_header("range").to_owned();
    range.trim_start_matches("0-").parse::<usize>().unwrap() + 1
}

/// Pushes `content` on a connection by a PATCH whose body goes over the wire as `body`, in pieces of `step`.
fn push(
    registry: &TestRegistry,
    connection: &mut Connection,
    fields: &str,
    body: &[u8],
    step: usize,
    content: &[u8],
) {
    let location = registry.client().start_upload("app");
    connection.send(head("PATCH", &location, fields)).unwrap();
    for piece in body.chunks(step) {
        connection.send(piece).unwrap();
    }
    let patched = connection.answer("PATCH").unwrap().expect(202);
    assert_eq!(patched.expect_header("range"), format!("0-{}", content.len().saturating_sub(1)));
    let digest = digest(content);
    connection.send(head("PUT", &format!("{}?digest={digest}", patched.location()), &sized(0))).unwrap();
    connection.answer("PUT").unwrap().expect(201);
    connection.send(head("GET", &format!("/v2/app/blobs/{digest}"), "")).unwrap();
    assert!(connection.answer("GET").unwrap().expect(200).body == content);
}

#[test]
fn large_bodies_are_read_past_hyper() {
    let registry = TestRegistry::start();
    let content = bytes(1, 20_000_011);
    let mut connection = registry.client().connect();
    let streamed = [chunks(&content, CHUNK), b"0\r\n\r\n".to_vec()].concat();
    for (fields, body) in [(CHUNKED, &streamed), (sized(content.len()).as_str(), &content)] {
        let before = registry.server().counters().received_past_hyper();
        push(&registry, &mut connection, fields, body, usize::MAX, &content);
        let read = registry.server().counters().received_past_hyper() - before;
        assert!(read > 18_000_000, "{fields}: {read} bytes");
    }
}

#[test]
fn a_client_that_expects_100_continue_gets_it() {
    let registry = TestRegistry::start();
    let content = bytes(2, 3_000_000);
    let location = registry.client().start_upload("app");
    let mut connection = registry.client().connect();
    let fields = sized(content.len()) + "Expect: 100-continue\r\n";
    connection.send(head("PATCH", &location, &fields)).unwrap();
    connection.answer("PATCH").unwrap().expect(100);
    connection.send(&content).unwrap();
    connection.answer("PATCH").unwrap().expect(202);
    assert_eq!(offset(&registry, &location), content.len());
}

#[test]
fn requests_pipelined_after_a_body_are_answered_in_order() {
    let registry = TestRegistry::start();
    let content = bytes(3, 3_000_000);
    let ping = head("GET", "/v2/", "");
    for streamed in [true, false] {
        let mut connection = registry.client().connect();
        for _ in 0..2 {
            let location = registry.client().start_upload("app");
            let (fields, body) = if streamed {
                (CHUNKED.to_owned(), [chunks(&content, CHUNK), b"0\r\n\r\n".to_vec()].concat())
            } else {
                (sized(content.len()), content.clone())
            };
            let missing = head("GET", "/v2/app/manifests/none", "");
            connection
                .send([head("PATCH", &location, &fields), body, ping.clone(), missing].concat())
                .unwrap();
            connection.answer("PATCH").unwrap().expect(202);
            connection.answer("GET").unwrap().expect(200);
            connection.answer("GET").unwrap().expect(404);
            assert_eq!(offset(&registry, &location), content.len());
        }
    }
}

#[test]
fn a_connection_that_breaks_within_a_body_leaves_all_received_bytes() {
    let registry = TestRegistry::start();
    let content = bytes(4, 5_000_000);
    for streamed in [true, false] {
        let location = registry.client().start_upload("app");
        let mut connection = registry.client().connect();
        let came = 4 * (1 << 20) + 12_345;
        connection.send(begun(&location, streamed, content.len(), &content[..came])).unwrap();
        connection.stream().shutdown(Shutdown::Write).unwrap();
        eventually("the saved part", || offset(&registry, &location) == came);
        let put = registry.client().put(&location).query("digest", digest(&content));
        put.body(&content[came..]).send().expect(201);
    }
}

#[test]
fn a_stop_within_a_body_saves_all_received_bytes() {
    for streamed in [true, false] {
        let quick =
            |options: &mut hythe_server::ServerOptions| options.drain_timeout = Duration::from_millis(200);
        let mut registry = TestRegistry::setup().server(quick).start();
        let content = bytes(5, 3_000_000);
        let location = registry.client().start_upload("app");
        let mut connection = registry.client().connect();
        let came = 64 * CHUNK;
        connection.send(begun(&location, streamed, content.len(), &content[..came])).unwrap();
        let counters = registry.server().counters();
        eventually("the bytes of the body", || counters.received() == came as u64);
        registry.restart();
        assert_eq!(offset(&registry, &location), came);
    }
}

#[test]
fn a_client_that_stops_within_a_body_gets_408() {
    let quick =
        |options: &mut hythe_server::ServerOptions| options.progress_timeout = Duration::from_millis(400);
    let registry = TestRegistry::setup().server(quick).start();
    let content = bytes(6, 3_000_000);
    for (fields, body) in [(CHUNKED.to_owned(), chunks(&content, CHUNK)), (sized(9_000_000), content.clone())]
    {
        let location = registry.client().start_upload("app");
        let mut connection = registry.client().connect();
        connection.send(head("PATCH", &location, &fields)).unwrap();
        connection.send(body).unwrap();
        let message = connection.answer("PATCH").unwrap().expect_error(408, ErrorCode::BlobUploadInvalid);
        assert!(message.contains("no byte"), "{message}");
        assert_eq!(offset(&registry, &location), content.len());
        assert!(connection.read_to_end().unwrap().is_empty(), "the connection ends");
    }
}

#[test]
fn a_chunk_that_does_not_end_where_its_size_says_ends_the_connection() {
    let registry = TestRegistry::start();
    let content = bytes(7, 40 * CHUNK);
    let location = registry.client().start_upload("app");
    let mut connection = registry.client().connect();
    let mut body = chunks(&content, CHUNK);
    let end = body.len();
    body[end - 2..].copy_from_slice(b"XX");
    connection.send([head("PATCH", &location, CHUNKED), body, b"0\r\n\r\n".to_vec()].concat()).unwrap();
    let answer = connection.answer("PATCH").unwrap();
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(connection.read_to_end().unwrap().is_empty());
    // The kept bytes are correct, however many they are.
    let kept = offset(&registry, &location);
    assert!(kept <= content.len());
    let put = registry.client().put(&location).query("digest", digest(&content));
    let rest = if kept == 1 { &content[..] } else { &content[kept..] };
    put.body(rest).send().expect(201);
}

#[test]
fn no_request_can_be_hidden_after_a_chunk_that_does_not_end_where_its_size_says() {
    const SIZE: usize = 16 << 10;
    let registry = TestRegistry::start();
    let location = registry.client().start_upload("app");
    // The length makes the read end just before the hidden request.
    registry.client().patch(&location).body(bytes(9, (512 << 10) - 3 * SIZE - 1)).send().expect(202);
    let mut connection = registry.client().connect();
    let begun = chunks(&bytes(10, 2 * SIZE), SIZE);
    let counters = registry.server().counters();
    let before = counters.received();
    connection.send([head("PATCH", &location, CHUNKED), begun].concat()).unwrap();
    eventually("the first chunks", || counters.received() == before + 2 * SIZE as u64);
    let hidden = [b"0\r\n\r\n", &head("GET", "/v2/", "")[..]].concat();
    let chunk = [format!("{SIZE:x}\r\n").as_bytes(), &[b'A'; SIZE], b"XXAAAAAAA"].concat();
    connection.send([chunk, hidden].concat()).unwrap();
    let answer = connection.answer("PATCH").unwrap();
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(connection.read_to_end().unwrap().is_empty(), "the hidden request got a response");
}

#[test]
fn a_body_is_received_even_if_its_zeros_take_longer_than_the_progress_timeout() {
    let impatient =
        |options: &mut hythe_server::ServerOptions| options.progress_timeout = Duration::from_millis(100);
    let registry = TestRegistry::setup().memory().server(impatient).start();
    let pushes: Vec<_> = (0..6)
        .map(|seed| {
            let client = registry.client();
            thread::spawn(move || {
                let content = bytes(20 + seed, 48 << 20);
                client.push_blob("app", &content)
            })
        })
        .collect();
    for push in pushes {
        push.join().unwrap();
    }
}

#[test]
fn a_newer_request_takes_over_a_session_whether_the_old_client_is_silent_or_still_sends() {
    let registry = TestRegistry::start();
    let content = bytes(8, 96 * CHUNK);
    let came = 32 * CHUNK;
    for (streamed, sends_on) in [(true, true), (true, false), (false, true), (false, false)] {
        let location = registry.client().start_upload("app");
        let mut old = registry.client().connect();
        let more = if streamed { chunks(&vec![7; 100 * CHUNK], CHUNK) } else { vec![7; 1 << 20] };
        let counters = registry.server().counters();
        let begun_at = counters.received();
        old.send(begun(&location, streamed, 1 << 30, &content[..came])).unwrap();
        eventually("the begun body", || counters.received() == begun_at + came as u64);
        let mut stream = old.stream().try_clone().unwrap();
        let sender = thread::spawn(move || while sends_on && stream.write_all(&more).is_ok() {});
        if sends_on {
            eventually("more of the body", || counters.received() > begun_at + came as u64);
        }
        // The new request cancels the session, whatever it has received.
        let fresh = registry.client().delete(&location).send();
        assert_eq!(fresh.status, 204, "{fresh:?}");
        let refused = old.answer("PATCH").expect("the response is not lost to a reset");
        assert!(refused.status >= 400, "{refused:?}");
        drop(old);
        sender.join().unwrap();
    }
}

/// A stretch of a body: `number` chunks of one size, with the size written as `form` says.
#[derive(Clone, Debug)]
struct Stretch {
    size: usize,
    number: usize,
    form: &'static str,
}

fn stretch() -> impl Strategy<Value = Stretch> {
    let size = prop_oneof![
        1_usize..100,
        16_000_usize..17_000,
        Just(CHUNK),
        Just(CHUNK - 1),
        Just(40_000_usize),
        200_000_usize..300_000,
    ];
    let form = prop::sample::select(vec!["plain", "plain", "upper", "zeros", "extension"]);
    (size, 1_usize..12, form).prop_map(|(size, number, form)| Stretch { size, number, form })
}

impl Stretch {
    fn head(&self) -> String {
        let size = self.size;
        match self.form {
            "upper" => format!("{size:X}\r\n"),
            "zeros" => format!("{size:08x}\r\n"),
            "extension" => format!("{size:x};name=value\r\n"),
            _ => format!("{size:x}\r\n"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_body_of_any_chunks_is_stored_exactly_and_the_connection_goes_on(
        bodies in prop::collection::vec(
            (prop::collection::vec(stretch(), 1..6), 500_usize..600_000, any::<bool>()),
            1..4,
        ),
        in_memory in any::<bool>(),
    ) {
        let setup = if in_memory { TestRegistry::setup().memory() } else { TestRegistry::setup() };
        check(setup, &bodies);
    }
}

/// Pushes each body, chunked and with a length, one after the other on one connection.
fn check(setup: Setup, bodies: &[(Vec<Stretch>, usize, bool)]) {
    let registry = setup.start();
    let mut connection = registry.client().connect();
    for (seed, (stretches, step, has_trailer)) in (100..).zip(bodies) {
        let length = stretches.iter().map(|stretch| stretch.size * stretch.number).sum();
        let content = bytes(seed, length);
        let (mut body, mut rest) = (Vec::new(), &content[..]);
        for stretch in stretches {
            for _ in 0..stretch.number {
                let (piece, after) = rest.split_at(stretch.size);
                write!(body, "{}", stretch.head()).unwrap();
                body.extend_from_slice(piece);
                body.extend_from_slice(b"\r\n");
                rest = after;
            }
        }
        body.extend_from_slice(if *has_trailer { b"0\r\nName: value\r\n\r\n" } else { b"0\r\n\r\n" });
        push(&registry, &mut connection, CHUNKED, &body, *step, &content);
        push(&registry, &mut connection, &sized(length), &content, *step, &content);
    }
}
