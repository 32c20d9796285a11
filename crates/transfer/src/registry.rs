//! One repository of a registry, to read from and to write to.

use std::sync::Arc;

use async_trait::async_trait;
use hythe_client::{BlobPush, Client, PushError, Pushed};
use hythe_oci::{Algorithm, Descriptor, Digest, Reference, RepositoryName, Tag, fallback_tag};
use tokio::sync::Mutex;

use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::referrers::with_referrer;
use crate::resuming::Resuming;
use crate::store::{Brought, Bytestream, Moved, Source, Target};

/// The largest manifest that is read, in bytes: the limit that registries have.
const MANIFEST: usize = (4 << 20) + (256 << 10);

/// The most bytes of a list of referrers.
const REFERRERS: usize = 8 << 20;

/// Tags that are listed at once.
const TAGS: usize = 10_000;

/// One repository of a registry.
#[derive(Debug)]
pub struct Remote {
    client: Client,
    repository: RepositoryName,
    place: String,
    /// Held while a list of referrers in a tag is read, changed and written.
    listing: Mutex<()>,
}

impl Remote {
    /// The repository of this name at the client's registry. `place` is its name for messages.
    pub fn new(client: Client, repository: RepositoryName, place: impl Into<String>) -> Self {
        Self { client, repository, place: place.into(), listing: Mutex::default() }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The registry's host, as names of images write it.
    pub fn host(&self) -> &str {
        let path = self.repository.as_str().len() + 1;
        self.place.get(..self.place.len().saturating_sub(path)).unwrap_or_default()
    }

    /// The repository's name.
    pub fn repository_name(&self) -> &RepositoryName {
        &self.repository
    }

    async fn read_manifest(&self, reference: &Reference) -> Result<Manifest> {
        let answer = self.client.manifest(&self.repository, reference, MANIFEST).await?;
        let algorithm = match reference {
            Reference::Digest(digest) => digest.algorithm(),
            Reference::Tag(_) => answer.digest.map_or(Algorithm::default(), |digest| digest.algorithm()),
        };
        let read = Manifest::read(answer.media_type.as_deref(), answer.bytes.clone(), algorithm);
        let place = || self.place.clone();
        let manifest = read.map_err(|(digest, error)| Error::Manifest { place: place(), digest, error })?;
        let expected = match reference {
            Reference::Digest(digest) => Some(*digest),
            Reference::Tag(_) => answer.digest,
        };
        match expected.filter(|expected| *expected != manifest.digest) {
            Some(expected) => {
                let what = format!("manifest `{expected}`");
                Err(Error::Content { place: place(), what, found: manifest.digest })
            }
            None => Ok(manifest),
        }
    }

    /// Adds a manifest to the list of referrers that a tag holds, for a registry without the referrers API
    /// (distribution-spec, Pushing Manifests with Subject).
    async fn list_in_tag(&self, manifest: &Manifest, subject: &Digest) -> Result<()> {
        let _alone = self.listing.lock().await;
        let reference = Reference::Tag(fallback_tag(subject));
        let list = match self.read_manifest(&reference).await {
            Ok(list) => Some(list.bytes),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        let Some(changed) = with_referrer(list.as_deref(), manifest) else { return Ok(()) };
        let media_type = hythe_oci::media_type::OCI_INDEX;
        self.client.push_manifest(&self.repository, &reference, media_type, &changed.into(), &[]).await?;
        Ok(())
    }
}

#[async_trait]
impl Source for Remote {
    fn place(&self) -> &str {
        &self.place
    }

    async fn resolve(&self, reference: &Reference) -> Result<Digest> {
        let head = match self.client.manifest_head(&self.repository, reference).await {
            Ok(head) => head.digest,
            // Some registries answer GET only.
            Err(error) if error.is_of_the_way() => None,
            Err(error) => return Err(error.into()),
        };
        match head {
            Some(digest) => Ok(digest),
            None => Ok(self.read_manifest(reference).await?.digest),
        }
    }

    async fn manifest(&self, reference: &Reference) -> Result<Manifest> {
        self.read_manifest(reference).await
    }

    async fn open(&self, blob: &Descriptor, from: u64) -> Result<Bytestream> {
        Ok(Box::pin(self.client.blob(&self.repository, &blob.digest, from).await?.body))
    }

    async fn has(&self, blob: &Descriptor) -> Result<bool> {
        match self.has_blob(blob).await {
            Err(error) if error.is_absent() => Ok(false),
            asked => asked,
        }
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Digest>> {
        let listed = self.client.referrers(&self.repository, subject, REFERRERS, Vec::new(), |all, entry| {
            all.push(entry.digest);
        });
        if let Some(listed) = listed.await? {
            return Ok(listed);
        }
        match self.read_manifest(&Reference::Tag(fallback_tag(subject))).await {
            Ok(list) => Ok(list.children.into_iter().map(|child| child.descriptor.digest).collect()),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn tags(&self) -> Result<Vec<Tag>> {
        let mut tags: Vec<Tag> = Vec::new();
        loop {
            let last = tags.last().map(|tag| tag.as_str().to_owned());
            let page = self.client.tags(&self.repository, last.as_deref(), TAGS).await?;
            let is_last = !page.more || page.tags.is_empty();
            tags.extend(page.tags);
            if is_last {
                tags.sort();
                tags.dedup();
                return Ok(tags);
            }
        }
    }

    fn repository(&self) -> Option<(&str, &RepositoryName)> {
        Some((self.client.endpoint(), &self.repository))
    }
}

#[async_trait]
impl Target for Remote {
    fn place(&self) -> &str {
        &self.place
    }

    async fn find(&self, reference: &Reference) -> Result<Option<Digest>> {
        match self.resolve(reference).await {
            Ok(digest) => Ok(Some(digest)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read(&self, digest: &Digest) -> Result<Option<Manifest>> {
        match self.read_manifest(&Reference::Digest(*digest)).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn has_blob(&self, blob: &Descriptor) -> Result<bool> {
        match self.client.blob_head(&self.repository, &blob.digest).await {
            Ok(_) => Ok(true),
            Err(hythe_client::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn put_blob(&self, blob: &Descriptor, source: Arc<dyn Source>, moved: Moved) -> Result<Brought> {
        let endpoint = self.client.endpoint();
        let is_here = |(of, name): &(&str, &RepositoryName)| *of == endpoint && **name != self.repository;
        let from = source.repository().filter(is_here).map(|(_, name)| name.clone());
        let push = BlobPush {
            size: Some(blob.size),
            mount_from: from.as_ref(),
            ..BlobPush::new(&self.repository, &blob.digest)
        };
        let open = |from| {
            let reading = Resuming::new(Arc::clone(&source), blob.clone(), from, Arc::clone(&moved));
            async move { Ok(reading) }
        };
        match self.client.push_blob(push, open).await {
            Ok(Pushed::Existing) => Ok(Brought::Existing),
            Ok(Pushed::Mounted) => Ok(Brought::Mounted),
            Ok(Pushed::Uploaded) => Ok(Brought::Moved),
            Err(PushError::Registry(error)) => Err(error.into()),
            Err(PushError::Content(error)) => {
                Err(Error::Read { place: source.place().to_owned(), digest: blob.digest, source: error })
            }
        }
    }

    async fn put_manifest(&self, manifest: &Manifest, tags: &[Tag]) -> Result<()> {
        let reference = Reference::Digest(manifest.digest);
        let (media_type, bytes) = (&manifest.media_type, &manifest.bytes);
        let pushed = self.client.push_manifest(&self.repository, &reference, media_type, bytes, tags).await?;
        match &manifest.subject {
            Some(subject) if pushed.subject.is_none() => self.list_in_tag(manifest, subject).await,
            _ => Ok(()),
        }
    }
}
