//! A registry full of small repositories, and one that has many tags.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hythe_oci::{Algorithm, Digest};

use crate::client::{Client, Framing};
use crate::error::{Error, Result};
use crate::image::{MANIFEST, manifest_path};
use crate::random::Random;
use crate::source::{Payload, Source};

/// The repository that has many tags; its name comes after all others.
pub(crate) const MANY: &str = "scale/many";

/// How many push at once, so that many pushes share one commit.
const CONNECTIONS: usize = 64;

/// Tags that one request sets: the most that a registry has to take is ten, hythe takes a hundred.
const BATCH: usize = 100;

/// What a registry is to hold.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    /// Names of the small repositories, sorted.
    names: Vec<String>,
    /// Tags of each.
    tags: usize,
    /// Tags of [`MANY`].
    many: usize,
}

/// One request: a manifest, and tags for it.
struct Push {
    repository: String,
    tags: Vec<String>,
}

impl Population {
    /// So many repositories of so many tags each, and `many` tags in one more.
    pub(crate) fn new(repositories: usize, tags: usize, many: usize) -> Self {
        let mut names: Vec<_> = (0..repositories)
            .map(|number| format!("scale/{:02}/repository-{number:07}", number % 20))
            .collect();
        names.sort_unstable();
        Self { names, tags, many }
    }

    /// All repositories as the catalog lists them: `length` of them, those `skipped` at the start left out.
    pub(crate) fn listed(&self, skipped: usize, length: usize) -> Vec<String> {
        let all = self.names.iter().map(String::as_str).chain([MANY]);
        all.skip(skipped).take(length).map(str::to_owned).collect()
    }

    /// How many that are.
    pub(crate) fn len(&self) -> usize {
        self.names.len() + 1
    }

    /// How many tags [`MANY`] has.
    pub(crate) fn many(&self) -> usize {
        self.many
    }

    /// One of the small repositories.
    pub(crate) fn any_repository(&self, random: &mut Random) -> &str {
        &self.names[random.below(self.names.len())]
    }

    /// The page of `n` repositories after the first `skipped`.
    pub(crate) fn catalog_page(&self, n: usize, skipped: usize) -> String {
        match skipped {
            0 => format!("/v2/_catalog?n={n}"),
            _ => format!("/v2/_catalog?n={n}&last={}", self.names[skipped - 1]),
        }
    }

    /// The page of `n` tags of [`MANY`] after the first `skipped`.
    pub(crate) fn many_page(n: usize, skipped: usize) -> String {
        match skipped {
            0 => format!("/v2/{MANY}/tags/list?n={n}"),
            _ => format!("/v2/{MANY}/tags/list?n={n}&last={}", tag(skipped - 1)),
        }
    }

    /// A manifest by tag, of any small repository.
    pub(crate) fn any_manifest(&self, random: &mut Random) -> String {
        manifest_path(self.any_repository(random), &tag(random.below(self.tags)))
    }

    /// Pushes all of it to the server on `port`, in no order: a registry is not filled in that of its names.
    pub(crate) fn push(&self, source: &Source, port: u16) -> Result<()> {
        let mut random = Random::new(1);
        let tags: Vec<_> = (0..self.tags).collect();
        let small = self.names.iter().flat_map(|name| batches(name, &tags));
        let mut many: Vec<_> = (0..self.many).collect();
        random.shuffle(&mut many);
        let mut pushes: Vec<_> = small.chain(batches(MANY, &many)).collect();
        random.shuffle(&mut pushes);
        let (next, pushes) = (AtomicUsize::new(0), &pushes);
        thread::scope(|scope| {
            let threads: Vec<_> = (0..CONNECTIONS)
                .map(|_| {
                    let next = &next;
                    scope.spawn(move || -> Result<()> {
                        let mut client = Client::connect(port)?;
                        while let Some(push) = pushes.get(next.fetch_add(1, Ordering::Relaxed)) {
                            push.send(source, &mut client)?;
                        }
                        Ok(())
                    })
                })
                .collect();
            threads.into_iter().try_for_each(|one| {
                one.join().map_err(|_| Error::Setup("a thread that pushes panicked".to_owned()))?
            })
        })
    }
}

/// Of one length, so that bytes and text order are the order of the numbers.
pub(crate) fn tag(number: usize) -> String {
    format!("v{number:07}")
}

fn batches(repository: &str, tags: &[usize]) -> Vec<Push> {
    let push = |tags: &[usize]| Push {
        repository: repository.to_owned(),
        tags: tags.iter().map(|number| tag(*number)).collect(),
    };
    tags.chunks(BATCH).map(push).collect()
}

impl Push {
    /// By digest, with the tags in the query. The blob is not there, which the registry warns of and takes: a listing
    /// does not look at blobs. Each repository's manifest is its own, so that none is found in memory for another's.
    fn send(&self, source: &Source, client: &mut Client) -> Result<()> {
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.empty.v1+json",
                "digest": Digest::of(Algorithm::Sha256, b"{}"),
                "size": 2,
            },
            "layers": [],
            "annotations": {"org.opencontainers.image.title": self.repository},
        });
        let payload = Payload::small(source, manifest.to_string().into_bytes());
        let target = manifest_path(&self.repository, &payload.digest.to_string());
        let target = format!("{target}?tag={}", self.tags.join("&tag="));
        client.send("PUT", &target, MANIFEST, Framing::Sized, &payload, 201).map(drop)
    }
}
