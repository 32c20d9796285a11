//! When an image was built.

use std::time::SystemTime;

use hythe_oci::Reference;
use hythe_transfer::{Remote, Source as _};

use super::image::read_config;
use crate::failure::Failure;

/// When an image was built, as its configuration says; of an index, when the last of its images was. `None` if the image
/// does not say so.
pub(in crate::commands) async fn created_at(
    remote: &Remote,
    reference: &Reference,
) -> Result<Option<SystemTime>, Failure> {
    let manifest = remote.manifest(reference).await?;
    let images = manifest.children.iter().filter(|child| child.attests.is_none());
    let mut manifests = Vec::new();
    for child in images {
        manifests.push(remote.manifest(&Reference::Digest(child.descriptor.digest)).await?);
    }
    if manifests.is_empty() {
        manifests.push(manifest);
    }
    let mut last = None;
    for manifest in manifests {
        let Some(config) = &manifest.config else { return Ok(None) };
        let created = read_config(config, remote).await?.and_then(|config| config.created);
        let created = created.and_then(|created| humantime::parse_rfc3339_weak(&created).ok());
        let Some(created) = created else { return Ok(None) };
        last = last.max(Some(created));
    }
    Ok(last)
}
