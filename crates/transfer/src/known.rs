//! What a registry already has of an image's layers: a blob by its digest, and the blobs that are layers whose uncompressed
//! digest is known.

use std::collections::HashMap;

use hythe_oci::{Descriptor, Digest, Platform, Reference, RepositoryName};
use serde::Deserialize;

use crate::config::read_config;
use crate::error::Result;
use crate::manifest::Manifest;
use crate::registry::Remote;
use crate::store::Source as _;

/// A part of an image's configuration (image-spec, config.md).
#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<Digest>,
}

impl Remote {
    /// The size of a blob that the repository has; `None` if it does not have the blob. The inner one is `None` if the
    /// registry does not say.
    pub async fn blob_size(&self, digest: &Digest) -> Result<Option<Option<u64>>> {
        match self.client().blob_head(self.repository_name(), digest).await {
            Ok(size) => Ok(Some(size)),
            Err(hythe_client::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a blob from another repository of the registry. Returns whether the registry did so.
    pub async fn mount(&self, blob: &Digest, from: &RepositoryName) -> Result<bool> {
        use hythe_client::{Error, Mount};
        match self.client().mount_blob(self.repository_name(), blob, from).await {
            Ok(Mount::Mounted) => Ok(true),
            Ok(Mount::Upload(upload)) => {
                // The registry forgets the session later, if this fails.
                let _ = upload.cancel().await;
                Ok(false)
            }
            // Some registries refuse what they will not mount.
            Err(Error::Denied { .. } | Error::NotFound { .. } | Error::Protocol { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The layers of an image in the repository, by the digests of their uncompressed bytes. Of an index, those of the
    /// image for the platform. Empty if there is no such image, or if it cannot be read.
    pub async fn layers(&self, reference: &Reference, platform: &Platform) -> HashMap<Digest, Descriptor> {
        match self.read_layers(reference, platform).await {
            Ok(Some(layers)) => layers,
            Ok(None) | Err(_) => HashMap::new(),
        }
    }

    async fn read_layers(
        &self,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Option<HashMap<Digest, Descriptor>>> {
        let mut manifest: Manifest = self.manifest(reference).await?;
        if manifest.is_index() {
            let mut children = manifest.children.iter();
            let is_for = |of: &Platform| platform.takes(of);
            let Some(child) = children.find(|child| child.platform.as_ref().is_some_and(is_for)) else {
                return Ok(None);
            };
            manifest = self.manifest(&Reference::Digest(child.descriptor.digest)).await?;
        }
        let Some(config) = &manifest.config else { return Ok(None) };
        let Some(Config { rootfs: RootFs { diff_ids } }) = read_config(self, config).await? else {
            return Ok(None);
        };
        if diff_ids.len() != manifest.layers.len() {
            return Ok(None);
        }
        Ok(Some(diff_ids.into_iter().zip(manifest.layers).collect()))
    }
}
