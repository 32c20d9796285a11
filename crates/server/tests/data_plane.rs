//! The data plane over real sockets: `sendfile`, timeouts, and that no byte of one exchange ends up in another.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use hythe_oci::{Digest, ErrorCode};
use hythe_testing::{Client, Connection, Setup, TestRegistry, bytes, eventually};

const MANY: usize = 5_000_011;

fn get(digest: &Digest, headers: &str) -> String {
    format!("GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

fn ping() -> &'static str {
    "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}

/// How long the connection stays open from now on. Drops the bytes that it still sends.
fn until_closed(connection: &mut Connection) -> Duration {
    let started = Instant::now();
    let mut stream = connection.stream();
    let mut buffer = [0; 16 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return started.elapsed(),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the connection is still open after {:?}", started.elapsed())
            }
            Err(_) => return started.elapsed(),
        }
    }
}

fn quick(milliseconds: u64) -> Setup {
    let quick = Duration::from_millis(milliseconds);
    TestRegistry::setup().server(|options| {
        options.header_timeout = quick;
        options.idle_timeout = quick;
        options.progress_timeout = quick;
    })
}

#[test]
fn a_blob_in_a_file_leaves_by_sendfile_and_by_nothing_else() {
    let registry = TestRegistry::start();
    let content = bytes(1, MANY);
    let digest = registry.client().push_blob("app", &content);
    let answer = registry.client().get(format!("/v2/app/blobs/{digest}")).send().expect(200);
    assert!(answer.body == content);
    // The client may have the last bytes before the server has counted them.
    let sent = || registry.server().counters().sent_by_sendfile();
    eventually("the whole blob sent by sendfile", || sent() == MANY as u64);
    let answer =
        registry.client().get(format!("/v2/app/blobs/{digest}")).header("range", "bytes=7-1006").send();
    assert!(answer.expect(206).body == content[7..1007]);
    eventually("the range sent by sendfile", || sent() == MANY as u64 + 1000);
}

#[test]
fn the_reading_path_sends_the_same_bytes() {
    let content = bytes(2, MANY);
    for setup in [
        TestRegistry::setup().without_sendfile(),
        TestRegistry::setup().memory(),
        TestRegistry::setup().objects(),
    ] {
        let registry = setup.start();
        let digest = registry.client().push_blob("app", &content);
        let blob = format!("/v2/app/blobs/{digest}");
        assert!(registry.client().get(&blob).send().expect(200).body == content);
        let part = registry.client().get(&blob).header("range", "bytes=300000-3000000").send().expect(206);
        assert!(part.body == content[300_000..=3_000_000]);
        assert_eq!(registry.server().counters().sent_by_sendfile(), 0);
    }
}

#[test]
fn pipelined_range_requests_are_answered_correctly_and_in_order() {
    let registry = TestRegistry::start();
    let content = bytes(3, MANY);
    let digest = registry.client().push_blob("app", &content);
    let ranges = [
        (0, 0),
        (MANY - 1, MANY - 1),
        (1, 2_000_000),
        (0, MANY - 1),
        (4_999_990, MANY - 1),
        (262_143, 262_145),
    ];
    let mut connection = registry.client().connect();
    let requests: String =
        ranges.iter().map(|(from, to)| get(&digest, &format!("Range: bytes={from}-{to}\r\n"))).collect();
    connection.send(requests).unwrap();
    for (from, to) in ranges {
        let answer = connection.answer("GET").unwrap().expect(206);
        assert_eq!(answer.expect_header("content-range"), format!("bytes {from}-{to}/{MANY}"));
        assert!(answer.body == content[from..=to], "{from}-{to}");
    }
}

#[test]
fn requests_of_all_kinds_on_one_connection_are_answered_in_order() {
    let registry = TestRegistry::start();
    let content = bytes(4, MANY);
    let digest = registry.client().push_blob("app", &content);
    let mut connection = registry.client().connect();
    let head = get(&digest, "").replacen("GET", "HEAD", 1);
    let missing = "GET /v2/app/manifests/none HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post = "POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    connection
        .send([&head, &get(&digest, ""), missing, &get(&digest, ""), post, &head, ping()].concat())
        .unwrap();
    for (method, status, length) in [
        ("HEAD", 200, MANY),
        ("GET", 200, MANY),
        ("GET", 404, 0),
        ("GET", 200, MANY),
        ("POST", 202, 0),
        ("HEAD", 200, MANY),
        ("GET", 200, 2),
    ] {
        let answer = connection.answer(method).unwrap().expect(status);
        match (method, status) {
            ("HEAD", _) => assert_eq!(answer.expect_header("content-length"), length.to_string()),
            ("GET", 200) if length == MANY => assert!(answer.body == content),
            ("GET", 200) => assert_eq!(answer.body, b"{}"),
            _ => {}
        }
    }
}

#[test]
fn a_download_before_an_upload_on_one_connection_does_not_shorten_the_uploads_timeout() {
    let registry = quick(400).server(|options| options.progress_timeout = Duration::from_secs(30)).start();
    let content = bytes(5, MANY);
    let digest = registry.client().push_blob("app", &content);
    let location = registry.client().start_upload("app");
    let mut connection = registry.client().connect();
    let patch = format!("PATCH {location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nhalf");
    connection.send(get(&digest, "") + &patch).unwrap();
    assert!(connection.answer("GET").unwrap().expect(200).body == content);
    // The client pauses longer than the timeouts that do not apply.
    thread::sleep(Duration::from_secs(1));
    connection.send("half").unwrap();
    connection.answer("PATCH").unwrap().expect(202);
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_is_not_in_the_page_cache_is_served_correctly() {
    for setup in [TestRegistry::setup(), TestRegistry::setup().without_sendfile()] {
        let registry = setup.start();
        let content = bytes(6, MANY);
        let digest = registry.client().push_blob("app", &content);
        for range in [0..MANY, 1_000_000..1_000_100, 10..MANY - 10] {
            for path in files(&registry.folder().join("blobs")) {
                let file = std::fs::File::open(path).unwrap();
                file.sync_all().unwrap();
                rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
            }
            let asked = format!("bytes={}-{}", range.start, range.end - 1);
            let answer =
                registry.client().get(format!("/v2/app/blobs/{digest}")).header("range", asked).send();
            assert!(answer.expect(206).body == content[range]);
        }
    }
}

#[test]
fn a_file_cut_short_while_it_is_sent_never_looks_whole() {
    for setup in [TestRegistry::setup(), TestRegistry::setup().without_sendfile()] {
        let registry = setup.start();
        // More than the sockets buffer, so that the end is not yet sent when the file is cut.
        let digest = registry.client().push_blob("app", &bytes(7, 64 << 20));
        let mut connection = registry.client().connect();
        connection.send(get(&digest, "")).unwrap();
        connection.read_exactly(1000).unwrap();
        let path = files(&registry.folder().join("blobs")).remove(0);
        std::fs::File::options().write(true).open(path).unwrap().set_len(1 << 20).unwrap();
        let rest = connection.read_to_end();
        assert!(rest.is_err() || rest.is_ok_and(|rest| rest.len() < 63 << 20));
        registry.client().get("/v2/").send().expect(200);
    }
}

/// Sends a head and then bytes until the registry accepts no more. Returns the response.
fn answer_while_sending(client: &Client, head: &str) -> hythe_testing::Answer {
    let mut connection = client.connect();
    connection.send(head).unwrap();
    let mut stream = connection.stream().try_clone().unwrap();
    let sender = thread::spawn(move || {
        let piece = vec![7; 1 << 20];
        for _ in 0..200 {
            if stream.write_all(&piece).is_err() {
                return;
            }
        }
    });
    let method = head.split(' ').next().unwrap();
    // The client is busy sending, and reads late.
    thread::sleep(Duration::from_millis(300));
    let answer = connection.answer(method).expect("the response is not lost to a reset");
    drop(connection);
    sender.join().unwrap();
    answer
}

#[test]
fn an_early_error_reaches_a_client_that_is_still_sending() {
    let registry = TestRegistry::start();
    let unknown = "/v2/app/blobs/uploads/00000000000000000000000000000000";
    let length = "Host: localhost\r\nContent-Length: 1000000000\r\n\r\n";
    for (head, status, code) in [
        (format!("PUT /v2/app/manifests/v1 HTTP/1.1\r\n{length}"), 413, ErrorCode::ManifestInvalid),
        (format!("PATCH {unknown} HTTP/1.1\r\n{length}"), 404, ErrorCode::BlobUploadUnknown),
        (
            format!("POST /v2/app/blobs/uploads/?digest=sha256:0 HTTP/1.1\r\n{length}"),
            400,
            ErrorCode::DigestInvalid,
        ),
    ] {
        let answer = answer_while_sending(&registry.client(), &head);
        assert!(!answer.expect_error(status, code).is_empty());
    }
}

#[test]
fn a_manifest_without_a_stated_length_is_refused_once_it_is_too_large() {
    let registry = TestRegistry::setup().registry(|options| options.manifest_max_size = 100_000).start();
    let answer = registry.client().put("/v2/app/manifests/v1").stream(vec![b' '; 2_000_000]).send();
    answer.expect_error(413, ErrorCode::ManifestInvalid);
}

#[test]
fn a_client_that_expects_100_continue_gets_it_only_if_its_body_is_read() {
    let registry = TestRegistry::start();
    let expect = "Host: localhost\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n";
    let unknown = "/v2/app/blobs/uploads/00000000000000000000000000000000";
    let mut refused = registry.client().connect();
    refused.send(format!("PATCH {unknown} HTTP/1.1\r\n{expect}")).unwrap();
    refused.answer("PATCH").unwrap().expect_error(404, ErrorCode::BlobUploadUnknown);
    let location = registry.client().start_upload("app");
    let mut wanted = registry.client().connect();
    wanted.send(format!("PATCH {location} HTTP/1.1\r\n{expect}")).unwrap();
    wanted.answer("PATCH").unwrap().expect(100);
    wanted.send("content").unwrap();
    assert_eq!(wanted.answer("PATCH").unwrap().expect(202).expect_header("range"), "0-6");
}

#[test]
fn the_connection_of_a_client_that_stops_reading_is_ended() {
    for setup in [quick(300), quick(300).without_sendfile()] {
        let mut registry = TestRegistry::start();
        let digest = registry.client().push_blob("app", &bytes(8, 64 << 20));
        registry.restart_with(|patient| *patient = setup);
        let mut connection = registry.client().connect();
        connection.send(get(&digest, "")).unwrap();
        connection.read_exactly(1000).unwrap();
        eventually("the end of a connection that is not read", || open_connections(&registry) == 0);
        let rest = connection.read_to_end();
        assert!(rest.is_err() || rest.is_ok_and(|rest| rest.len() < 64 << 20), "all of it was sent");
    }
}

/// The number of open connections, without the one that asks.
fn open_connections(registry: &TestRegistry) -> u64 {
    let page = registry.client().get("/metrics").send().expect(200);
    let page = String::from_utf8(page.body).unwrap();
    let line = page.lines().find(|line| line.starts_with("hythe_http_connections")).unwrap().to_owned();
    line.rsplit(' ').next().unwrap().parse::<u64>().unwrap() - 1
}

#[test]
fn a_client_that_stops_sending_gets_408_and_its_session_keeps_the_received_bytes() {
    let registry = quick(300).start();
    let location = registry.client().start_upload("app");
    let mut connection = registry.client().connect();
    let head = format!("PATCH {location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n");
    connection.send(head + "only this").unwrap();
    let message = connection.answer("PATCH").unwrap().expect_error(408, ErrorCode::BlobUploadInvalid);
    assert!(message.contains("no byte"), "{message}");
    assert_eq!(registry.client().get(&location).send().expect(204).expect_header("range"), "0-8");
}

#[test]
fn a_client_that_sends_slowly_but_steadily_is_not_cut_off() {
    let registry = quick(2000).start();
    let location = registry.client().start_upload("app");
    let mut connection = registry.client().connect();
    connection
        .send(format!("PATCH {location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\n"))
        .unwrap();
    for _ in 0..8 {
        // Slow, but each pause is shorter than the timeout; all together are longer.
        thread::sleep(Duration::from_millis(350));
        connection.send("x").unwrap();
    }
    connection.answer("PATCH").unwrap().expect(202);
}

#[test]
fn a_connection_that_breaks_within_an_upload_leaves_a_session_to_continue() {
    let registry = TestRegistry::start();
    let (client, content) = (registry.client(), bytes(9, 3_000_000));
    for chunked in [true, false] {
        let location = client.start_upload("app");
        let mut connection = client.connect();
        let (coding, piece) = if chunked {
            (
                "Transfer-Encoding: chunked",
                [format!("{:x}\r\n", 2_000_000).as_bytes(), &content[..1_000_000]].concat(),
            )
        } else {
            ("Content-Length: 3000000", content[..1_000_000].to_vec())
        };
        connection.send(format!("PATCH {location} HTTP/1.1\r\nHost: localhost\r\n{coding}\r\n\r\n")).unwrap();
        connection.send(piece).unwrap();
        connection.stream().shutdown(Shutdown::Both).unwrap();
        drop(connection);
        // Maybe not all bytes arrived, but those that did are kept in order.
        let mut offset = 0;
        eventually("the saved part of the upload", || {
            let range = client.get(&location).send().expect(204).expect_header("range").to_owned();
            offset = range.trim_start_matches("0-").parse::<usize>().unwrap();
            offset > 0
        });
        let digest = hythe_oci::Digest::of(hythe_oci::Algorithm::Sha256, &content);
        client.put(&location).query("digest", digest).body(&content[offset + 1..]).send().expect(201);
        assert!(client.get(format!("/v2/app/blobs/{digest}")).send().expect(200).body == content);
    }
}

#[test]
fn a_client_that_reads_a_response_slowly_is_idle_only_afterwards() {
    let quick = |options: &mut hythe_server::ServerOptions| options.idle_timeout = Duration::from_millis(300);
    // More than the kernel's buffers hold.
    let content = bytes(1, 32 << 20);
    for setup in [
        TestRegistry::setup(),
        TestRegistry::setup().without_sendfile(),
        TestRegistry::setup().memory(),
        TestRegistry::setup().objects(),
    ] {
        let registry = setup.server(quick).start();
        let digest = registry.client().push_blob("app", &content);
        let mut slow = registry.client().connect();
        slow.send(get(&digest, "")).unwrap();
        // The client reads nothing for longer than the idle timeout.
        thread::sleep(Duration::from_secs(1));
        assert!(slow.answer("GET").unwrap().expect(200).body == content);
        assert!(until_closed(&mut slow) < Duration::from_secs(4));
    }
}

#[test]
fn a_head_that_does_not_end_is_cut_off_by_the_header_timeout() {
    let registry = quick(300).server(|options| options.idle_timeout = Duration::from_mins(1)).start();
    let mut silent = registry.client().connect();
    silent.send("GET /v2/ HTTP/1.1\r\n").unwrap();
    assert!(until_closed(&mut silent) < Duration::from_secs(4));
    // A byte now and then does not extend the timeout.
    let mut slow = registry.client().connect();
    slow.send("GET /v2/ HTTP/1.1\r\nX-Slow: ").unwrap();
    let started = Instant::now();
    while slow.send("x").is_ok() {
        assert!(started.elapsed() < Duration::from_secs(10), "a slow head is still accepted");
        thread::sleep(Duration::from_millis(50));
    }
    // Neither does an earlier request on the connection.
    let mut second = registry.client().connect();
    second.send(ping()).unwrap();
    second.answer("GET").unwrap().expect(200);
    second.send("GET /v2/ HT").unwrap();
    assert!(until_closed(&mut second) < Duration::from_secs(4));
}

#[test]
fn an_idle_connection_is_closed_by_the_idle_timeout() {
    let mut registry = TestRegistry::start();
    // More than the sockets buffer, so that the blob is sent in several turns.
    let digest = registry.client().push_blob("app", &bytes(10, 24 << 20));
    registry.restart_with(|patient| *patient = quick(400));
    let mut fresh = registry.client().connect();
    assert!(until_closed(&mut fresh) < Duration::from_secs(4));
    for request in [ping().to_owned(), get(&digest, ""), get(&digest, "").replacen("GET", "HEAD", 1)] {
        let mut used = registry.client().connect();
        used.stream().set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        used.send(&request).unwrap();
        used.answer(&request[..request.find(' ').unwrap()]).unwrap().expect(200);
        assert!(until_closed(&mut used) < Duration::from_secs(4), "{request}");
    }
}

#[test]
fn a_client_that_waits_less_than_the_idle_timeout_is_kept() {
    let registry = quick(2000).server(|options| options.header_timeout = Duration::from_millis(200)).start();
    let digest = registry.client().push_blob("app", &bytes(11, MANY));
    let mut connection = registry.client().connect();
    for request in [ping(), &get(&digest, ""), ping()] {
        // Longer than the header timeout, shorter than the idle timeout.
        thread::sleep(Duration::from_millis(500));
        connection.send(request).unwrap();
        connection.answer("GET").unwrap().expect(200);
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let registry = TestRegistry::setup().server(|options| options.max_header_size = 16 << 10).start();
    let mut large = registry.client().connect();
    let _ = large
        .send(format!("GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX-Large: {}\r\n\r\n", "x".repeat(20_000)));
    let message = large.answer("GET").unwrap().expect_error(431, ErrorCode::Unsupported);
    assert!(message.contains("16384"), "{message}");
    // A much larger head is not read to its end: the HTTP library itself answers.
    let mut huge = registry.client().connect();
    let _ =
        huge.send(format!("GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX-Huge: {}\r\n\r\n", "x".repeat(1 << 20)));
    huge.answer("GET").unwrap().expect(431);
    let mut many = registry.client().connect();
    let _ = many.send(format!("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-Many: x\r\n".repeat(500)));
    many.answer("GET").unwrap().expect(431);
    registry.client().get("/v2/").send().expect(200);
}

#[test]
fn two_lengths_of_one_body_smuggle_no_request() {
    let registry = TestRegistry::start();
    let hidden = "GET /v2/_catalog HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let both = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ];
    for lengths in both {
        let location = registry.client().start_upload("app");
        let mut connection = registry.client().connect();
        connection
            .send(format!("PATCH {location} HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n0\r\n\r\n{hidden}"))
            .unwrap();
        let answers = String::from_utf8(connection.read_to_end().unwrap()).unwrap();
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{lengths}: {answers}");
    }
    for lengths in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 6\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999999\r\n",
    ] {
        let location = registry.client().start_upload("app");
        let mut connection = registry.client().connect();
        let _ = connection
            .send(format!("PATCH {location} HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n0\r\n\r\n{hidden}"));
        let answers = String::from_utf8(connection.read_to_end().unwrap()).unwrap();
        assert!(answers.starts_with("HTTP/1.1 400"), "{lengths}: {answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{lengths}: {answers}");
    }
}

#[test]
fn bytes_that_are_not_http_are_refused_and_disturb_no_other_client() {
    let registry = TestRegistry::start();
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut connection = registry.client().connect();
        connection.send(nonsense).unwrap();
        let answer = connection.read_to_end().unwrap_or_default();
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{nonsense:?}");
    }
    registry.client().get("/v2/").send().expect(200);
}

#[test]
fn a_stop_lets_a_running_download_finish() {
    for setup in [TestRegistry::setup(), TestRegistry::setup().without_sendfile()] {
        let mut registry = setup.server(|options| options.drain_timeout = Duration::from_secs(30)).start();
        let content = bytes(12, 48 << 20);
        let digest = registry.client().push_blob("app", &content);
        let mut idle = registry.client().connect();
        idle.send(ping()).unwrap();
        idle.answer("GET").unwrap().expect(200);
        let mut connection = registry.client().connect();
        connection.send(get(&digest, "")).unwrap();
        let head = connection.read_exactly(1000).unwrap();
        let address = registry.address();
        let stopping = thread::spawn(move || registry.stop());
        until_closed(&mut idle);
        eventually("a stopping registry that accepts no connection", || {
            std::net::TcpStream::connect(address).is_err()
        });
        let rest = connection.read_to_end().unwrap();
        let start = head.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        assert!([&head[start..], &rest[..]].concat() == content);
        drop((idle, connection));
        stopping.join().unwrap();
    }
}

#[test]
fn a_stop_that_cuts_an_upload_saves_the_received_bytes() {
    let mut registry =
        TestRegistry::setup().server(|options| options.drain_timeout = Duration::from_millis(200)).start();
    let location = registry.client().start_upload("app");
    let mut connection = registry.client().connect();
    let head = format!("PATCH {location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n");
    connection.send(head).unwrap();
    connection.send(bytes(13, 2_000_000)).unwrap();
    let counters = registry.server().counters();
    eventually("the bytes of the body", || counters.received() == 2_000_000);
    registry.restart();
    let range = registry.client().get(&location).send().expect(204).expect_header("range").to_owned();
    assert_eq!(range, "0-1999999");
}

#[test]
#[cfg(target_os = "linux")]
fn clients_that_disconnect_leave_no_file_open() {
    for setup in [TestRegistry::setup(), TestRegistry::setup().without_sendfile()] {
        let registry = setup.start();
        let digest = registry.client().push_blob("app", &bytes(14, 16 << 20));
        let location = registry.client().start_upload("app");
        for _ in 0..20 {
            let mut download = registry.client().connect();
            download.send(get(&digest, "")).unwrap();
            download.read_exactly(10_000).unwrap();
            let mut upload = registry.client().connect();
            upload
                .send(format!(
                    "PATCH {location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf"
                ))
                .unwrap();
        }
        let open = || {
            let links = std::fs::read_dir("/proc/self/fd").unwrap();
            let links = links.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
            let content = ["blobs", "uploads"].map(|folder| registry.folder().join(folder));
            links.filter(|path| content.iter().any(|folder| path.starts_with(folder))).count()
        };
        eventually("no body under way", || registry.registry().active_uploads() == 0);
        // The open session may keep its file open.
        eventually("no file open but the session's", || open() <= 1);
        registry.client().delete(&location).send().expect(204);
        eventually("no file of content open", || open() == 0);
    }
}

#[test]
fn connections_above_the_limit_wait_for_their_turn() {
    let registry = TestRegistry::setup().server(|options| options.max_connections = 2).start();
    let mut held = [registry.client().connect(), registry.client().connect()];
    for connection in &mut held {
        connection.send(ping()).unwrap();
        connection.answer("GET").unwrap().expect(200);
    }
    let mut waiting = registry.client().connect();
    waiting.send(ping()).unwrap();
    waiting.stream().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(waiting.answer("GET").is_err(), "a third one was served");
    waiting.stream().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    drop(held);
    waiting.answer("GET").unwrap().expect(200);
}
