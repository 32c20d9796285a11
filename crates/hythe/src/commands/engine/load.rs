//! Loads an image from any place into an engine.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use hythe_engine::Engine;
use hythe_oci::{Digest, ImageName, Platform, Reference, Tag};
use hythe_transfer::{ArchiveTarget, Copied, Error, Plan, Source, Target as _, Watch, expect_platform};
use tokio::io::AsyncReadExt as _;

use crate::failure::{Failure, FileError};

/// Bytes that the engine gets at once.
const PIECE: u64 = 256 << 10;

/// An image to load.
pub(in crate::commands) struct Loading<'a> {
    pub(in crate::commands) source: &'a Arc<dyn Source>,
    pub(in crate::commands) reference: &'a Reference,
    /// The name that the engine gives it.
    pub(in crate::commands) name: &'a ImageName,
    /// The platform; otherwise the engine's.
    pub(in crate::commands) platform: Option<&'a Platform>,
    pub(in crate::commands) jobs: usize,
    pub(in crate::commands) watch: &'a Arc<dyn Watch>,
}

/// Loads the image, by an archive in a temporary file. Returns the digest that the source has, which may be an index's.
pub(in crate::commands) async fn load(
    engine: &Engine,
    loading: Loading<'_>,
) -> Result<(Digest, Copied), Failure> {
    let Loading { source, reference, name, platform, jobs, watch } = loading;
    let manifest = source.manifest(reference).await?;
    let image = if manifest.is_index() {
        // Engines run Linux; Docker Desktop's does too.
        let own = Platform::new("linux", engine.architecture(), None);
        let platform = platform.unwrap_or(&own);
        let children =
            || manifest.children.iter().filter_map(|child| Some((child, child.platform.as_ref()?)));
        let child = children().find(|(_, of)| platform.takes(of)).map(|(child, _)| child.descriptor.digest);
        child.ok_or_else(|| Error::Platform {
            what: format!("{name}"),
            wanted: platform.to_string(),
            there: children().map(|(_, of)| of.to_string()).collect::<Vec<_>>().join(", "),
        })?
    } else {
        if let Some(platform) = platform {
            expect_platform(&**source, &manifest, platform).await?;
        }
        manifest.digest
    };
    let folder = tempfile::tempdir().map_err(FileError::Temporary)?;
    let path = folder.path().join("image.tar");
    let repository = format!("{}/{}", name.registry(), name.repository());
    let archive = ArchiveTarget::create(&path, Some(repository))?;
    let tag = name.tag().cloned().unwrap_or_else(Tag::latest);
    let plan = Plan { jobs, ..Plan::default() };
    let copied =
        hythe_transfer::copy(source, &Reference::Digest(image), &archive, &[tag], &plan, watch).await?;
    archive.finish().await?;
    let pieces = pieces(&path).await.map_err(FileError::Temporary)?;
    engine.load_stream(&name.to_string(), pieces).await?;
    let config = match archive.read(&image).await? {
        Some(manifest) => manifest.config.map(|config| config.digest),
        None => None,
    };
    give_name(engine, name, [config, Some(image)].into_iter().flatten()).await?;
    Ok((manifest.digest, copied))
}

/// Gives the loaded image its name. An engine that reads the archive as an OCI layout, as Podman does, takes the tag for the
/// whole name. `ids` has the ids that the image may have in the engine.
async fn give_name(
    engine: &Engine,
    name: &ImageName,
    ids: impl Iterator<Item = Digest>,
) -> Result<(), Failure> {
    let ids: Vec<Digest> = ids.collect();
    let named = engine.find_image(name.as_str()).await?;
    if named.is_some_and(|named| ids.contains(&named.id)) {
        return Ok(());
    }
    for id in ids {
        // Podman takes no `sha256:` before an id.
        if engine.find_image(&id.hex()).await?.is_some() {
            engine.tag(&id.hex(), name).await?;
            if engine.is_podman() {
                let tag = name.tag().cloned().unwrap_or_else(Tag::latest);
                engine.remove_image(&format!("localhost/{tag}:latest")).await?;
            }
            return Ok(());
        }
    }
    Ok(())
}

/// The content of a file.
async fn pieces(path: &Path) -> std::io::Result<impl Stream<Item = std::io::Result<Bytes>> + Send + use<>> {
    let file = tokio::fs::File::open(path).await?;
    Ok(stream::try_unfold(file, |mut file| async move {
        let mut piece = Vec::with_capacity(PIECE as usize);
        (&mut file).take(PIECE).read_to_end(&mut piece).await?;
        Ok((!piece.is_empty()).then(|| (Bytes::from(piece), file)))
    }))
}
