//! Pulls images through the registry and discards the bytes: the pull makes the registry fetch and keep them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hythe_client::{Client, Error, ManifestAnswer};
use hythe_oci::media_type::{DOCKER_CONFIG, OCI_CONFIG};
use hythe_oci::{Digest, Manifest, Reference, RepositoryName};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{OnceCell, Semaphore};

use super::image::Image;
use super::platform::Platforms;
use super::{Failure, Target};
use crate::config::LARGEST_MANIFEST;
use crate::console::Progress;

/// Bytes of a blob that are read at a time.
const PIECE: usize = 64 << 10;

/// Levels of indexes within indexes. Real images nest less deeply.
const MAX_DEPTH: usize = 4;

/// Attempts for a request that fails temporarily.
const ATTEMPTS: u32 = 3;
/// Pause before the second attempt, if the registry names none. It grows by this much with each attempt.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest pause to wait for, if the registry names a time to come back: it pauses an upstream that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Pulls images through one registry.
pub(super) struct Warmer {
    /// A client whose requests let the registry ask upstreams.
    asking: Client,
    /// A client whose requests do not.
    kept: Client,
    platforms: Platforms,
    check: bool,
    turns: Semaphore,
    blobs: Mutex<HashMap<(RepositoryName, Digest), Arc<Outcome>>>,
    progress: Arc<Progress>,
}

/// The result of a blob: the bytes that were fetched, `None` if the registry had it already.
type Outcome = OnceCell<Result<Option<u64>, Lack>>;

/// Why an image is missing, or was not fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lack {
    pub(super) reason: String,
    /// Whether `--check` found it missing: a run without `--check` fetches it.
    pub(super) fetchable: bool,
}

impl From<String> for Lack {
    fn from(reason: String) -> Self {
        Self { reason, fetchable: false }
    }
}

impl Lack {
    fn of_check(reason: String) -> Self {
        Self { reason, fetchable: true }
    }
}

/// The largest image configuration that is read for its platform, in bytes.
const CONFIG: usize = 4 << 20;

/// The part of an image's manifest that names its configuration.
#[derive(Deserialize)]
struct Described {
    config: Option<Config>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    media_type: String,
    digest: Digest,
}

/// The result of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pulled {
    /// The number of its blobs.
    pub(super) blobs: u64,
    /// The number of blobs that were fetched for it.
    pub(super) fetched: u64,
    /// The bytes of the fetched blobs.
    pub(super) bytes: u64,
}

impl Warmer {
    pub(super) fn new(
        target: &Target,
        platforms: Platforms,
        jobs: usize,
        check: bool,
        progress: Arc<Progress>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            asking: target.client(false)?,
            kept: target.client(true)?,
            platforms,
            check,
            turns: Semaphore::new(jobs),
            blobs: Mutex::default(),
            progress,
        })
    }

    /// Pulls an image, or with `--check` only looks whether the registry has it. An image of the registry's own names
    /// is fetched too, because it may come from the fallback upstream (`upstream.fallback`).
    pub(super) async fn pull(&self, image: &Image) -> Result<Pulled, Lack> {
        let fetch = !self.check;
        let (blobs, before) = self.blobs_of(image, fetch).await?;
        self.progress.expect(blobs.len());
        let outcomes =
            join_all(blobs.iter().map(|digest| self.blob_once(&image.repository, digest, fetch))).await;
        let failed: Vec<&Lack> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
        if let Some(first) = failed.first() {
            let reason = format!("{} of {} blobs: {}", failed.len(), blobs.len(), first.reason);
            return Err(Lack { reason, fetchable: failed.iter().all(|lack| lack.fetchable) });
        }
        let fetched = outcomes.into_iter().filter_map(|outcome| outcome.ok().flatten());
        let fetched: Vec<u64> = fetched.chain(before).collect();
        Ok(Pulled { blobs: blobs.len() as u64, fetched: fetched.len() as u64, bytes: fetched.iter().sum() })
    }

    /// Every blob of the image for the wanted platforms, each once, and the bytes of a blob that was fetched to find
    /// them.
    async fn blobs_of(&self, image: &Image, fetch: bool) -> Result<(Vec<Digest>, Option<u64>), Lack> {
        let mut waiting = vec![(image.reference.clone(), 0)];
        // The configuration of an image without an index, to check its platform. An index names its platforms itself.
        let mut only = None;
        let mut blobs: Vec<Digest> = Vec::new();
        while let Some((reference, depth)) = waiting.pop() {
            let answer = self.manifest(&image.repository, &reference, fetch).await?;
            let manifest = Manifest::read(answer.media_type.as_deref(), &answer.bytes)
                .map_err(|error| format!("cannot read the image's manifest: {error}"))?;
            if !manifest.is_index() {
                blobs.extend(manifest.blobs);
                if depth == 0 {
                    only = config_of(&answer.bytes);
                }
                continue;
            }
            if depth == MAX_DEPTH {
                return Err("the image's indexes are nested too deeply".to_owned().into());
            }
            let chosen = self.platforms.choose(&answer.bytes)?;
            let chosen = chosen.into_iter().filter(|digest| manifest.manifests.contains(digest));
            waiting.extend(chosen.map(|digest| (Reference::Digest(digest), depth + 1)));
        }
        blobs.sort_by_key(Digest::to_string);
        blobs.dedup();
        let mut fetched = None;
        if let Some(config) = only.filter(|_| self.platforms.are_chosen()) {
            self.progress.expect(1);
            fetched = self.blob_once(&image.repository, &config, fetch).await?;
            self.platforms.check(&self.config(&image.repository, &config).await?)?;
        }
        Ok((blobs, fetched))
    }

    /// The configuration of an image, which the registry already has.
    async fn config(&self, repository: &RepositoryName, digest: &Digest) -> Result<Vec<u8>, Lack> {
        let mut attempt = 1;
        loop {
            let error = match self.in_turn(self.read_config(repository, digest)).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            if !again(&error, &mut attempt).await {
                return Err(told(&error).into());
            }
        }
    }

    async fn read_config(&self, repository: &RepositoryName, digest: &Digest) -> Result<Vec<u8>, Error> {
        let body = self.kept.blob(repository, digest, 0).await?.body;
        let mut bytes = Vec::new();
        let read = body.take(CONFIG as u64).read_to_end(&mut bytes).await;
        read.map_err(|error| self.broken(digest, &error))?;
        Ok(bytes)
    }

    fn broken(&self, digest: &Digest, error: &std::io::Error) -> Error {
        Error::Unavailable {
            host: self.asking.endpoint().to_owned(),
            asked: format!("blob `{digest}`"),
            status: None,
            reached: true,
            retry_after: None,
            remedy: None,
            reason: error.to_string(),
        }
    }

    async fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        fetch: bool,
    ) -> Result<ManifestAnswer, Lack> {
        let client = if fetch { &self.asking } else { &self.kept };
        let mut attempt = 1;
        loop {
            let asked = self.in_turn(client.manifest(repository, reference, LARGEST_MANIFEST)).await;
            match asked {
                Ok(answer) => return Ok(answer),
                Err(error) if !fetch && is_missing(&error) => {
                    return Err(Lack::of_check(match reference {
                        Reference::Tag(tag) => format!("the registry does not have the tag `{tag}`"),
                        Reference::Digest(digest) => {
                            format!("the registry does not have the manifest {digest}")
                        }
                    }));
                }
                Err(error) if !again(&error, &mut attempt).await => return Err(told(&error).into()),
                Err(_) => {}
            }
        }
    }

    /// Fetches a blob once: images that share the blob wait for the same download.
    async fn blob_once(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        fetch: bool,
    ) -> Result<Option<u64>, Lack> {
        let outcome = {
            let mut blobs = self.blobs.lock();
            Arc::clone(blobs.entry((repository.clone(), *digest)).or_default())
        };
        let mut mine = false;
        let outcome = outcome.get_or_init(|| {
            mine = true;
            self.in_turn(self.blob(repository, digest, fetch))
        });
        let outcome = outcome.await.clone();
        self.progress.blob_ended();
        // For an image that waited, the blob counts as present, not as fetched.
        if mine { outcome } else { outcome.map(|_| None) }
    }

    async fn blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        fetch: bool,
    ) -> Result<Option<u64>, Lack> {
        let mut attempt = 1;
        loop {
            let error = match self.kept.blob_head(repository, digest).await {
                Ok(_) => return Ok(None),
                Err(error) if is_missing(&error) && fetch => break,
                Err(error) if is_missing(&error) => {
                    return Err(Lack::of_check(format!("the registry does not have the blob {digest}")));
                }
                Err(error) => error,
            };
            if !again(&error, &mut attempt).await {
                return Err(told(&error).into());
            }
        }
        let (mut came, mut attempt) = (0, 1);
        loop {
            let error = match self.receive(repository, digest, &mut came).await {
                Ok(()) => return Ok(Some(came)),
                Err(error) => error,
            };
            if !again(&error, &mut attempt).await {
                return Err(told(&error).into());
            }
        }
    }

    /// Receives a blob, starting at byte `came`.
    async fn receive(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        came: &mut u64,
    ) -> Result<(), Error> {
        let mut body = self.asking.blob(repository, digest, *came).await?.body;
        let mut memory = vec![0; PIECE];
        loop {
            let length = body.read(&mut memory).await.map_err(|error| self.broken(digest, &error))?;
            if length == 0 {
                return Ok(());
            }
            *came += length as u64;
            self.progress.came(length);
        }
    }

    /// Runs a request once fewer than `--jobs` others run.
    async fn in_turn<T>(&self, request: impl Future<Output = T>) -> T {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        request.await
    }
}

/// The digest of an image's configuration; `None` if the manifest is that of another artifact.
fn config_of(manifest: &[u8]) -> Option<Digest> {
    let described: Described = serde_json::from_slice(manifest).ok()?;
    let config = described.config?;
    [OCI_CONFIG, DOCKER_CONFIG].contains(&config.media_type.as_str()).then_some(config.digest)
}

/// Whether the registry does not have the content: 404, or 504 for a request that may not go to an upstream.
fn is_missing(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. } | Error::Unavailable { status: Some(504), .. })
}

/// The text of an error. If the error is an upstream's, only that part: before it the text says only that the registry
/// reported it.
fn told(error: &Error) -> String {
    let text = error.to_string();
    match text.find(": upstream ") {
        Some(at) => text[at + 2..].to_owned(),
        None => text,
    }
}

/// Waits before the next attempt after a temporary failure. Returns false if another attempt would be useless.
async fn again(error: &Error, attempt: &mut u32) -> bool {
    // The registry names a time to come back if it pauses requests to an upstream.
    let pause = error.retry_after().unwrap_or(PAUSE * *attempt);
    if *attempt == ATTEMPTS || !error.is_temporary() || pause > LONGEST_PAUSE {
        return false;
    }
    *attempt += 1;
    tokio::time::sleep(pause).await;
    true
}
