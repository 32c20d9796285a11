//! `kill -9` in the middle of a verification and of an eviction: nothing that was acknowledged is lost, no wrong byte is served
//! afterwards, and the next run ends the work.
//!
//! `HYTHE_KILL_ROUNDS` sets the number of kills of each kind. `HYTHE_KILL_SEED` repeats the choices of an earlier run, not
//! its timing.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use hythe_e2e::client::{Body, Client};
use hythe_e2e::image::push_random;
use hythe_e2e::number::{Random, fresh_seed, from_env, mix};
use hythe_e2e::repository::Repository;
use hythe_e2e::sample::Sample;
use hythe_e2e::server::Server;
use hythe_oci::Digest;
use serde_json::Value;

/// The name of the upstream.
const UPSTREAM: &str = "up.example";

/// How often a kill may come too late, for each that comes in time.
const TRIES: u64 = 4;

/// How many blobs are damaged in each round.
const DAMAGED: usize = 8;

/// How many images the cache has before each eviction, and the size of their layers.
const CACHED: u64 = 48;
const LAYER: u64 = 128 << 10;

/// What the registry may store: all images, but not the large one that each round pulls in addition.
const BUDGET: u64 = 14 << 20;
const LARGE: u64 = 10 << 20;

fn configuration(upstream: &Server, more: &str) -> String {
    let address = upstream.address();
    format!("[upstream]\nttl = \"1h\"\n[upstream.\"{UPSTREAM}\"]\nendpoints = [\"http://{address}\"]\n{more}")
}

/// Waits for something that a server does, as short a time as possible; false if it ends without it.
fn watch(mut condition: impl FnMut() -> bool, mut has_ended: impl FnMut() -> bool) -> bool {
    loop {
        let ended = has_ended();
        if condition() {
            return true;
        }
        if ended {
            return false;
        }
        thread::sleep(Duration::from_micros(200));
    }
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_mins(1), "timed out after a minute: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The files of a server's blobs.
fn files(server: &Server) -> Vec<PathBuf> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    list(&server.data().join("blobs/sha256")).iter().flat_map(|two| list(two)).collect()
}

/// The names of the files in quarantine.
fn quarantine(server: &Server) -> BTreeSet<String> {
    let entries = fs::read_dir(server.data().join("quarantine")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The digest of the blob with this file.
fn digest_of(file: &str) -> Digest {
    let hex = file.split('.').next().unwrap_or_default();
    format!("sha256:{hex}").parse().expect("files are named after digests")
}

/// Verifies everything; returns the digests of what is damaged.
fn verify(client: &mut Client) -> BTreeSet<Digest> {
    let (mut damaged, mut after) = (BTreeSet::new(), String::new());
    loop {
        let sent = client.send("POST", &format!("/api/verify{after}"), &[], Body::Empty);
        let slice = sent.expect("the server answers").expect(200, "a verification").json();
        let found = slice["damages"].as_array().into_iter().flatten();
        damaged.extend(found.filter_map(|damage| damage["digest"].as_str()?.parse::<Digest>().ok()));
        match slice["next"].as_str() {
            Some(next) => after = format!("?after={next}"),
            None => return damaged,
        }
    }
}

/// Changes a byte of a file, or cuts its last byte off.
fn damage(file: &Path, random: &mut Random) {
    let opened = fs::File::options().read(true).write(true).open(file).expect("the file is ours");
    let size = opened.metadata().expect("it is open").len();
    if random.chance(20) {
        opened.set_len(size - 1).expect("the file is ours");
        return;
    }
    let (at, mut byte) = (random.within(0..size), [0]);
    opened.read_exact_at(&mut byte, at).expect("it has this byte");
    opened.write_all_at(&[byte[0] ^ 0x10], at).expect("the file is ours");
}

#[test]
fn a_verification_that_is_killed_leaves_nothing_that_the_next_one_does_not_find() {
    let rounds = from_env("HYTHE_KILL_ROUNDS", 15);
    let seed = from_env("HYTHE_KILL_SEED", fresh_seed());
    println!("{rounds} rounds, HYTHE_KILL_SEED={seed}");
    let mut random = Random::new(seed);
    let upstream = Server::start();
    let mut server = Server::new().with_configuration(&configuration(&upstream, ""));
    server.run();
    // Pushed images, and images of the upstream.
    let sample = |number: u64| Sample::new(mix(seed ^ number), &[500_000, 100_000]);
    let (pushed, cached): (Vec<_>, Vec<_>) = ((0..12).map(sample).collect(), (12..18).map(sample).collect());
    let push = |images: &[Sample], to: &Server| {
        let mut client = to.client();
        for (number, image) in images.iter().enumerate() {
            image.push(&mut Repository::new(&mut client, &format!("kept/{number}")), "v1");
        }
    };
    let pull = |server: &Server, images: &[Sample], prefix: &str| {
        let mut client = server.client();
        for (number, image) in images.iter().enumerate() {
            let name = format!("{prefix}kept/{number}");
            assert_eq!(Repository::new(&mut client, &name).verify("v1"), image.digest, "{name}");
        }
    };
    push(&pushed, &server);
    push(&cached, &upstream);
    let prefix = format!("{UPSTREAM}/");
    pull(&server, &cached, &prefix);
    let blobs_of =
        |image: &Sample| -> BTreeSet<Digest> { image.layers.iter().copied().chain([image.id]).collect() };

    let (mut killed, mut tries) = (0, 0);
    while killed < rounds {
        tries += 1;
        assert!(tries <= rounds * TRIES, "only {killed} of {tries} verifications were killed");
        let mut all = files(&server);
        let mut damaged = BTreeSet::new();
        for _ in 0..DAMAGED {
            let file = all.swap_remove(random.within(0..all.len() as u64) as usize);
            damage(&file, &mut random);
            damaged.insert(file.file_name().expect("a file").to_string_lossy().into_owned());
        }
        let first = random.within(1..DAMAGED as u64 - 2) as usize;
        let mut client = server.client();
        let verifying = thread::spawn(move || client.send("POST", "/api/verify", &[], Body::Empty).is_ok());
        watch(|| quarantine(&server).len() >= first, || verifying.is_finished());
        server.kill();
        verifying.join().expect("the client only asks");
        let found = quarantine(&server);
        killed += u64::from(found.len() < DAMAGED && !found.is_empty());
        assert!(found.is_subset(&damaged), "{found:?} are in quarantine, and {damaged:?} are damaged");

        server.run();
        let broken: BTreeSet<Digest> = damaged.iter().map(|file| digest_of(file)).collect();
        for (number, image) in
            pushed.iter().enumerate().filter(|(_, image)| blobs_of(image).is_disjoint(&broken))
        {
            let mut client = server.client();
            let digest = Repository::new(&mut client, &format!("kept/{number}")).verify("v1");
            assert_eq!(digest, image.digest);
        }
        // The next verification finds all of it, and takes the rest out of service.
        let mut client = server.client();
        assert_eq!(verify(&mut client), broken);
        assert_eq!(quarantine(&server), damaged);
        for (number, image) in pushed.iter().enumerate() {
            let mut repository = Repository::new(&mut client, &format!("kept/{number}"));
            for blob in blobs_of(image).intersection(&broken) {
                let path = repository.blob_path(blob);
                repository.client().get(&path).expect("the server answers").expect(404, "a damaged blob");
            }
        }
        // Cached images heal by a pull, and pushed ones by a push.
        pull(&server, &cached, &prefix);
        push(&pushed, &server);
        pull(&server, &pushed, "");
        assert_eq!(verify(&mut client), BTreeSet::new());
        fs::remove_dir_all(server.data().join("quarantine")).expect("the folder is ours");
    }
    println!("in all: {killed} verifications were killed, of {tries}");
}

/// The file of the layer of a cached image. Asks the upstream for its digest, because a pull would make the image the last
/// one to go.
fn layer(upstream: &Server, server: &Server, tag: &str) -> PathBuf {
    let mut client = upstream.client();
    let mut repository = Repository::new(&mut client, "app");
    let manifest = repository.manifest(tag).expect("the server answers").expect(200, tag).json();
    let digest: Digest =
        manifest["layers"][0]["digest"].as_str().and_then(|digest| digest.parse().ok()).expect("a layer");
    let mut files = files(server).into_iter();
    files.find(|file| file.to_string_lossy().contains(&digest.hex())).expect("the layer is in the cache")
}

/// `/api/disk`.
fn disk(client: &mut Client) -> Value {
    client.get("/api/disk").expect("the server answers").expect(200, "the budget").json()
}

/// Pulls an image of the upstream whose layer must be in the cache.
fn hit(client: &mut Client, tag: &str, digest: Digest) {
    let mut repository = Repository::new(client, &format!("{UPSTREAM}/app"));
    assert_eq!(repository.verify(tag), digest);
    let manifest = repository.manifest(tag).expect("the server answers").expect(200, tag).json();
    let layer = manifest["layers"][0]["digest"].as_str().expect("a layer").parse().expect("a digest");
    let path = repository.blob_path(&layer);
    let response = repository.client().get(&path).expect("the server answers").expect(200, "a layer");
    assert_eq!(response.header("x-cache"), Some("hit"), "the image that a cluster runs was evicted");
}

#[test]
fn an_eviction_that_is_killed_loses_nothing_and_the_next_one_keeps_to_the_budget() {
    let rounds = from_env("HYTHE_KILL_ROUNDS", 15);
    let seed = from_env("HYTHE_KILL_SEED", fresh_seed());
    println!("{rounds} rounds, HYTHE_KILL_SEED={seed}");
    let mut random = Random::new(seed);
    let upstream = Server::start();
    let budget = format!("[disk]\nbudget = {BUDGET}\nfloor = 0\n");
    let mut server = Server::new().with_configuration(&configuration(&upstream, &budget));
    server.run();
    let mut push = |server: &Server, name: &str, tag: &str, size: u64| {
        push_random(&mut Repository::new(&mut server.client(), name), tag, random.draw(), &[size])
    };
    let local = push(&server, "local", "v1", 2 << 20);
    let running = push(&upstream, "app", "running", 1 << 20);
    let cached: Vec<(String, Digest)> = (0..CACHED)
        .map(|number| (format!("v{number}"), push(&upstream, "app", &format!("v{number}"), LAYER)))
        .collect();
    let pull =
        |client: &mut Client, tag: &str| Repository::new(client, &format!("{UPSTREAM}/app")).verify(tag);
    assert_eq!(pull(&mut server.client(), "running"), running);
    let digests = format!("{{\"digests\":[\"{running}\"]}}");
    let told = server.client().send("PUT", "/api/running/kind-e2e", &[], Body::Bytes(digests.as_bytes()));
    told.expect("the server answers").expect(200, "what a cluster runs");

    for (tag, digest) in &cached {
        assert_eq!(pull(&mut server.client(), tag), *digest, "{tag}");
    }
    let mut random = Random::new(mix(seed));
    let (mut killed, mut tries) = (0, 0);
    while killed < rounds {
        tries += 1;
        assert!(tries <= rounds * TRIES, "only {killed} of {tries} evictions were killed");
        let large = push_random(
            &mut Repository::new(&mut upstream.client(), "app"),
            &format!("large{tries}"),
            random.draw(),
            &[LARGE],
        );
        // The images go in the order in which they were pulled.
        let gone = random.within(0..CACHED / 2) as usize;
        let of = |place: usize| layer(&upstream, &server, &cached[place].0);
        let (first, last) = (of(gone), of(CACHED as usize - 8));
        let mut client = server.client();
        let tag = format!("large{tries}");
        let pulling = thread::spawn(move || {
            let mut repository = Repository::new(&mut client, &format!("{UPSTREAM}/app"));
            let Ok(answer) = repository.manifest(&tag) else { return };
            let manifest = answer.expect(200, &tag).json();
            let layer = manifest["layers"][0]["digest"].as_str().and_then(|digest| digest.parse().ok());
            let path = repository.blob_path(&layer.expect("a layer"));
            // The kill breaks the pull off.
            drop(repository.client().digest(&path));
        });
        watch(|| !first.exists(), || pulling.is_finished());
        server.kill();
        pulling.join().expect("the upstream's manifest is there");
        killed += u64::from(!first.exists() && last.exists());

        server.run();
        let mut client = server.client();
        assert_eq!(Repository::new(&mut client, "local").verify("v1"), local);
        hit(&mut client, "running", running);
        assert_eq!(pull(&mut client, &format!("large{tries}")), large);
        for (tag, digest) in &cached {
            assert_eq!(pull(&mut client, tag), *digest, "{tag}");
        }
        wait_for("the registry keeps to its budget", || {
            disk(&mut client)["stored_bytes"].as_u64() <= Some(BUDGET)
        });
        // No file is left behind that the catalog does not know, and none is gone that it knows.
        assert_eq!(verify(&mut client), BTreeSet::new());
        wait_for("each blob has one file", || {
            let sent = client.send("POST", "/api/verify", &[], Body::Empty).expect("the server answers");
            sent.expect(200, "a verification").json()["total"]["blobs"].as_u64()
                == Some(files(&server).len() as u64)
        });
    }
    println!("in all: {killed} evictions were killed, of {tries}");
}
