//! `kill -9` in the middle of a download: hythe never serves an incomplete blob.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use hythe_e2e::client::{Body, Client, read_head};
use hythe_e2e::content::Content;
use hythe_e2e::image::push_random;
use hythe_e2e::link::Link;
use hythe_e2e::number::fresh_seed;
use hythe_e2e::repository::Repository;
use hythe_e2e::server::Server;
use hythe_e2e::upstream::{Access, Upstream};
use rustix::process::Signal;

use crate::crane::Crane;
use crate::puller::Puller;

const MIB: u64 = 1 << 20;

/// The size of the image's only layer, in bytes.
const SIZE: u64 = 200 * MIB;

/// How many bytes a client has when the server is killed: a few, half of them, and all but the last piece.
const KILLS: [u64; 3] = [5 * MIB, 110 * MIB, 199 * MIB];

/// The upstream's speed, in bytes per second.
const PACE: u64 = 64 * MIB;

/// How many bytes before a kill the upstream slows down, and its speed from then on in bytes per second: so a kill that
/// is a little late still interrupts the download.
const BRAKES: u64 = 4 * MIB;
const SLOW: u64 = 4 * MIB;

#[test]
fn a_blob_whose_download_was_killed_is_not_served_until_it_is_whole() {
    let mut upstream = Upstream::start(Access::Anonymous);
    let seed = fresh_seed();
    let blob = Content::new(seed, SIZE).digest();
    let mut image = None;
    upstream.fill("team/large", |repository| image = Some(push_random(repository, "v1", seed, &[SIZE])));
    let image = image.expect("it was pushed");
    let link = Link::to(upstream.address());
    let text = format!("[upstream.\"up.example\"]\nendpoints = [\"http://{}\"]\n", link.address());
    let mut hythe = Server::new().with_configuration(&text);
    hythe.run();
    let name = "up.example/team/large";
    let path = format!("/v2/{name}/blobs/{blob}");

    for at in KILLS {
        link.set_pace(PACE);
        thread::scope(|scope| {
            let crane = scope.spawn(|| Crane::new(&hythe).pull(&format!("{name}:v1")).is_ok());
            let mut download = download(&hythe.client(), &path).expect("the download begins");
            let mut take = |length| io::copy(&mut (&mut download).take(length), &mut io::sink());
            assert_eq!(take(at - BRAKES).expect("hythe streams the bytes that arrive"), at - BRAKES);
            link.set_pace(SLOW);
            assert_eq!(take(BRAKES).expect("hythe streams the bytes that arrive"), BRAKES);
            hythe.signal(Signal::KILL);
            // A client that has every byte now would have got bytes that hythe had not verified yet.
            let rest = take(SIZE).unwrap_or_default();
            assert!(at + rest < SIZE, "the last byte arrived although the upstream had not sent it");
            assert!(!crane.join().expect("it does not panic"), "crane accepted half a blob");
        });
        hythe.wait(Duration::from_secs(30));
        // While the upstream is stopped, hythe has no complete blob to serve.
        upstream.stop();
        hythe.run();
        for method in ["HEAD", "GET"] {
            let answer = hythe.client().send(method, &path, &[], Body::Empty);
            let answer = answer.expect("hythe answers");
            println!("killed at {} MiB, {method}: {} {}", at / MIB, answer.status, answer.text());
            assert!(answer.status >= 400, "{method} of a partly stored blob: {answer:?}");
        }
        upstream.run();
        // A restart clears the upstream's failures, so that hythe asks it again at once.
        hythe.kill();
        hythe.run();
    }
    link.set_pace(0);

    let passed = link.passed();
    match Crane::new(&hythe).pull(&format!("{name}:v1")) {
        Ok(digest) => assert_eq!(digest, image),
        Err(output) => panic!("the pull after the kills: {output:?}"),
    }
    println!("the pull after the kills took {} MiB from the upstream", (link.passed() - passed) / MIB);
    upstream.stop();
    assert_eq!(Repository::new(&mut hythe.client(), name).verify(&image.to_string()), image);
}

/// Sends a GET for `path`, and reads the head of the answer.
fn download(client: &Client, path: &str) -> io::Result<BufReader<TcpStream>> {
    let mut connection = BufReader::new(client.connect()?);
    connection.get_mut().write_all(&client.head("GET", path, &[], 0))?;
    read_head(&mut connection)?.expect(200, path);
    Ok(connection)
}
