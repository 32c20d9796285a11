//! Eight clients that push and pull small images of a [`Population`] while something else happens, and how long their pushes
//! and pulls take.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hythe_oci::{Algorithm, Digest};

use crate::client::{Client, Response};
use crate::content::Content;
use crate::number::{Random, mix};
use crate::population::{BLOBS, Population, image_manifest};
use crate::repository::{MANIFEST, Repository, Way};

/// How many clients there are. Each sends its next request when it has its answer.
pub const CLIENTS: u64 = 8;

/// How many tags each client pushes in a repository. The images that they named before stay without a tag.
const TAGS: u64 = 16;

/// How many percent of the pushes use an unreferenced blob of the population if the registry says that it still has it.
const REUSED: u64 = 20;

/// The failures that are kept at most.
const FAILURES: usize = 100;

/// What the clients did.
#[derive(Debug, Default)]
pub struct Traffic {
    /// The time of each push of an image: a config, a layer and a manifest.
    pub pushes: Vec<Duration>,
    /// The time of each pull of an image.
    pub pulls: Vec<Duration>,
    /// The blobs that the pushed images use: repository and digest.
    pub blobs: Vec<(String, Digest)>,
    /// The requests that failed.
    pub failures: Vec<String>,
}

impl Traffic {
    /// Lets the clients work while `work` runs. Their choices depend on `seed`. After a push and a pull, each client pauses.
    pub fn during<T>(
        population: &Population,
        address: SocketAddr,
        seed: u64,
        pause: Duration,
        work: impl FnOnce() -> T,
    ) -> (Self, T) {
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    let ended = &ended;
                    let seed = mix(seed.wrapping_add(number));
                    scope.spawn(move || One::new(population, address, seed).run(ended, pause))
                })
                .collect();
            // Also if `work` panics: otherwise the scope would wait for the clients for ever.
            let end = Ending(&ended);
            let done = work();
            drop(end);
            let mut all = Self::default();
            for client in clients {
                let Self { pushes, pulls, blobs, failures } = client.join().expect("a client panicked");
                all.pushes.extend(pushes);
                all.pulls.extend(pulls);
                all.blobs.extend(blobs);
                all.failures.extend(failures);
            }
            (all, done)
        })
    }
}

struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A blob of an image: digest and size.
type Blob = (Digest, u64);

struct One<'a> {
    population: &'a Population,
    client: Client,
    random: Random,
    done: Traffic,
}

impl<'a> One<'a> {
    fn new(population: &'a Population, address: SocketAddr, seed: u64) -> Self {
        let (client, random) = (Client::new(address), Random::new(seed));
        Self { population, client, random, done: Traffic::default() }
    }

    fn run(mut self, ended: &AtomicBool, pause: Duration) -> Traffic {
        while !ended.load(Ordering::SeqCst) {
            let began = Instant::now();
            match self.push() {
                Ok(blobs) => {
                    self.done.pushes.push(began.elapsed());
                    self.done.blobs.extend(blobs);
                }
                Err(failure) => self.fail(failure),
            }
            let began = Instant::now();
            match self.pull() {
                Ok(()) => self.done.pulls.push(began.elapsed()),
                Err(failure) => self.fail(failure),
            }
            thread::sleep(pause);
        }
        self.done
    }

    fn fail(&mut self, failure: String) {
        if self.done.failures.len() < FAILURES {
            self.done.failures.push(failure);
        }
    }

    /// Pushes an image into a repository of the population. Returns the blobs that it uses.
    fn push(&mut self) -> Result<Vec<(String, Digest)>, String> {
        let number = self.random.draw();
        let garbage = number % self.population.garbage();
        let name = Population::repository(garbage);
        // Far from the seeds of the population.
        let config = Content::new(number | (1 << 63), 300);
        let config = self.push_blob(&name, &config)?;
        let layer = if self.random.chance(REUSED) {
            self.reuse(&name, &Population::unreferenced(garbage))?
        } else {
            self.push_blob(&name, &Content::new((number | (1 << 63)).wrapping_add(1), 4000))?
        };
        let tag = format!("pushed{}", number % TAGS);
        let manifest = image_manifest(&[config, layer]);
        let pushed = Repository::new(&mut self.client, &name).push_manifest(&tag, &manifest, MANIFEST);
        check(pushed, 201, || format!("PUT of manifest {name}:{tag}"))?;
        Ok(vec![(name.clone(), config.0), (name, layer.0)])
    }

    fn push_blob(&mut self, name: &str, content: &Content) -> Result<Blob, String> {
        let digest = content.digest();
        let pushed = Repository::new(&mut self.client, name).push_blob(content, &digest, Way::Put);
        check(pushed, 201, || format!("push of blob {digest} to {name}"))?;
        Ok((digest, content.len()))
    }

    /// Asks whether the repository has the blob, as clients do, and pushes it only if not.
    fn reuse(&mut self, name: &str, content: &Content) -> Result<Blob, String> {
        let digest = content.digest();
        let mut repository = Repository::new(&mut self.client, name);
        let path = repository.blob_path(&digest);
        let asked = repository.client().send("HEAD", &path, &[], crate::client::Body::Empty);
        match asked {
            Ok(Response { status: 404, .. }) => self.push_blob(name, content),
            asked => check(asked, 200, || format!("HEAD of {path}")).map(|_| (digest, content.len())),
        }
    }

    /// Pulls an image of the population.
    fn pull(&mut self) -> Result<(), String> {
        let image = self.random.within(0..self.population.images());
        let (name, tag) = (Population::repository(image), Population::tag(image));
        let contents: Vec<Content> = (0..BLOBS).map(|place| Population::blob(image, place)).collect();
        let blobs: Vec<Blob> = contents.iter().map(|content| (content.digest(), content.len())).collect();
        let pulled = Repository::new(&mut self.client, &name).manifest(&tag);
        let pulled = check(pulled, 200, || format!("GET of manifest {name}:{tag}"))?;
        if pulled.body != image_manifest(&blobs) {
            return Err(format!("{name}:{tag} is another manifest: {}", pulled.text()));
        }
        for (digest, _) in blobs {
            let path = format!("/v2/{name}/blobs/{digest}");
            let pulled = check(self.client.get(&path), 200, || format!("GET {path}"))?;
            let found = Digest::of(Algorithm::Sha256, &pulled.body);
            if found != digest {
                return Err(format!("GET {path}: the bytes have the digest {found}"));
            }
        }
        Ok(())
    }
}

fn check(response: io::Result<Response>, status: u16, what: impl Fn() -> String) -> Result<Response, String> {
    match response {
        Ok(response) if response.status == status => Ok(response),
        Ok(response) => {
            Err(format!("{}: expected {status}, got {}: {}", what(), response.status, response.text()))
        }
        Err(error) => Err(format!("{}: {error}", what())),
    }
}
