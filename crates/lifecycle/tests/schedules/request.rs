//! The requests of clients and of users, and what the registry answers.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hythe_lifecycle::Collection;
use hythe_oci::{Algorithm, Digest, Reference, RepositoryName};
use hythe_registry::{Chunk, Content, Error, MountFrom, Repository, Started};

use crate::process::Process;

/// The repositories.
const NAMES: [&str; 2] = ["app", "team/app"];
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
        let repository = self.registry.repository(&name);
        let manifest = repository.manifest(&image.digest()).await?;
        if repository.manifest_bytes(&manifest).await? != image.manifest() {
            return Ok(Answer::Broken("the manifest has other bytes".to_owned()));
        }
        for blob in image.blobs() {
            match read(&repository, blob).await {
                Ok(bytes) if bytes == CONTENTS[blob] => {}
                Ok(_) => return Ok(Answer::Broken(format!("blob {blob} has other bytes"))),
                Err(Error::BlobUnknown { .. }) => return Ok(Answer::Broken(format!("blob {blob} is gone"))),
                Err(error) => return Err(error),
            }
        }
        Ok(Answer::Done)
    }
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
