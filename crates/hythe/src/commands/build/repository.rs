//! The repository that an image is pushed to.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hythe_client::Client;
use hythe_oci::{Digest, ImageName, Platform, Reference, RepositoryName, Tag};
use hythe_transfer::{Manifest, Remote, Source, Target as _};

use crate::commands::registries::Registries;
use crate::failure::Failure;

/// Requests at the same time.
const AT_ONCE: usize = 8;

/// Indexes within indexes.
const MAX_LEVELS: usize = 3;

/// The repository that an image is pushed to.
pub(super) struct Repository {
    client: Client,
    name: RepositoryName,
    remote: Remote,
}

impl Repository {
    pub(super) fn of(image: &ImageName, registries: &Registries<'_>) -> Result<Self, Failure> {
        Ok(Self {
            client: registries.client(image.registry())?,
            name: image.repository().clone(),
            remote: registries.remote(image)?,
        })
    }

    /// The repository's name, for people.
    pub(super) fn place(&self) -> &str {
        Source::place(&self.remote)
    }

    /// The repository, to copy from and to.
    pub(super) fn into_remote(self) -> Remote {
        self.remote
    }

    /// The manifest under a tag or digest, if the registry has it.
    pub(super) async fn find(&self, reference: &Reference) -> Result<Option<Manifest>, Failure> {
        match self.remote.manifest(reference).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The platform of an image that is no index; `None` if its configuration names none.
    pub(super) async fn platform(&self, manifest: &Manifest) -> Result<Option<Platform>, Failure> {
        Ok(hythe_transfer::platform_of(&self.remote, manifest).await?)
    }

    /// What the registry lacks of an image; `None` if the image is whole.
    pub(super) async fn lacks(&self, image: &Manifest) -> Result<Option<String>, Failure> {
        let (mut manifests, mut blobs) = (vec![image.clone()], Vec::new());
        for _ in 0..MAX_LEVELS {
            let mut below = Vec::new();
            for manifest in &manifests {
                blobs.extend(manifest.blobs().cloned());
                below.extend(manifest.children.iter().map(|child| child.descriptor.digest));
            }
            let read =
                stream::iter(below).map(|digest| async move { (digest, self.remote.read(&digest).await) });
            let read: Vec<_> = read.buffered(AT_ONCE).collect().await;
            manifests = Vec::new();
            for (digest, manifest) in read {
                match manifest? {
                    Some(manifest) => manifests.push(manifest),
                    None => return Ok(Some(format!("manifest {digest}"))),
                }
            }
        }
        blobs.sort_by_key(|blob| blob.digest.to_string());
        blobs.dedup_by_key(|blob| blob.digest);
        let asked = stream::iter(&blobs).map(|blob| async move {
            Ok::<_, Failure>((!self.remote.has_blob(blob).await?).then(|| format!("blob {}", blob.digest)))
        });
        let missing: Vec<Option<String>> = asked.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(missing.into_iter().flatten().next())
    }

    /// Removes a tag, if the registry allows that.
    pub(super) async fn remove(&self, tag: &Tag) -> Result<(), Failure> {
        Ok(self.client.delete_tag(&self.name, tag).await?)
    }

    /// The digest of the manifest that a tag names, if the tag exists.
    pub(super) async fn digest(&self, tag: &Tag) -> Result<Option<Digest>, Failure> {
        Ok(self.remote.find(&Reference::Tag(tag.clone())).await?)
    }

    /// Sets a tag to the manifest. Returns whether the tag named another one, or none.
    pub(super) async fn set(&self, tag: &Tag, manifest: &Manifest) -> Result<bool, Failure> {
        if self.digest(tag).await? == Some(manifest.digest) {
            return Ok(false);
        }
        let reference = Reference::Tag(tag.clone());
        let (media_type, bytes) = (&manifest.media_type, &manifest.bytes);
        self.client.push_manifest(&self.name, &reference, media_type, bytes, &[]).await?;
        Ok(true)
    }
}
