//! A disk budget under a working set that moves on: what is stored stays within it, and what is used stays in the cache.
//!
//! `HYTHE_E2E_BUDGET` and `HYTHE_E2E_PULLED`, both in MiB, set the size: 2048 and 51200 for a long run.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use hythe_e2e::client::{Body, Client};
use hythe_e2e::disk::Disk;
use hythe_e2e::image::push_random;
use hythe_e2e::number::{Random, fresh_seed, from_env};
use hythe_e2e::repository::Repository;
use hythe_e2e::server::Server;
use hythe_oci::Digest;

use super::MIB;

/// The name of the upstream.
const UPSTREAM: &str = "up.example";

/// What the data folder has beside what the budget counts: the reserve's file, the catalog's log, and folders.
const BESIDE: u64 = 24 * MIB;

/// How many images a client uses at a time, as a multiple of those that the budget has room for, in percent.
const WORKING_SET: u64 = 120;

/// An image of the upstream.
struct Image {
    tag: String,
    size: u64,
}

#[test]
fn a_working_set_that_moves_on_stays_within_the_budget_and_hits_as_often_as_an_ideal_cache() {
    let (budget, pulled) =
        (from_env("HYTHE_E2E_BUDGET", 512) * MIB, from_env("HYTHE_E2E_PULLED", 5000) * MIB);
    let mut numbers = Random::new(fresh_seed());
    let upstream = Server::start();
    let disk = Disk::ext4(budget / MIB * 5 / 4 + 256);
    let before = disk.used();
    let text = format!(
        "[disk]\nbudget = {budget}\nfloor = 0\n[upstream]\nttl = \"1h\"\n[upstream.\"{UPSTREAM}\"]\nendpoints = [\"http://{}\"]\n",
        upstream.address()
    );
    let mut hythe = Server::new().with_configuration(&text).with_data(&disk.path().join("data"));
    hythe.run();
    let most = Arc::new(AtomicU64::new(0));
    let watching = watch(&disk, &most);

    let (mut images, mut sizes) = (VecDeque::<Image>::new(), 0);
    let mut ideal = Ideal { room: budget, stored: 0, images: VecDeque::new() };
    let (mut pulls, mut hits, mut ideal_hits, mut bytes, mut made) = (0_u64, 0_u64, 0_u64, 0, 0);
    let mut client = hythe.client();
    // A cluster runs this image and never pulls it again.
    let running = push(&mut upstream.client(), u64::MAX, &mut numbers);
    let mut largest = running.size;
    assert!(!pull(&mut client, &running));
    keep(&mut client, &running);
    ideal.room -= running.size;
    while bytes < pulled {
        // Every few pulls the working set gains an image and loses its oldest.
        while sizes < budget * WORKING_SET / 100 || pulls > made * 4 {
            let image = push(&mut upstream.client(), made, &mut numbers);
            largest = largest.max(image.size);
            made += 1;
            sizes += image.size;
            images.push_back(image);
            while sizes > budget * (WORKING_SET + 10) / 100 {
                sizes -= images.pop_front().map_or(0, |image| image.size);
            }
        }
        // Recent images are used more often than old ones.
        let count = images.len() as u64;
        let at = count - 1 - numbers.within(0..count).min(numbers.within(0..count));
        let image = &images[at as usize];
        hits += u64::from(pull(&mut client, image));
        ideal_hits += u64::from(ideal.pull(image));
        pulls += 1;
        bytes += image.size;
    }
    watching.end();
    assert!(pull(&mut client, &running), "the image that a cluster runs was evicted");
    let most = most.load(Ordering::Relaxed).saturating_sub(before);
    let report = format!(
        "{pulls} pulls of {} MiB over {made} images: {hits} hits, {ideal_hits} of an ideal LRU; at most {} MiB on the disk with a \
         budget of {} MiB and images up to {} MiB",
        bytes / MIB,
        most / MIB,
        budget / MIB,
        largest / MIB
    );
    println!("{report}");
    assert!(most <= budget + largest + BESIDE, "more than the budget and one image: {report}");
    assert!(hits * 100 >= ideal_hits * 95, "fewer hits than 95 % of the ideal: {report}");
}

/// Watches how much of the disk is used.
struct Watching(Arc<AtomicBool>, Option<thread::JoinHandle<()>>);

impl Watching {
    fn end(mut self) {
        self.0.store(true, Ordering::Relaxed);
        if let Some(thread) = self.1.take() {
            thread.join().expect("the disk is mounted");
        }
    }
}

fn watch(disk: &Disk, most: &Arc<AtomicU64>) -> Watching {
    let (ended, most, path) = (Arc::new(AtomicBool::new(false)), Arc::clone(most), disk.path().to_owned());
    let end = Arc::clone(&ended);
    let thread = thread::spawn(move || {
        while !end.load(Ordering::Relaxed) {
            let figures = rustix::fs::statvfs(&path).expect("it is mounted");
            most.fetch_max((figures.f_blocks - figures.f_bfree) * figures.f_frsize, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(2));
        }
    });
    Watching(ended, Some(thread))
}

/// Pushes an image of 2 to 26 MiB to the upstream.
fn push(client: &mut Client, number: u64, numbers: &mut Random) -> Image {
    let mut repository = Repository::new(client, "app");
    let size = numbers.within(2 * MIB..26 * MIB);
    let tag = format!("v{number}");
    push_random(&mut repository, &tag, fresh_seed(), &[size]);
    Image { tag, size }
}

/// Pulls an image by its tag, and verifies every byte. Returns whether its layer was in the cache.
fn pull(client: &mut Client, image: &Image) -> bool {
    let mut repository = Repository::new(client, &format!("{UPSTREAM}/app"));
    let response = repository.manifest(&image.tag).expect("the server answers");
    let manifest = response.expect(200, &image.tag).json();
    let mut is_hit = false;
    for blob in [&manifest["config"], &manifest["layers"][0]] {
        let digest: Digest =
            blob["digest"].as_str().and_then(|digest| digest.parse().ok()).expect("a digest");
        let path = repository.blob_path(&digest);
        let (response, found) = repository.client().digest(&path).expect("the server answers");
        is_hit = response.header("x-cache") == Some("hit");
        response.expect(200, "a blob");
        assert_eq!(found, digest);
    }
    is_hit
}

/// Tells the registry that a cluster runs an image.
fn keep(client: &mut Client, image: &Image) {
    let response = Repository::new(client, &format!("{UPSTREAM}/app")).manifest(&image.tag);
    let response = response.expect("the server answers").expect(200, &image.tag);
    let digest = response.header("docker-content-digest").expect("a digest");
    let list = format!("{{\"digests\":[\"{digest}\"]}}");
    let told = client.send("PUT", "/api/running/kind-e2e", &[], Body::Bytes(list.as_bytes()));
    told.expect("the server answers").expect(200, "what a cluster runs");
}

/// A cache of whole images that knows nothing but the order of their uses.
struct Ideal {
    room: u64,
    stored: u64,
    /// The most recently used last.
    images: VecDeque<(String, u64)>,
}

impl Ideal {
    /// Pulls an image; returns whether it was in the cache.
    fn pull(&mut self, image: &Image) -> bool {
        let at = self.images.iter().position(|(tag, _)| *tag == image.tag);
        let found = at.and_then(|at| self.images.remove(at));
        if found.is_none() {
            self.stored += image.size;
        }
        self.images.push_back((image.tag.clone(), image.size));
        while self.stored > self.room {
            self.stored -= self.images.pop_front().map_or(0, |(_, size)| size);
        }
        found.is_some()
    }
}
