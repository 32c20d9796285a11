//! The requests of clients and of users, and what the registry answers.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hythe_lifecycle::Collection;
use hythe_lifecycle::retention::{Limits, Rule};
use hythe_oci::{Algorithm, Digest, Pattern, Reference, RepositoryName};
use hythe_registry::{
    Budget, Chunk, Content, DiskAmount, Error, MountFrom, Origin, RegistryOptions, Repository, Started,
};

use crate::process::Process;

/// The repositories.
const NAMES: [&str; 2] = ["app", "team/app"];
/// The name of an upstream, and of the copy of one of its repositories.
const UPSTREAM: &str = "up.example";
const COPY: &str = "up.example/app";
/// How long rules keep what was pushed, in milliseconds.
pub(crate) const WITHIN: i64 = 600;
/// How many repositories there are.
pub(crate) const REPOSITORIES: usize = NAMES.len();
/// The contents of blobs.
const CONTENTS: [&[u8]; 3] = [b"one", b"two, which is longer", b"three"];
/// How many contents there are.
pub(crate) const BLOBS: usize = CONTENTS.len();

/// An image of a repository; `layers` has a bit for each content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Image {
    pub(crate) repository: usize,
    pub(crate) layers: u8,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    PushBlob {
        to: usize,
        blob: usize,
        in_pieces: bool,
    },
    /// Begins an upload and goes away.
    Abandon {
        to: usize,
        blob: usize,
    },
    Mount {
        blob: usize,
        from: usize,
        to: usize,
    },
    Head {
        of: usize,
        blob: usize,
    },
    PushImage(Image),
    Pull(Image),
    DeleteTag(Image),
    DeleteImage(Image),
    Undelete(Image),
    Collect {
        early: bool,
        untagged: bool,
    },
    /// Deletes what was not pushed for [`WITHIN`].
    Retain,
    /// Pulls an image of the upstream through the copy.
    Fetch(u8),
    /// Pulls what the copy has of an image.
    PullCopy(u8),
    /// Tells that a cluster runs this image of the copy, and no other.
    Run(u8),
    /// Removes as much as may go to make room.
    Evict,
    /// Takes a lease, looks which images there are, and reads their blobs.
    BackUp,
    Recover,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is done; the repository has the blob, or the image.
    Done,
    /// The repository does not have it.
    Absent,
    /// The manifest is stored, although its repository lacks this many blobs.
    Incomplete(usize),
    /// The manifest is refused: its repository lacks a blob.
    Refused,
    /// The image is there, but not whole.
    Broken(String),
    /// The registry failed.
    Failed(String),
}

pub(crate) fn name(repository: usize) -> RepositoryName {
    NAMES[repository].parse().unwrap()
}

pub(crate) fn digest(blob: usize) -> Digest {
    Digest::of(Algorithm::Sha256, CONTENTS[blob])
}

impl Image {
    pub(crate) fn blobs(self) -> impl Iterator<Item = usize> {
        (0..BLOBS).filter(move |blob| self.layers & 1 << blob != 0)
    }

    pub(crate) fn tag(self) -> Reference {
        format!("t{}", self.layers).parse().unwrap()
    }

    fn manifest(self) -> Bytes {
        let descriptor = |blob: usize| {
            let (digest, size) = (digest(blob), CONTENTS[blob].len());
            format!(
                r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}","size":{size}}}"#
            )
        };
        let layers: Vec<_> = self.blobs().map(descriptor).collect();
        Bytes::from(format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}}"#,
            layers[0],
            layers.join(",")
        ))
    }

    fn digest_of_manifest(self) -> Digest {
        Digest::of(Algorithm::Sha256, &self.manifest())
    }

    pub(crate) fn digest(self) -> Reference {
        Reference::Digest(self.digest_of_manifest())
    }
}

impl Process {
    /// Sends a request, and waits for its answer.
    pub(crate) async fn ask(&self, request: Request) -> Answer {
        let answered = match request {
            Request::PushBlob { to, blob, in_pieces } => self.push(to, blob, in_pieces).await,
            Request::Abandon { to, blob } => self.abandon(to, blob).await,
            Request::Mount { blob, from, to } => self.mount(blob, from, to).await,
            Request::Head { of, blob } => {
                self.registry.repository(&name(of)).use_blob(&digest(blob)).await.map(|_| Answer::Done)
            }
            Request::PushImage(image) => self.push_image(image).await,
            Request::Pull(image) => self.pull(image).await,
            Request::DeleteTag(image) => self.delete(image, &image.tag()).await,
            Request::DeleteImage(image) => self.delete(image, &image.digest()).await,
            Request::Undelete(image) => self.undelete(image).await,
            Request::Collect { early, untagged } => {
                let grace = early.then_some(Duration::ZERO);
                let collection = Collection { untagged, dry_run: false, grace };
                self.collector.collect_now(collection).await.map(|_| Answer::Done)
            }
            Request::Retain => self.retain().await,
            Request::Fetch(layers) => self.fetch(layers).await,
            Request::PullCopy(layers) => self.pull_copy(layers).await,
            Request::Run(layers) => {
                let digests = vec![copied(layers).digest_of_manifest()];
                self.registry.set_running("kind-dev".to_owned(), digests).await.map(|_| Answer::Done)
            }
            Request::Evict => self.evict().await,
            Request::BackUp => self.back_up().await,
            Request::Recover => self.registry.recover().await.map(|()| Answer::Done),
        };
        answered.unwrap_or_else(|error| match error {
            Error::BlobUnknown { .. } | Error::ManifestUnknown { .. } | Error::NameUnknown(_) => {
                Answer::Absent
            }
            Error::ManifestBlobsUnknown { .. } => Answer::Refused,
            error => Answer::Failed(error.to_string()),
        })
    }

    async fn push(&self, to: usize, blob: usize, in_pieces: bool) -> Result<Answer, Error> {
        let (name, digest, content) = (name(to), digest(blob), CONTENTS[blob]);
        let repository = self.registry.repository(&name);
        if in_pieces {
            let id = repository.start_upload(Algorithm::Sha256).await?.id;
            repository.append(id, Chunk::default(), body(&content[..2])).await?;
            repository.finish_upload(id, digest, Chunk::default(), body(&content[2..])).await?;
        } else {
            repository.push_blob(digest, None, body(content)).await?;
        }
        Ok(Answer::Done)
    }

    async fn abandon(&self, to: usize, blob: usize) -> Result<Answer, Error> {
        let name = name(to);
        let repository = self.registry.repository(&name);
        let id = repository.start_upload(Algorithm::Sha256).await?.id;
        repository.append(id, Chunk::default(), body(&CONTENTS[blob][..2])).await?;
        Ok(Answer::Done)
    }

    async fn mount(&self, blob: usize, from: usize, to: usize) -> Result<Answer, Error> {
        let name = name(to);
        let repository = self.registry.repository(&name);
        match repository.mount_blob(&digest(blob), MountFrom::Repository(crate::request::name(from))).await? {
            Started::Mounted(_) => Ok(Answer::Done),
            Started::Session(session) => {
                repository.cancel_upload(session.id).await?;
                Ok(Answer::Absent)
            }
        }
    }

    async fn push_image(&self, image: Image) -> Result<Answer, Error> {
        let name = name(image.repository);
        let (repository, tag) = (self.registry.repository(&name), image.tag());
        let pushed = repository.push_manifest(&tag, Vec::new(), None, image.manifest());
        Ok(match pushed.await?.missing.len() {
            0 => Answer::Done,
            missing => Answer::Incomplete(missing),
        })
    }

    async fn delete(&self, image: Image, reference: &Reference) -> Result<Answer, Error> {
        self.registry
            .repository(&name(image.repository))
            .delete_manifest(reference)
            .await
            .map(|()| Answer::Done)
    }

    async fn undelete(&self, image: Image) -> Result<Answer, Error> {
        let name = name(image.repository);
        let restored = self.registry.repository(&name).restore_manifest(&image.digest_of_manifest()).await?;
        Ok(match restored {
            None => Answer::Absent,
            Some(restored) if restored.missing.is_empty() => Answer::Done,
            Some(restored) => Answer::Incomplete(restored.missing.len()),
        })
    }

    async fn retain(&self) -> Result<Answer, Error> {
        let within = Some(Duration::from_millis(WITHIN.cast_unsigned()));
        let rule =
            Rule { pushed_within: within, untagged_after: within, ..Rule::new("all", "*".parse().unwrap()) };
        let limits = Limits { images: u64::MAX, percent: 100 };
        let run = self.retainer.run(&vec![rule].into(), &Pattern::any(), limits, None).await?;
        Ok(if run.tags + run.manifests > 0 { Answer::Done } else { Answer::Absent })
    }

    /// Stores an image in the copy as a pull through the cache does: first the manifest, then each blob.
    async fn fetch(&self, layers: u8) -> Result<Answer, Error> {
        let (name, origin) = copy();
        let (repository, image) = (self.registry.copy(&name, &origin), copied(layers));
        repository.push_manifest(&image.tag(), Vec::new(), None, image.manifest()).await?;
        for blob in image.blobs() {
            if read(&repository, blob).await.is_err() {
                repository.push_blob(digest(blob), None, body(CONTENTS[blob])).await?;
            }
        }
        Ok(Answer::Done)
    }

    async fn pull_copy(&self, layers: u8) -> Result<Answer, Error> {
        let (name, origin) = copy();
        self.pull_of(&self.registry.copy(&name, &origin), copied(layers)).await
    }

    /// Runs a round of eviction with a budget that nothing keeps to.
    async fn evict(&self) -> Result<Answer, Error> {
        let options = |budget| RegistryOptions { disk_budget: budget, ..(**self.registry.options()).clone() };
        self.registry.set_options(options(Budget::Set(DiskAmount::Bytes(1))));
        let evicted = self.evictor.round().await;
        // The registry takes pushes again.
        self.registry.set_options(options(Budget::Auto));
        let number = self.registry.begin_eviction();
        self.registry.end_eviction(number, &self.registry.space());
        Ok(if evicted?.images > 0 { Answer::Done } else { Answer::Absent })
    }

    async fn back_up(&self) -> Result<Answer, Error> {
        // No schedule is as long as a lease lives.
        let Some(lease) = self.registry.take_lease("backup", "a schedule").await? else {
            return Ok(Answer::Absent);
        };
        let images = (0..REPOSITORIES)
            .flat_map(|repository| (1..1 << BLOBS).map(move |layers| Image { repository, layers }));
        let (mut found, mut lost) = (Vec::new(), None);
        for image in images {
            let name = name(image.repository);
            if self.registry.repository(&name).manifest(&image.digest()).await.is_ok() {
                found.push(image);
            }
        }
        for image in found {
            let name = name(image.repository);
            for blob in image.blobs() {
                match read(&self.registry.repository(&name), blob).await {
                    Ok(_) => {}
                    Err(Error::BlobUnknown { .. }) => {
                        lost = Some(format!("blob {blob} of {image:?} is gone"));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        self.registry.release_lease(&lease.id).await?;
        Ok(lost.map_or(Answer::Done, Answer::Broken))
    }

    /// Pulls an image by its digest, and compares every byte.
    async fn pull(&self, image: Image) -> Result<Answer, Error> {
        let name = name(image.repository);
        self.pull_of(&self.registry.repository(&name), image).await
    }

    async fn pull_of(&self, repository: &Repository<'_>, image: Image) -> Result<Answer, Error> {
        let manifest = repository.manifest(&image.digest()).await?;
        if repository.manifest_bytes(&manifest).await? != image.manifest() {
            return Ok(Answer::Broken("the manifest has other bytes".to_owned()));
        }
        for blob in image.blobs() {
            match read(repository, blob).await {
                Ok(bytes) if bytes == CONTENTS[blob] => {}
                Ok(_) => return Ok(Answer::Broken(format!("blob {blob} has other bytes"))),
                Err(Error::BlobUnknown { .. }) => return Ok(Answer::Broken(format!("blob {blob} is gone"))),
                Err(error) => return Err(error),
            }
        }
        Ok(Answer::Done)
    }
}

/// The name of the copy, and where its content comes from.
fn copy() -> (RepositoryName, Origin) {
    (COPY.parse().unwrap(), Origin::Upstream(UPSTREAM.to_owned()))
}

/// An image of the copy. Its repository is none of [`NAMES`].
fn copied(layers: u8) -> Image {
    Image { repository: REPOSITORIES, layers }
}

async fn read(repository: &Repository<'_>, blob: usize) -> Result<Bytes, Error> {
    let blob = repository.blob(&digest(blob)).await?;
    let Content::Stored(stored) = &blob.content else { return Ok(Bytes::new()) };
    Ok(stored.read(0, blob.size as usize).await?)
}

/// A body of two pieces.
fn body(bytes: &'static [u8]) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    stream::iter([first, second].map(|piece| Ok(Bytes::from_static(piece))))
}
