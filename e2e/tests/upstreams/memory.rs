//! Measures the memory that the server takes for the longest possible lists of upstreams and for pushes of manifests
//! that never end, all at once. It also prints how long other requests wait meanwhile.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hythe_e2e::server::Server;
use hythe_oci::{Algorithm, Digest};

const MIB: u64 = 1 << 20;

/// The most memory that all lists and manifests together may take beyond that of an idle server, in bytes.
const MOST: u64 = 64 * MIB;

/// The number of clients that ask for a list at once.
const CLIENTS: usize = 8;

/// The number of manifest pushes that begin and never end.
const PUSHES: usize = 150;

/// The size of a manifest that a push announces, in bytes: `manifest.max-size`.
const MANIFEST: usize = 4 << 20;

/// Sends all of a manifest but its last byte, as far as the server accepts it. The push stays open as long as the
/// connection is kept.
fn push_without_end(server: SocketAddr, number: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server).expect("the server listens");
    stream.set_write_timeout(Some(Duration::from_secs(1))).expect("no time is 0");
    let head = format!(
        "PUT /v2/app{number}/manifests/v1 HTTP/1.1\r\nHost: {server}\r\n\
         Content-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: {MANIFEST}\r\n\r\n"
    );
    // The server accepts some of them, and refuses others or lets them wait.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&vec![b' '; MANIFEST - 1]));
    stream
}

/// A registry that serves only lists, each just below the size limit that hythe reads.
fn lists() -> SocketAddr {
    let tags = format!(r#"{{"name":"app","tags":[{}"z"]}}"#, r#""a","#.repeat((16 << 20) / 4 - 20));
    let entries = |annotations: &str| {
        let mut index = r#"{"schemaVersion":2,"manifests":["#.to_owned();
        let mut number = 0_u32;
        while index.len() < (8 << 20) - 4096 {
            let digest = Digest::of(Algorithm::Sha256, &number.to_be_bytes());
            let comma = if number == 0 { "" } else { "," };
            write!(index, r#"{comma}{{"digest":"{digest}","mediaType":"a/b","size":1{annotations}}}"#)
                .expect("a string takes text");
            number += 1;
        }
        index + "]}"
    };
    let mut many = String::new();
    for key in 0..80 {
        write!(many, r#""{key}":"","#).expect("a string takes text");
    }
    let heavy = entries(&format!(r#","annotations":{{{many}"x":""}}"#));
    let answers =
        Arc::new([("/tags/list", tags), ("/light/referrers/", entries("")), ("/heavy/referrers/", heavy)]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let answers = Arc::clone(&answers);
            thread::spawn(move || answer(stream, &answers[..]));
        }
    });
    address
}

/// Answers one request after the other, until the client leaves.
fn answer(mut stream: TcpStream, answers: &[(&str, String)]) -> Option<()> {
    let mut head = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        head.clear();
        let target = text.split(' ').nth(1)?;
        let found = answers.iter().find(|(path, _)| target.contains(path)).map(|(_, body)| body.as_str());
        let status = if found.is_some() { "200 OK" } else { "404 Not Found" };
        let body = found.unwrap_or_default();
        let kind = "application/vnd.oci.image.index.v1+json";
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body.as_bytes()).ok()?;
    }
}

#[test]
fn upstreams_longest_lists_and_unfinished_manifests_together_take_little_memory() {
    let upstream = lists();
    let text = format!("[upstream.\"up.example\"]\nendpoints = [\"http://{upstream}\"]\n");
    let mut server = Server::new().with_configuration(&text);
    server.run();
    for _ in 0..100 {
        server.client().get("/v2/").expect("the server answers");
    }
    server.forget_peak();
    let idle = server.peak();
    let subject = Digest::of(Algorithm::Sha256, b"subject");
    let done = AtomicBool::new(false);
    let address = server.address();
    let (longest, unfinished) = thread::scope(|scope| {
        let pushes: Vec<_> =
            (0..PUSHES).map(|number| scope.spawn(move || push_without_end(address, number))).collect();
        let others = scope.spawn(|| {
            let (mut client, mut longest) = (server.client(), Duration::ZERO);
            while !done.load(Ordering::Relaxed) {
                let began = Instant::now();
                client.get("/v2/").expect("the server answers").expect(200, "a request beside the lists");
                longest = longest.max(began.elapsed());
                thread::sleep(Duration::from_millis(1));
            }
            longest
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let server = &server;
                scope.spawn(move || {
                    let mut client = server.client();
                    let path = match number % 3 {
                        0 => "app/tags/list".to_owned(),
                        1 => format!("light/referrers/{subject}"),
                        _ => format!("heavy/referrers/{subject}"),
                    };
                    let answer = client.get(&format!("/v2/up.example/{path}")).expect("the server answers");
                    answer.expect(200, "a list of an allowed length");
                })
            })
            .collect();
        for client in clients {
            client.join().expect("a client failed, see above");
        }
        done.store(true, Ordering::Relaxed);
        let longest = others.join().expect("the request beside the lists failed, see above");
        let pushes: Vec<_> =
            pushes.into_iter().map(|push| push.join().expect("a push failed, see above")).collect();
        (longest, pushes)
    });
    let more = server.peak().saturating_sub(idle);
    drop(unfinished);
    println!(
        "{CLIENTS} clients, a list each, and {PUSHES} manifests: {} MiB above the {} MiB of an idle server; GET /v2/ took at \
         most {longest:?}",
        more / MIB,
        idle / MIB
    );
    assert!(more <= MOST, "{} MiB", more / MIB);
}
