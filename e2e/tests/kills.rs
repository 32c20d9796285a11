//! `kill -9` at random moments while clients push: acknowledged content survives, and visible content is complete.
//!
//! `HYTHE_KILL_ROUNDS` sets the number of kills. `HYTHE_KILL_SEED` repeats the choices of an earlier run, not its
//! timing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hythe_e2e::client::Client;
use hythe_e2e::ledger::Ledger;
use hythe_e2e::number::{Random, fresh_seed, from_env, mix};
use hythe_e2e::pusher::Pusher;
use hythe_e2e::repository::{Repository, catalog};
use hythe_e2e::server::Server;

const PUSHERS: u64 = 8;

#[test]
fn acknowledged_content_survives_kill_9_under_eight_pushers() {
    survives("always");
}

#[test]
fn acknowledged_content_survives_kill_9_with_writes_through_the_page_cache() {
    survives("never");
}

/// `direct` is the value of `upload.direct`: whether uploads bypass the page cache.
fn survives(direct: &str) {
    let rounds = from_env("HYTHE_KILL_ROUNDS", 15);
    let seed = from_env("HYTHE_KILL_SEED", fresh_seed());
    println!("{rounds} rounds, upload.direct={direct}, HYTHE_KILL_SEED={seed}");
    let mut random = Random::new(seed);
    let mut server = Server::new().with_setting("HYTHE_UPLOAD_DIRECT", direct);
    server.run();
    let mut all = Ledger::default();
    for round in 0..rounds {
        let doomed = AtomicBool::new(false);
        let ledgers = thread::scope(|scope| {
            let pushers: Vec<_> = (0..PUSHERS)
                .map(|number| {
                    let name = format!("kill/p{number}");
                    let tags = all.tags.iter().filter(|((repository, _), _)| *repository == name);
                    let tags = tags.map(|(key, state)| (key.clone(), state.clone())).collect();
                    let choices = mix(seed ^ (round * PUSHERS + number));
                    let pusher = Pusher::new(server.client(), &name, choices, tags, &doomed);
                    scope.spawn(move || pusher.run())
                })
                .collect();
            thread::sleep(Duration::from_micros(random.within(20_000..600_000)));
            doomed.store(true, Ordering::SeqCst);
            server.kill();
            pushers
                .into_iter()
                .map(|pusher| pusher.join().expect("a pusher failed, see above"))
                .collect::<Vec<_>>()
        });
        server.run();
        let mut client = server.client();
        let mut fresh = Ledger::default();
        for ledger in ledgers {
            fresh.extend(ledger);
        }
        println!("round {round}: {}", fresh.summary());
        fresh.verify(&mut client);
        fresh.settle(&mut client);
        all.extend(fresh);
        // Some sessions wait for a later round, to survive several kills.
        let (now, later) =
            all.sessions.drain(..).partition::<Vec<_>, _>(|_| round + 1 == rounds || random.chance(60));
        all.sessions = later;
        all.blobs.extend(now.iter().filter_map(|session| session.resume(&mut client)));
        verify_listed(&mut client);
    }
    println!("in all: upload.direct={direct}: {}", all.summary());
    assert!(all.blobs.len() as u64 > rounds, "the clients completed too few uploads: {}", all.summary());
    all.verify(&mut server.client());
}

/// Asserts that every tag of every listed repository names a manifest with all of its blobs.
fn verify_listed(client: &mut Client) {
    let mut seen = BTreeSet::new();
    for name in catalog(client) {
        let mut repository = Repository::new(client, &name);
        for tag in repository.tags() {
            let digest = repository.manifest(&tag).expect("the server answers").expect(200, "a listed tag");
            if seen.insert((name.clone(), digest.body)) {
                repository.verify(&tag);
            }
        }
    }
}
