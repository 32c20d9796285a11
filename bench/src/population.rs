//! The content of a registry with many small repositories, and one repository with many tags.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hythe_oci::{Algorithm, Digest};

use crate::client::{Client, Framing};
use crate::error::{Error, Result};
use crate::image::{MANIFEST, manifest_path};
use crate::random::Random;
use crate::random_file::{Payload, RandomFile};

/// The repository with many tags. Its name sorts after all others.
pub(crate) const MANY: &str = "scale/many";

/// Number of connections that push at once, so that many pushes share one commit.
const CONNECTIONS: usize = 64;

/// Tags that one request sets. The specification requires registries to accept ten; hythe accepts a hundred.
const BATCH: usize = 100;

/// The content of a registry.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    /// Names of the small repositories, sorted.
    names: Vec<String>,
    /// Tags of each small repository.
    tags: usize,
    /// Tags of [`MANY`].
    many: usize,
}

/// One request: a manifest and its tags.
struct Push {
    repository: String,
    tags: Vec<String>,
}

impl Population {
    /// `repositories` small repositories with `tags` tags each, and [`MANY`] with `many` tags.
    pub(crate) fn new(repositories: usize, tags: usize, many: usize) -> Self {
        let mut names: Vec<_> = (0..repositories)
            .map(|number| format!("scale/{:02}/repository-{number:07}", number % 20))
            .collect();
        names.sort_unstable();
        Self { names, tags, many }
    }

    /// `length` repositories in the order of the catalog, after the first `skipped`.
    pub(crate) fn listed(&self, skipped: usize, length: usize) -> Vec<String> {
        let all = self.names.iter().map(String::as_str).chain([MANY]);
        all.skip(skipped).take(length).map(str::to_owned).collect()
    }

    /// Number of all repositories.
    pub(crate) fn len(&self) -> usize {
        self.names.len() + 1
    }

    /// Number of tags of [`MANY`].
    pub(crate) fn many(&self) -> usize {
        self.many
    }

    /// A random small repository.
    pub(crate) fn any_repository(&self, random: &mut Random) -> &str {
        &self.names[random.below(self.names.len())]
    }

    /// The path of the page of `n` repositories after the first `skipped`.
    pub(crate) fn catalog_page(&self, n: usize, skipped: usize) -> String {
        match skipped {
            0 => format!("/v2/_catalog?n={n}"),
            _ => format!("/v2/_catalog?n={n}&last={}", self.names[skipped - 1]),
        }
    }

    /// The path of the page of `n` tags of [`MANY`] after the first `skipped`.
    pub(crate) fn many_page(n: usize, skipped: usize) -> String {
        match skipped {
            0 => format!("/v2/{MANY}/tags/list?n={n}"),
            _ => format!("/v2/{MANY}/tags/list?n={n}&last={}", tag(skipped - 1)),
        }
    }

    /// The path of a manifest by tag, of a random small repository.
    pub(crate) fn any_manifest(&self, random: &mut Random) -> String {
        manifest_path(self.any_repository(random), &tag(random.below(self.tags)))
    }

    /// Pushes all content to the server on `port`, in random order: real clients do not push in the order of names.
    pub(crate) fn push(&self, source: &RandomFile, port: u16) -> Result<()> {
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

/// The tag of a number. All tags have one length, so that they sort like the numbers.
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
    /// Pushes the manifest by digest, with the tags in the query. Its blob does not exist; the registry accepts this
    /// with a warning, and listings do not need blobs. Each repository has a different manifest, so that no manifest in
    /// memory answers for another repository.
    fn send(&self, source: &RandomFile, client: &mut Client) -> Result<()> {
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
