//! Garbage collection of a registry with many small blobs, half of them garbage, while eight clients push and pull: all garbage
//! and only garbage is gone, no request fails, and the server's memory stays bounded.
//!
//! `HYTHE_COLLECTION_BLOBS` is the number of blobs. `HYTHE_COLLECTION_SEED` repeats the clients' choices, not their timing.

use std::time::Duration;

use hythe_e2e::client::Body;
use hythe_e2e::number::{fresh_seed, from_env};
use hythe_e2e::population::{Population, before_the_grace_period};
use hythe_e2e::server::Server;
use hythe_e2e::traffic::Traffic;

/// The pause of a client between two images: the collector of a build for tests needs a part of the two cores.
const PAUSE: Duration = Duration::from_millis(200);

/// How much the memory of the server may grow, in bytes, however many blobs there are.
const GROWTH: u64 = 32 << 20;

#[test]
fn a_collection_beside_eight_clients_removes_all_garbage_and_only_garbage() {
    let seed = from_env("HYTHE_COLLECTION_SEED", fresh_seed());
    let population = Population::new(from_env("HYTHE_COLLECTION_BLOBS", 100_000));
    println!("{} blobs, HYTHE_COLLECTION_SEED={seed}", 2 * population.garbage());
    let mut server = Server::new();
    population.write(server.data(), before_the_grace_period());
    server.run();

    let before = server.peak();
    let (traffic, collected) = Traffic::during(&population, server.address(), seed, PAUSE, || {
        let mut client = server.client().with_patience(Duration::from_mins(10));
        client.send("POST", "/api/gc", &[], Body::Empty).expect("the server answers")
    });
    let grown = server.peak().saturating_sub(before);
    let collected = collected.expect(200, "POST /api/gc").json();
    println!(
        "{} blobs removed during {} pushes and {} pulls; memory grew by {} KiB",
        collected["blobs"],
        traffic.pushes.len(),
        traffic.pulls.len(),
        grown >> 10
    );
    assert!(traffic.failures.is_empty(), "{:#?}", traffic.failures);
    assert!(!traffic.pushes.is_empty() && !traffic.pulls.is_empty(), "the clients did nothing");
    assert!(grown <= GROWTH, "the server's memory grew by {grown} bytes");

    assert!(server.terminate(Duration::from_secs(30)).success());
    let differences = population.differences(server.data(), &traffic.blobs);
    assert!(differences.is_empty(), "{differences:#?}");
}
