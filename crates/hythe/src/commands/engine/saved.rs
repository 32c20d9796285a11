//! The archive that an engine writes of an image, in a temporary file.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use hythe_engine::Engine;
use hythe_oci::Reference;
use hythe_transfer::{ArchiveSource, Source as _};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

use crate::failure::{Failure, FileError};

/// An image that an engine wrote into a file. The file ends with the value.
pub(in crate::commands) struct Saved {
    pub(in crate::commands) source: Arc<ArchiveSource>,
    pub(in crate::commands) reference: Reference,
    _file: NamedTempFile,
}

/// Has the engine write the archive of an image.
pub(in crate::commands) async fn saved(engine: &Engine, image: &str) -> Result<Saved, Failure> {
    let file = NamedTempFile::new().map_err(FileError::Temporary)?;
    let mut to = tokio::fs::File::from_std(file.reopen().map_err(FileError::Temporary)?);
    let mut pieces = Box::pin(engine.save(image));
    while let Some(piece) = pieces.try_next().await? {
        to.write_all(&piece).await.map_err(FileError::Temporary)?;
    }
    to.flush().await.map_err(FileError::Temporary)?;
    let source = Arc::new(ArchiveSource::open(file.path())?);
    let tags = source.tags().await?;
    let tag = tags.into_iter().next().unwrap_or_else(hythe_oci::Tag::latest);
    let reference = Reference::Digest(source.resolve(&Reference::Tag(tag)).await?);
    Ok(Saved { source, reference, _file: file })
}
