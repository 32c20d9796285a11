//! Imports another registry's tree: first the blobs, then the manifests that reference them, and last the record that
//! the import is done.
//!
//! Each step does what a push would do, so that a kill at any instant leaves an intact registry, and the next run
//! continues. Content that is already imported is not read again. Damaged content does not end an import: the import
//! leaves it out and names it in the log.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::{Duration, Instant, SystemTime};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use hythe_oci::{Digest, ManifestError, Reference, RepositoryName, Tag};
use hythe_registry::{Error as Refusal, Origin, Registry, Repository};

use crate::progress::{Counter, Progress};
use crate::tree::Found;
use crate::{Error, Result, Tree};

/// How many small writes run at once; the catalog commits them together.
const WRITES: usize = 128;

/// The time within which a copy of a tree writes all its links. Pushes of a registry that is worth an import take longer.
const COPYING: Duration = Duration::from_hours(1);

/// The most repositories that the log names for a blob which is left out.
const NAMED: usize = 5;

/// The place of a repository of the tree in this registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportTarget {
    /// The repository's name in this registry.
    pub name: RepositoryName,
    /// The origin of its content.
    pub origin: Origin,
    /// Whether the content was fetched with credentials.
    pub private: bool,
}

impl ImportTarget {
    /// The place of content that clients pushed there: the same name, as a local repository.
    pub fn local(name: &RepositoryName) -> Self {
        Self { name: name.clone(), origin: Origin::Local, private: false }
    }
}

/// How much an import imported, or found to be here already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Repositories.
    pub repositories: u64,
    /// Tags.
    pub tags: u64,
    /// Manifests.
    pub manifests: u64,
    /// Blobs; a blob in two repositories counts once.
    pub blobs: u64,
    /// Bytes of those blobs.
    pub bytes: u64,
    /// Blobs that were copied because they could not be hard-linked.
    pub copied: u64,
    /// Repositories, manifests, tags and blobs that were left out; the log names them.
    pub left_out: u64,
}

/// The import of a tree.
pub struct Import<'a> {
    registry: &'a Registry,
    tree: &'a Tree,
    progress: Progress,
    tags: Counter,
    copied: Counter,
    left_out: Counter,
}

/// A repository of the tree, and its place in this registry.
struct Target {
    found: Found,
    place: ImportTarget,
}

impl Target {
    fn repository<'a>(&'a self, registry: &'a Registry) -> Repository<'a> {
        registry.copy(&self.place.name, &self.place.origin).private(self.place.private)
    }

    fn is_copy(&self) -> bool {
        self.place.origin != Origin::Local
    }
}

/// A blob, and the repositories that have it.
struct Wanted<'a> {
    digest: Digest,
    by: Vec<&'a Target>,
}

impl<'a> Import<'a> {
    /// An import of this tree. The registry must not be used otherwise during the import.
    pub fn new(registry: &'a Registry, tree: &'a Tree) -> Self {
        let (progress, tags, copied, left_out) = Default::default();
        Self { registry, tree, progress, tags, copied, left_out }
    }

    /// Imports the whole tree, each repository to its place; leaves out a repository without a place. Expects a runtime
    /// with as many blocking threads as the machine has cores.
    pub async fn run(&self, place: impl Fn(&RepositoryName) -> Option<ImportTarget>) -> Result<Imported> {
        let started = Instant::now();
        tracing::info!(tree = %self.tree.folder().display(), "importing another registry's tree");
        let tree = self.tree.clone();
        let mut found = blocking(move || tree.repositories()).await??;
        forget_copied_times(&mut found, self.registry.now());
        let mut targets = Vec::new();
        for found in found {
            let name = found.name.clone();
            match self.target(found, &place).await? {
                Ok(target) => targets.push(target),
                Err(why) => {
                    self.leave_out();
                    tracing::warn!(repository = %name, why, "a repository is not imported");
                }
            }
        }
        let manifests: usize = targets.iter().map(|target| target.found.manifests.len()).sum();
        self.progress.of_manifests.add(manifests as u64);
        self.progress.told(self.take_over(&targets)).await?;
        let imported = Imported {
            repositories: targets.len() as u64,
            tags: self.tags.get(),
            manifests: self.progress.manifests.get(),
            blobs: self.progress.blobs.get(),
            bytes: self.progress.bytes.get(),
            copied: self.copied.get(),
            left_out: self.left_out.get(),
        };
        tracing::info!(
            repositories = imported.repositories,
            tags = imported.tags,
            manifests = imported.manifests,
            blobs = imported.blobs,
            bytes = imported.bytes,
            copied = imported.copied,
            left_out = imported.left_out,
            seconds = started.elapsed().as_secs(),
            "imported"
        );
        Ok(imported)
    }

    /// The repository with its place, or why it has none.
    async fn target(
        &self,
        found: Found,
        place: impl Fn(&RepositoryName) -> Option<ImportTarget>,
    ) -> Result<Result<Target, String>> {
        let Some(place) = place(&found.name) else {
            return Ok(Err("its name is not allowed here".to_owned()));
        };
        let target = Target { found, place };
        let there = target.repository(self.registry).provenance().await?;
        // Content of another origin stays, and content of this one may not join it.
        Ok(match there {
            Some(there) if there.origin != target.place.origin => {
                let (repository, origin) = (target.place.name, there.origin);
                Err(Refusal::OtherOrigin { repository, origin }.to_string())
            }
            _ => Ok(target),
        })
    }

    async fn take_over(&self, targets: &[Target]) -> Result<()> {
        let wanted = self.wanted(targets).await?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let blobs = stream::iter(&wanted).map(Ok::<_, Error>);
        blobs.try_for_each_concurrent(cores, |(blob, size)| self.blob(blob, *size)).await?;
        let all = targets
            .iter()
            .flat_map(|target| target.found.manifests.iter().map(move |digest| (target, digest)));
        let manifests = stream::iter(all).map(Ok::<_, Error>);
        manifests.try_for_each_concurrent(WRITES, |(target, digest)| self.manifest(target, digest)).await?;
        for target in targets {
            let Found { name, manifests, tags, .. } = &target.found;
            for (digest, tags) in tags.iter().filter(|(digest, _)| !manifests.contains(digest)) {
                self.left_out.add(tags.len() as u64);
                tracing::warn!(repository = %name, %digest, tag = %tags[0].0, tags = tags.len(), "tags are not imported: the repository lacks the manifest that they name");
            }
        }
        Ok(())
    }

    /// The blobs whose files exist, with their sizes.
    async fn wanted<'t>(&self, targets: &'t [Target]) -> Result<Vec<(Wanted<'t>, u64)>> {
        let mut by_digest: BTreeMap<Digest, Vec<&Target>> = BTreeMap::new();
        for target in targets {
            for digest in &target.found.blobs {
                by_digest.entry(*digest).or_default().push(target);
            }
        }
        let (tree, digests) = (self.tree.clone(), by_digest.keys().copied().collect::<Vec<_>>());
        let sizes = blocking(move || {
            digests
                .iter()
                .map(|digest| Ok(fs::metadata(tree.data(digest))?.len()))
                .collect::<Vec<io::Result<u64>>>()
        });
        let mut wanted = Vec::new();
        for ((digest, by), size) in by_digest.into_iter().zip(sizes.await?) {
            let blob = Wanted { digest, by };
            match size {
                Ok(size) => {
                    self.progress.of_blobs.add(1);
                    self.progress.of_bytes.add(size);
                    wanted.push((blob, size));
                }
                Err(error) => self.leave_out_blob(&blob, &error),
            }
        }
        Ok(wanted)
    }

    /// Imports the blob into one repository, and then links it into all others.
    async fn blob(&self, blob: &Wanted<'_>, size: u64) -> Result<()> {
        let mut targets = blob.by.iter();
        if let Some(first) = targets.next()
            && !self.bring(blob, first).await?
        {
            return Ok(());
        }
        let others = stream::iter(targets).map(Ok::<_, Error>);
        others
            .try_for_each_concurrent(WRITES, |target| async { self.bring(blob, target).await.map(drop) })
            .await?;
        self.progress.blobs.add(1);
        self.progress.bytes.add(size);
        Ok(())
    }

    /// Imports a blob into one repository. False if the blob's file is missing or damaged.
    async fn bring(&self, blob: &Wanted<'_>, target: &Target) -> Result<bool> {
        let (digest, repository) = (&blob.digest, target.repository(self.registry));
        // A blob that is already here was verified when it came. If its file is lost, the link fails, and the blob is
        // adopted again.
        let adopted = match repository.link_blob(digest).await {
            Ok(true) => return Ok(true),
            Ok(false) => repository.adopt_blob(digest, &self.tree.data(digest)).await,
            Err(error) => Err(error),
        };
        match adopted {
            Ok(Ok(adopted)) => {
                if !adopted.linked {
                    self.tell_of_copy();
                }
                Ok(true)
            }
            Ok(Err(error)) => {
                self.leave_out_blob(blob, &error);
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn manifest(&self, target: &Target, digest: &Digest) -> Result<()> {
        let (path, limit) = (self.tree.data(digest), self.registry.options().manifest_max_size);
        let read = blocking(move || {
            // A file that is too large is not read: a file in the place of a manifest may have any content.
            if fs::metadata(&path)?.len() > limit as u64 {
                return Ok(None);
            }
            fs::read(&path).map(Some)
        });
        let why = match read.await? {
            Ok(Some(bytes)) => {
                let tags = target.found.tags.get(digest).cloned().unwrap_or_default();
                let count = tags.len() as u64;
                match self.push(target, digest, tags, bytes).await {
                    Ok(()) => {
                        self.progress.manifests.add(1);
                        self.tags.add(count);
                        return Ok(());
                    }
                    Err(error) => reason(error)?,
                }
            }
            Ok(None) => Refusal::ManifestTooLarge { limit }.to_string(),
            // A proxy removes old content from its cache and leaves the links, so this is no loss.
            Err(error) if error.kind() == io::ErrorKind::NotFound && target.is_copy() => return Ok(()),
            Err(error) => format!("its bytes cannot be read: {error}"),
        };
        self.leave_out();
        tracing::warn!(repository = %target.found.name, %digest, why, "a manifest is not imported");
        Ok(())
    }

    /// Stores a manifest with its tags, each as of the time of its push.
    async fn push(
        &self,
        target: &Target,
        digest: &Digest,
        tags: Vec<(Tag, Option<SystemTime>)>,
        bytes: Vec<u8>,
    ) -> hythe_registry::Result<()> {
        let mut by_time: BTreeMap<Option<SystemTime>, Vec<Tag>> = BTreeMap::new();
        for (tag, pushed) in tags {
            by_time.entry(pushed).or_default().push(tag);
        }
        if by_time.is_empty() {
            by_time.insert(None, Vec::new());
        }
        for (pushed, tags) in by_time {
            let repository = target.repository(self.registry).tagged(pushed);
            repository.push_manifest(&Reference::Digest(*digest), tags, None, bytes.clone().into()).await?;
        }
        Ok(())
    }

    fn leave_out(&self) {
        self.left_out.add(1);
    }

    fn leave_out_blob(&self, blob: &Wanted<'_>, error: &io::Error) {
        // A proxy removes old content from its cache and leaves the links. This is no loss: a client that pulls the
        // blob makes the registry fetch it again.
        if error.kind() == io::ErrorKind::NotFound && blob.by.iter().all(|target| target.is_copy()) {
            return;
        }
        self.leave_out();
        let mut wanted: Vec<&str> = blob.by.iter().map(|target| target.found.name.as_str()).collect();
        let more = wanted.len().saturating_sub(NAMED);
        wanted.truncate(NAMED);
        let mut wanted = wanted.join(", ");
        if more > 0 {
            wanted = format!("{wanted} and {more} more");
        }
        tracing::warn!(digest = %blob.digest, %error, wanted_by = wanted, "a blob is not imported; push it again");
    }

    fn tell_of_copy(&self) {
        if self.copied.get() == 0 {
            tracing::warn!(
                "imported blobs are copied, not hard-linked, so they take their space twice: the tree is on another file system, \
                 on one without hard links, or belongs to another user"
            );
        }
        self.copied.add(1);
    }
}

/// Forgets the times of tags that are no times of pushes: those after now, and all of them if all lie within [`COPYING`], as
/// after a copy of the tree that did not keep the files' times. An unknown time keeps retention from taking the tags for old
/// ones, or for new ones.
fn forget_copied_times(found: &mut [Found], now: SystemTime) {
    let times =
        || found.iter().flat_map(|found| found.tags.values()).flatten().filter_map(|(_, pushed)| *pushed);
    let (first, last) = (times().min(), times().max());
    let images: usize = found.iter().map(|found| found.tags.len()).sum();
    let span = first.zip(last).and_then(|(first, last)| last.duration_since(first).ok());
    let is_copied = images > 1 && span.is_some_and(|span| span < COPYING);
    let tags = found.iter_mut().flat_map(|found| found.tags.values_mut()).flatten();
    for (_, pushed) in tags {
        *pushed = pushed.filter(|pushed| !is_copied && *pushed <= now);
    }
    if is_copied {
        tracing::info!(
            "import: the tags have nearly the same time, as after a copy, so the times of their pushes count as unknown"
        );
    }
}

/// Why a manifest is not imported; the error itself if the registry failed.
fn reason(error: Refusal) -> Result<String> {
    match error {
        Refusal::ManifestInvalid(ManifestError::Schema1) => {
            Ok("it uses Docker's schema 1, which is obsolete".to_owned())
        }
        Refusal::ManifestInvalid(_)
        | Refusal::ManifestTooLarge { .. }
        | Refusal::ManifestBlobsUnknown { .. }
        | Refusal::TagProtected { .. }
        | Refusal::TagTaken { .. }
        | Refusal::DigestMismatch { .. } => Ok(error.to_string()),
        Refusal::NameUnknown(_)
        | Refusal::BlobUnknown { .. }
        | Refusal::ManifestUnknown { .. }
        | Refusal::UploadUnknown(_)
        | Refusal::ChunkOutOfOrder { .. }
        | Refusal::ChunkLength { .. }
        | Refusal::UploadTakenOver(_)
        | Refusal::TooManyUploads { .. }
        | Refusal::DeleteDisabled
        | Refusal::OtherOrigin { .. }
        | Refusal::NoSpace(_)
        | Refusal::OverBudget(_)
        | Refusal::Body(_)
        | Refusal::Internal(_) => Err(error.into()),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::Internal(format!("a task of the import ended early: {error}")).into())
}
